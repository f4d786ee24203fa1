"""The machinery of a run: reading a config, fitting it, hooks, files."""

from mmuniformer.engine.backends import PictureBackend
from mmuniformer.engine.hooks import (
    CheckpointMatchHook,
    PublishedCheckpointHook,
    SafeCheckpointHook,
    VideoPictureHook,
)
from mmuniformer.engine.schedulers import LinearWarmupLR

__all__ = [
    'CheckpointMatchHook',
    'LinearWarmupLR',
    'PictureBackend',
    'PublishedCheckpointHook',
    'SafeCheckpointHook',
    'VideoPictureHook',
]
