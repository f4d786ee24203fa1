from mmuniformer.engine.hooks.checkpoints import (
    CheckpointMatchHook,
    PublishedCheckpointHook,
    SafeCheckpointHook,
    bare_model,
)
from mmuniformer.engine.hooks.pictures import PicturesHook
from mmuniformer.engine.hooks.signs_of_life import SignsOfLifeHook
from mmuniformer.engine.hooks.video_pictures import VideoPictureHook

__all__ = [
    'CheckpointMatchHook',
    'PicturesHook',
    'PublishedCheckpointHook',
    'SafeCheckpointHook',
    'SignsOfLifeHook',
    'VideoPictureHook',
    'bare_model',
]
