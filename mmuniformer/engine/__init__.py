"""Training and testing from a config: what ``tools/`` calls."""

from mmuniformer.engine.hooks import (
    CheckpointMatchHook,
    PublishedCheckpointHook,
    SafeCheckpointHook,
)

__all__ = [
    'CheckpointMatchHook',
    'PublishedCheckpointHook',
    'SafeCheckpointHook',
]
