from mmuniformer.checkpoint.classifier import load_classifier
from mmuniformer.checkpoint.loading import load_pretrained
from mmuniformer.checkpoint.reading import read_checkpoint
from mmuniformer.errors import CheckpointError

__all__ = [
    'CheckpointError',
    'load_classifier',
    'load_pretrained',
    'read_checkpoint',
]
