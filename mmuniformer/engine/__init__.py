"""The machinery of a run: reading a config, fitting it, hooks, files."""

from mmuniformer.engine.backends import PictureBackend
from mmuniformer.engine.collecting import CollectSamples
from mmuniformer.engine.hooks import (
    CheckpointMatchHook,
    FiniteStepsHook,
    PicturesHook,
    PreemptionHook,
    PublishedCheckpointHook,
    RunStateHook,
    SafeCheckpointHook,
    VideoPictureHook,
)
from mmuniformer.engine.layer_decay import (
    LayerDecayOptimWrapperConstructor,
)
from mmuniformer.engine.loops import EpochBasedTrainLoop, IterBasedTrainLoop
from mmuniformer.engine.parallel import DistributedDataParallel
from mmuniformer.engine.schedulers import LinearWarmupLR, PolyDecayLR

__all__ = [
    'CheckpointMatchHook',
    'CollectSamples',
    'DistributedDataParallel',
    'EpochBasedTrainLoop',
    'FiniteStepsHook',
    'IterBasedTrainLoop',
    'LayerDecayOptimWrapperConstructor',
    'LinearWarmupLR',
    'PictureBackend',
    'PicturesHook',
    'PolyDecayLR',
    'PreemptionHook',
    'PublishedCheckpointHook',
    'RunStateHook',
    'SafeCheckpointHook',
    'VideoPictureHook',
]
