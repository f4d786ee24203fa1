"""Checkpoints with two sets of weights: the trained ones and their average."""

from collections.abc import Mapping, Sequence

from torch import Tensor

from mmuniformer.checkpoint.state_dict import unwrap
from mmuniformer.errors import UserError

# mmengine's hook of the average exchanges both when it saves: the state dict
# is the average, and what was trained is here.
TRAINED = 'ema_state_dict'
PREFIX_OF_TRAINED = 'module.'


def choose_weights(
    content: Mapping, weights: str, source: str
) -> tuple[dict[str, Tensor], str]:
    """The average or the trained weights of a checkpoint.

    Args:
        content (Mapping): What the checkpoint holds.
        weights (str): 'average' or 'trained'.
        source (str): Path or URL of the checkpoint, for messages.

    Returns:
        tuple[dict[str, Tensor], str]: The tensors, and which they are: a
        training without an average has trained weights alone.

    Raises:
        UserError: If ``weights`` is neither.
    """
    if weights not in ('average', 'trained'):
        raise UserError(
            f"weights must be 'average' or 'trained', not {weights!r}"
        )
    tensors = unwrap(content, source)
    others = content.get(TRAINED)
    if not others:
        return tensors, 'trained'
    if weights == 'average':
        return tensors, 'average'
    trained = {
        key.removeprefix(PREFIX_OF_TRAINED): value
        for key, value in others.items()
        if key.startswith(PREFIX_OF_TRAINED)
    }
    # What is no weight of either, such as a buffer of the model alone.
    return {key: trained.get(key, tensors[key]) for key in tensors}, 'trained'


def weights_of_test(
    content: Mapping, hooks: Sequence[Mapping] | None, source: str
) -> tuple[dict[str, Tensor], str]:
    """The weights of a checkpoint that a test with a config uses.

    Args:
        content (Mapping): What the checkpoint holds.
        hooks (Sequence[Mapping], optional): ``custom_hooks`` of the config.
        source (str): Path or URL of the checkpoint, for messages.

    Returns:
        tuple[dict[str, Tensor], str]: As :func:`choose_weights`.
    """
    # Of mmpretrain's hook; that of mmengine tests the average always.
    is_trained = any(
        hook.get('evaluate_on_ema') is False for hook in hooks or ()
    )
    weights = 'trained' if is_trained else 'average'
    return choose_weights(content, weights, source)
