"""What has to be tested to measure an experiment's published metrics.

A metric of the catalogue whose name ends in brackets is of another style of
test than the config's: views of a video, or several scales and flips. What
the paper alone prints is of its cells.
"""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from mmengine.config import Config

from mmuniformer.errors import UserError
from mmuniformer.reproduction.cells import AS_CONFIGURED, AUGMENTED, printed
from mmuniformer.zoo import Experiment, experiments

# Metrics of the catalogue by those that the libraries measure, and the factor
# that makes percent of them.
MEASURED = {
    'classification': {
        'Top 1 Accuracy': ('accuracy/top1', 1),
        'Top 5 Accuracy': ('accuracy/top5', 1),
    },
    'video': {
        'Top 1 Accuracy': ('acc/top1', 100),
        'Top 5 Accuracy': ('acc/top5', 100),
    },
    'detection': {
        'box AP': ('coco/bbox_mAP', 100),
        'box AP50': ('coco/bbox_mAP_50', 100),
        'box AP75': ('coco/bbox_mAP_75', 100),
        'mask AP': ('coco/segm_mAP', 100),
        'mask AP50': ('coco/segm_mAP_50', 100),
        'mask AP75': ('coco/segm_mAP_75', 100),
    },
    'segmentation': {'mIoU': ('mIoU', 1)},
    'pose': {
        'AP': ('coco/AP', 100),
        'AP50': ('coco/AP .5', 100),
        'AP75': ('coco/AP .75', 100),
        'AP (M)': ('coco/AP (M)', 100),
        'AP (L)': ('coco/AP (L)', 100),
        'AR': ('coco/AR', 100),
    },
}
# Samples of the data sets that figures are published of. Kinetics is not here:
# its videos disappear, and each copy has a number of its own; nor are people
# of COCO, which are as many as the boxes of a detector.
SAMPLES = {
    'ImageNet-1K': 50_000,
    'COCO': 5_000,
    'ADE20K': 2_000,
    'Something-Something V1': 11_522,
    'Something-Something V2': 24_777,
    'UCF101 (split 1)': 3_783,
    'HMDB51 (split 1)': 1_530,
}
# Half of the last printed digit, and as much for what another version of a
# library, of a decoder or of a GPU changes.
ROUNDING = 0.05
MORE = 0.1
CROPS = {1: 'CenterCrop', 3: 'ThreeCrop'}


@dataclass(frozen=True)
class Trial:
    """One run of the test command.

    Args:
        style (str): 'as configured', the views of a video as frames x crops x
            clips, or 'ms+flip'.
        published (dict): Metrics of that style, in percent; empty for a
            model without any.
    """

    style: str
    published: Mapping[str, float]

    @property
    def tta(self) -> bool:
        """Whether the test is one of several scales and flips."""
        return self.style == AUGMENTED


@dataclass(frozen=True)
class Spread:
    """How far a right result may be from the published one.

    Args:
        points (float): In percentage points.
        source (str): Where that is known from.
    """

    points: float
    source: str


def trials(experiment: Experiment) -> list[Trial]:
    """The tests of an experiment, that of its config first.

    What the official release prints of its file is what a result is compared
    with; of what it does not print, what the paper does.

    Args:
        experiment (Experiment): Official, or one with something changed.
    """
    by_style: dict[str, dict[str, float]] = {AS_CONFIGURED: {}}
    for result in experiment.results:
        for name, value in result.metrics.items():
            style, metric = _split(name)
            by_style.setdefault(style, {})[metric] = value
    for cell, value in printed(experiment):
        by_style.setdefault(cell.style, {}).setdefault(cell.metric, value)
    found = [Trial(style, published) for style, published in by_style.items()]
    # Of a model without published metrics, that of the config.
    return [trial for trial in found if trial.published] or found


def samples(experiment: Experiment) -> int | None:
    """How many samples its published metrics are of, if that is known.

    Args:
        experiment (Experiment): Official, or one with something changed.
    """
    if experiment.task == 'pose' or not experiment.results:
        return None
    return SAMPLES.get(experiment.results[0].dataset)


def _split(name: str) -> tuple[str, str]:
    """Style and metric of a name of the catalogue."""
    if AUGMENTED in name:
        return AUGMENTED, name.partition('(')[0].strip()
    views = re.search(r' \((\d+x\d+x\d+)\)$', name)
    if views:
        return views.group(1), name[: views.start()]
    return AS_CONFIGURED, name


def view_options(cfg: Config, style: str) -> dict[str, Any]:
    """Options that give a test of videos other views.

    Args:
        cfg (Config): The config that is tested.
        style (str): Frames x crops x clips.

    Raises:
        UserError: If the test pipeline has no place for them.
    """
    if not re.fullmatch(r'\d+x\d+x\d+', style):
        return {}
    frames, crops, clips = map(int, style.split('x'))
    place = 'test_dataloader.dataset.pipeline'
    options: dict[str, Any] = {}
    for i, step in enumerate(cfg.test_dataloader.dataset.pipeline):
        if 'clip_len' in step:
            options[f'{place}.{i}.clip_len'] = frames
            options[f'{place}.{i}.num_clips'] = clips
        if step['type'] in CROPS.values():
            options[f'{place}.{i}.type'] = CROPS[crops]
    if len(options) != 3:
        raise UserError(
            f'{cfg.filename}: its test pipeline has no one place for clips '
            f'and one for crops, so that {style} cannot be tested'
        )
    return options


def data_options(cfg: Config, data_root: str) -> dict[str, Any]:
    """Options that lead the paths of a test into another folder than data/.

    Args:
        cfg (Config): A config of this project: its paths begin with data/.
        data_root (str): The folder of all data sets.
    """
    options = {}
    for key in ('test_dataloader', 'test_evaluator'):
        for place, value in _texts(cfg[key], key):
            if value.startswith('data/'):
                rest = value.removeprefix('data/')
                options[place] = os.path.join(data_root, rest)
    return options


def _texts(node: Any, place: str) -> Iterator[tuple[str, str]]:
    if isinstance(node, str):
        yield place, node
    elif isinstance(node, Mapping):
        for key, value in node.items():
            yield from _texts(value, f'{place}.{key}')
    elif isinstance(node, list | tuple):
        for i, value in enumerate(node):
            yield from _texts(value, f'{place}.{i}')


@cache
def spread(task: str, metric: str) -> Spread:
    """How far results of one file are known to differ between two programs.

    Some published files were tested by OpenMMLab, too, which prints what it
    measured: the largest difference to the official figure, for a metric of
    a task.

    Args:
        task (str): Of the catalogue.
        metric (str): Of the catalogue, without its style.
    """
    differences = [
        abs(weights.measured_by_host[metric] - result.metrics[metric])
        for experiment in experiments()
        if experiment.task == task
        for weights in experiment.weights
        for result in experiment.results
        if metric in (weights.measured_by_host or {})
        and metric in result.metrics
    ]
    least = round(ROUNDING + MORE, 2)
    largest = max(differences, default=0.0)
    if largest > least:
        return Spread(
            round(largest + ROUNDING, 2),
            f'{len(differences)} of the published files measured by their '
            f'host, too: up to {largest:.1f} apart, and half of the last '
            'digit',
        )
    return Spread(least, 'half of the last printed digit, and 0.1')


def compare(
    task: str, published: Mapping[str, float], metrics: Mapping[str, Any]
) -> dict[str, dict[str, Any]]:
    """Measured metrics beside the published ones.

    Args:
        task (str): Of the catalogue.
        published (Mapping): In percent.
        metrics (Mapping): What the test command has returned.

    Returns:
        dict: For each published metric, or all where none is, what was
        measured (percent, None if it is not a number), the difference, and
        whether it is within the spread.
    """
    found = {}
    for metric in published or MEASURED[task]:
        key, factor = MEASURED[task][metric]
        raw = float(metrics.get(key, float('nan')))
        # Of COCO's, -1 is that there was nothing to measure.
        measured = factor * raw if raw >= 0 else None
        found[metric] = _beside(
            published.get(metric), measured, spread(task, metric)
        )
    return found


def _beside(
    published: float | None, measured: float | None, known: Spread
) -> dict[str, Any]:
    """A measured value beside a published one, if there are both."""
    difference = within = None
    if None not in (published, measured):
        difference = measured - published
    if published is not None:
        within = (
            difference is not None and abs(difference) <= known.points + 1e-9
        )
    return {
        'measured': None if measured is None else round(measured, 2),
        'published': published,
        'difference': None if difference is None else round(difference, 2),
        'spread': known.points,
        'spread_from': known.source,
        'within': within,
    }
