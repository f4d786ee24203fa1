from mmuniformer.engine.hooks.checkpoints import (
    CheckpointMatchHook,
    PublishedCheckpointHook,
    SafeCheckpointHook,
    bare_model,
)
from mmuniformer.engine.hooks.finite import FiniteStepsHook
from mmuniformer.engine.hooks.pictures import PicturesHook
from mmuniformer.engine.hooks.video_pictures import VideoPictureHook

__all__ = [
    'CheckpointMatchHook',
    'FiniteStepsHook',
    'PicturesHook',
    'PublishedCheckpointHook',
    'SafeCheckpointHook',
    'VideoPictureHook',
    'bare_model',
]
