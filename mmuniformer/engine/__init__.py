"""The machinery of a run: reading a config, fitting it, hooks, files."""

from mmuniformer.engine.backends import PictureBackend
from mmuniformer.engine.hooks import (
    CheckpointMatchHook,
    PublishedCheckpointHook,
    SafeCheckpointHook,
    VideoPictureHook,
)

__all__ = [
    'CheckpointMatchHook',
    'PictureBackend',
    'PublishedCheckpointHook',
    'SafeCheckpointHook',
    'VideoPictureHook',
]
