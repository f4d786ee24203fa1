"""Published weights, by their names."""

from pathlib import Path

from mmuniformer import zoo
from mmuniformer.zoo.listing import find_weights


def get_weights(name: str, out: str | None = None) -> Path:
    """Gets published weights.

    Args:
        name (str): Of an experiment, its config or its file, as
            ``mmuniformer zoo list`` shows them.
        out (str, optional): Folder to put the file into, instead of the
            cache.

    Returns:
        Path: The file.

    Raises:
        UserError: If nothing has that name.
        CheckpointError: If the file cannot be got, or is not the published
            one.
    """
    return zoo.get(find_weights(name), out)
