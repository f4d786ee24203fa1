"""A visualization backend that keeps pictures and nothing else."""

from typing import Any

from mmengine.registry import VISBACKENDS
from mmengine.visualization import LocalVisBackend


@VISBACKENDS.register_module()
class PictureBackend(LocalVisBackend):
    """Writes each picture right into ``save_dir``.

    For hooks that cannot be given a folder (mmseg's): LocalVisBackend would
    put the pictures two folders below, among configs and scalars.

    Args:
        save_dir (str): Folder that gets the pictures.
    """

    def __init__(self, save_dir: str) -> None:
        super().__init__(save_dir, img_save_dir='')

    def add_config(self, config: Any, **kwargs: Any) -> None:
        """Keeps no config."""

    def add_graph(self, model: Any, data_batch: Any, **kwargs: Any) -> None:
        """Keeps no graph."""

    def add_scalar(self, name: str, value: Any, **kwargs: Any) -> None:
        """Keeps no scalar."""

    def add_scalars(self, scalar_dict: dict, **kwargs: Any) -> None:
        """Keeps no scalars."""
