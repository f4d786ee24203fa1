"""Metrics are of something: predictions are compared with labels."""

from collections.abc import Collection, Iterator
from pathlib import Path

from mmengine.config import Config

from mmuniformer.checks.coco_file import read_coco
from mmuniformer.checks.data_sets import (
    DataSet,
    data_sets,
    evaluators,
    library_of,
)
from mmuniformer.checks.finding import Finding
from mmuniformer.nodes import type_name

# Metrics that write predictions and compute nothing.
WRITERS = ('DumpResults', 'DumpDetResults', 'DumpProposals')


# Metrics that compare with a file of COCO's form: pycocotools gives -1 for
# each of its figures where that has no annotations.
COCO_METRICS = ('CocoMetric', 'CocoWholeBodyMetric', 'LVISMetric')


def check_scoring(cfg: Config, phases: Collection[str]) -> Iterator[Finding]:
    """Looks for metrics that have nothing to compare predictions with.

    Files of annotations without any, maps that are not named, and accuracies
    among more classes than there are. Lists are looked at by their own checks.

    Args:
        cfg (Config): Its default scope is active.
        phases (Collection[str]): Of 'train', 'val' and 'test'.
    """
    for phase in phases:
        metrics = scoring(cfg, phase)
        if metrics:
            yield from _check_files(cfg, phase)
            yield from _check_ranks(cfg, phase)
        for data_set in data_sets(cfg, (phase,)) if metrics else ():
            prefix = data_set.node.get('data_prefix')
            if data_set.read_by == 'BaseSegDataset' and prefix is not None:
                yield from _check_maps(data_set, prefix, metrics)


def _check_ranks(cfg: Config, phase: str) -> Iterator[Finding]:
    """Looks for a top-5 accuracy of four classes: mmpretrain's stops at it."""
    head = (cfg.get('model') or {}).get('head')
    number = head.get('num_classes') if isinstance(head, dict) else None
    if library_of(cfg) != 'mmpretrain' or not isinstance(number, int):
        return
    for _, path, node in evaluators(cfg, (phase,)):
        if type_name(node) != 'Accuracy':
            continue
        ranks = node.get('topk', 1)
        ranks = (ranks,) if isinstance(ranks, int) else tuple(ranks)
        if max(ranks, default=0) > number:
            kept = tuple(rank for rank in ranks if rank <= number) or (1,)
            yield Finding(
                f'{path}.topk is {ranks}, and the model has {number} classes',
                f'set {path}.topk={kept}',
                entry=f'{path}.topk',
            )


def _check_maps(
    data_set: DataSet, prefix: dict, metrics: Collection[str]
) -> Iterator[Finding]:
    if prefix.get('seg_map_path') is None:
        place = f'{data_set.path}.data_prefix'
        yield Finding(
            f'{place} has no seg_map_path: {", ".join(metrics)} would have '
            'nothing to compare with',
            f'set {place}.seg_map_path, or {without_scores(data_set.phase)}',
            entry=place,
        )


def _check_files(cfg: Config, phase: str) -> Iterator[Finding]:
    told = set()
    for _, path, node in evaluators(cfg, (phase,)):
        name = type_name(node)
        if name not in COCO_METRICS or node.get('format_only'):
            continue
        files = [node.get('ann_file')]
        if not files[0]:
            files = [data.ann_file for data in data_sets(cfg, (phase,))]
        for file in files:
            if file and file not in told and _is_empty(Path(file)):
                told.add(file)
                yield Finding(
                    f'{file} has no annotations: {name} would score without '
                    'anything to compare with',
                    without_scores(phase),
                    str(file),
                    path,
                )


def _is_empty(file: Path) -> bool:
    """Whether a file lists images and no annotations, as those of tests."""
    if file.suffix != '.json' or not file.is_file():
        return False
    content = read_coco(file).content
    return content is not None and not content.get('annotations')


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
        'to write predictions without scores: mmuniformer test CONFIG '
        'CHECKPOINT --out FILE.pkl --cfg-options "test_evaluator=[]"'
    )
