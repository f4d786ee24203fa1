"""Which metrics of a config compare predictions with labels."""

from mmengine.config import Config

from mmuniformer.checks.data_sets import evaluators
from mmuniformer.nodes import type_name

# Metrics that write predictions and compute nothing.
WRITERS = ('DumpResults', 'DumpDetResults', 'DumpProposals')


def scoring(cfg: Config, phase: str) -> tuple[str, ...]:
    """Names of the metrics of a phase that need labels.

    Args:
        cfg (Config): It is not changed.
        phase (str): 'train' has none, 'val' or 'test'.
    """
    return tuple(
        type_name(node)
        for _, _, node in evaluators(cfg, (phase,))
        if type_name(node) not in WRITERS and not node.get('format_only')
    )


def without_scores(phase: str) -> str:
    """How to get along without labels, the end of a message.

    Args:
        phase (str): 'val' or 'test'.
    """
    if phase == 'val':
        return 'take a validation set with labels, or train with --no-validate'
    return (
        'to write predictions without scores: tools/test.py CONFIG CHECKPOINT '
        '--out FILE.pkl --cfg-options "test_evaluator=[]"'
    )
