from mmuniformer.engine.hooks.checkpoints import (
    CheckpointMatchHook,
    PublishedCheckpointHook,
    SafeCheckpointHook,
    bare_model,
)
from mmuniformer.engine.hooks.finite import FiniteStepsHook
from mmuniformer.engine.hooks.pictures import PicturesHook
from mmuniformer.engine.hooks.preemption import PreemptionHook, how_to_go_on
from mmuniformer.engine.hooks.run_state import RunStateHook
from mmuniformer.engine.hooks.signs_of_life import SignsOfLifeHook
from mmuniformer.engine.hooks.video_pictures import VideoPictureHook

__all__ = [
    'CheckpointMatchHook',
    'FiniteStepsHook',
    'PicturesHook',
    'PreemptionHook',
    'PublishedCheckpointHook',
    'RunStateHook',
    'SafeCheckpointHook',
    'SignsOfLifeHook',
    'VideoPictureHook',
    'bare_model',
    'how_to_go_on',
]
