from mmuniformer.checkpoint.classifier import load_classifier
from mmuniformer.checkpoint.loading import load_pretrained
from mmuniformer.checkpoint.reading import CheckpointError, read_checkpoint

__all__ = [
    'CheckpointError',
    'load_classifier',
    'load_pretrained',
    'read_checkpoint',
]
