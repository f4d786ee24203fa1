"""What users call: a function for each command."""

from mmuniformer.engine.testing import evaluate as test
from mmuniformer.engine.training import train

__all__ = ['test', 'train']
