"""The machinery of a run: reading a config, fitting it, hooks, files."""

from mmuniformer.engine.backends import PictureBackend
from mmuniformer.engine.hooks import (
    CheckpointMatchHook,
    FiniteStepsHook,
    PicturesHook,
    PublishedCheckpointHook,
    SafeCheckpointHook,
    VideoPictureHook,
)
from mmuniformer.engine.layer_decay import (
    LayerDecayOptimWrapperConstructor,
)
from mmuniformer.engine.parallel import DistributedDataParallel
from mmuniformer.engine.schedulers import LinearWarmupLR, PolyDecayLR

__all__ = [
    'CheckpointMatchHook',
    'DistributedDataParallel',
    'FiniteStepsHook',
    'LayerDecayOptimWrapperConstructor',
    'LinearWarmupLR',
    'PictureBackend',
    'PicturesHook',
    'PolyDecayLR',
    'PublishedCheckpointHook',
    'SafeCheckpointHook',
    'VideoPictureHook',
]
