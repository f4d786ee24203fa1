"""Training and testing from a config: what ``tools/`` calls."""

from mmuniformer.engine.hooks import (
    CheckpointMatchHook,
    PublishedCheckpointHook,
    SafeCheckpointHook,
)
from mmuniformer.engine.video_pictures import VideoPictureHook

__all__ = [
    'CheckpointMatchHook',
    'PublishedCheckpointHook',
    'SafeCheckpointHook',
    'VideoPictureHook',
]
