"""A generated batch for any model of the five libraries.

Pictures are drawn, so that boxes, masks, labels and keypoints belong to what
is there; a picture of a file takes their place where a model predicts.
"""

from collections.abc import Sequence
from importlib import import_module
from typing import Any

from mmengine.config import Config

from mmuniformer.dropin.samples.pictures import Picture, draw, read

__all__ = ['Picture', 'draw', 'make_batch', 'read']


def make_batch(
    cfg: Config, pictures: Sequence[Picture], training: bool
) -> dict[str, Any]:
    """What the data preprocessor of a config's model is given.

    Args:
        cfg (Config): Of one of the five libraries.
        pictures (Sequence[Picture]): One for each sample.
        training (bool): Whether the batch is to learn from.
    """
    module = import_module(f'{__name__}.{cfg.default_scope}_samples')
    return module.make_batch(cfg, pictures, training)
