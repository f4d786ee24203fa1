"""Training and testing from a config: what ``tools/`` calls."""

from mmuniformer.engine.hooks import CheckpointMatchHook, SafeCheckpointHook

__all__ = ['CheckpointMatchHook', 'SafeCheckpointHook']
