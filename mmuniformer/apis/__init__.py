"""What users call: a function for each command."""

from mmuniformer.apis.browsing import browse
from mmuniformer.apis.complexity import get_flops
from mmuniformer.apis.deployment import deploy
from mmuniformer.apis.publishing import publish
from mmuniformer.apis.testing import test
from mmuniformer.apis.token_labeling import make_token_labels
from mmuniformer.apis.token_pictures import draw_tokens
from mmuniformer.apis.training import train

__all__ = [
    'browse',
    'deploy',
    'draw_tokens',
    'get_flops',
    'make_token_labels',
    'publish',
    'test',
    'train',
]
