"""What users call: a function for each command."""

from mmuniformer.apis.attention_pictures import draw_attention
from mmuniformer.apis.browsing import browse
from mmuniformer.apis.cam_pictures import draw_cam
from mmuniformer.apis.check_report import report_on_dataset
from mmuniformer.apis.checking import check_dataset
from mmuniformer.apis.complexity import get_flops
from mmuniformer.apis.deployment import deploy
from mmuniformer.apis.exporting import export
from mmuniformer.apis.field_pictures import draw_receptive_field
from mmuniformer.apis.predicting import iterate, load, predict
from mmuniformer.apis.publishing import publish
from mmuniformer.apis.rehearsal_report import report_on_dry_run
from mmuniformer.apis.rehearsing import dry_run
from mmuniformer.apis.replaying import replay
from mmuniformer.apis.reporting import report
from mmuniformer.apis.result_pictures import draw_results
from mmuniformer.apis.sharding import make_shards
from mmuniformer.apis.swapping import swap_backbone
from mmuniformer.apis.testing import test
from mmuniformer.apis.token_labeling import make_token_labels
from mmuniformer.apis.token_pictures import draw_tokens
from mmuniformer.apis.training import train
from mmuniformer.apis.zoo import get_weights

__all__ = [
    'browse',
    'check_dataset',
    'deploy',
    'draw_attention',
    'draw_cam',
    'draw_receptive_field',
    'draw_results',
    'draw_tokens',
    'dry_run',
    'export',
    'get_flops',
    'get_weights',
    'iterate',
    'load',
    'make_shards',
    'make_token_labels',
    'predict',
    'publish',
    'replay',
    'report',
    'report_on_dataset',
    'report_on_dry_run',
    'swap_backbone',
    'test',
    'train',
]
