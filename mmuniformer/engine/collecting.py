"""A metric that keeps of each tested sample what a report needs."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.evaluator import BaseMetric, Evaluator

from mmuniformer.registry import METRICS
from mmuniformer.reports.samples import (
    BINS,
    count_bins,
    png_of_labels,
    write_samples,
)


@METRICS.register_module()
class CollectSamples(BaseMetric):
    """Keeps samples with their predictions, as small as a report needs them.

    mmengine's ``DumpResults`` keeps all that a model gives, which for
    semantic segmentation are the logits of each pixel, in a pickle.

    Args:
        folder (str): Where the files of
            :class:`mmuniformer.reports.samples.Samples` go.
        library (str): The host library.
        ignore_index (int): A label of no class, of pixels.
        collect_device (str): See :class:`BaseMetric`.
    """

    # mmengine asks for one, of metrics that this has not.
    default_prefix = 'kept'

    def __init__(
        self,
        folder: str,
        library: str,
        ignore_index: int = 255,
        collect_device: str = 'cpu',
    ) -> None:
        super().__init__(collect_device=collect_device)
        self.folder = folder
        self.library = library
        self.ignore_index = ignore_index

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Keeps what is needed of a batch."""
        for sample in data_samples:
            result = dict(entry=self._entry(sample))
            if self.library in ('mmpretrain', 'mmaction'):
                result |= _classes(sample, result['entry'])
            elif self.library == 'mmseg':
                result |= self._pixels(sample)
            self.results.append(result)

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Writes all, and has no metric."""
        write_samples(Path(self.folder), self.dataset_meta or {}, results)
        return {}

    @staticmethod
    def _entry(sample: dict) -> dict[str, Any]:
        names = ('img_path', 'filename', 'frame_dir')
        paths = [str(sample[name]) for name in names if sample.get(name)]
        return dict(path=next(iter(paths), ''), image=sample.get('img_id'))

    def _pixels(self, sample: dict) -> dict[str, Any]:
        found = sample['pred_sem_seg']['data'].squeeze(0).cpu().numpy()
        if 'gt_sem_seg' not in sample:
            return {}
        truth = sample['gt_sem_seg']['data'].squeeze(0).cpu().numpy()
        number = len(self.dataset_meta['classes'])
        scored = truth != self.ignore_index
        return dict(
            counts=dict(
                matrix=count_pixels(truth[scored], found[scored], number),
                bins=_pixel_bins(sample, truth, found, scored),
            ),
            maps=[png_of_labels(truth), png_of_labels(found)],
        )


def count_pixels(
    truth: np.ndarray, found: np.ndarray, number: int
) -> np.ndarray:
    """Pixels by true and predicted class.

    Args:
        truth (np.ndarray): (N,) labels.
        found (np.ndarray): (N,) predicted labels.
        number (int): Of classes.

    Returns:
        np.ndarray: (C + 1, C); the last row is of labels that are no class,
        where a prediction counts all the same.
    """
    rows = np.minimum(truth.astype(np.int64), number)
    inside = found < number
    cells = rows[inside] * number + found[inside]
    counts = np.bincount(cells, minlength=(number + 1) * number)
    return counts.reshape(number + 1, number)


def _pixel_bins(
    sample: dict, truth: np.ndarray, found: np.ndarray, scored: np.ndarray
) -> np.ndarray:
    """Pixels by the confidence of their class, none without logits."""
    if 'seg_logits' not in sample:
        return np.zeros((3, BINS))
    logits = sample['seg_logits']['data'].float()
    if len(logits) > 1:
        confidence = logits.softmax(0).amax(0)
    else:
        confidence = torch.maximum(logits.sigmoid(), (-logits).sigmoid())[0]
    right = truth == found
    return count_bins(confidence.cpu().numpy()[scored], right[scored])


def _classes(sample: dict, entry: dict[str, Any]) -> dict[str, Any]:
    """Scores of all classes; the true class goes into the entry."""
    labels = sample.get('gt_label')
    labels = [] if labels is None else np.atleast_1d(_array(labels)).tolist()
    entry['label'] = labels[0] if len(labels) == 1 else labels
    scores = sample.get('pred_score')
    # A dict for each of several inputs in a model of mmaction2.
    if scores is None or isinstance(scores, dict):
        return {}
    return dict(scores=_array(scores).reshape(-1))


def _array(value: Any) -> np.ndarray:
    if isinstance(value, torch.Tensor):
        value = value.float() if value.is_floating_point() else value
        value = value.cpu().numpy()
    return np.asarray(value)


def scorings(cfg: Config, evaluator: Evaluator) -> list[dict[str, Any]]:
    """How the ``CocoMetric`` of a config have scored, one each.

    Args:
        cfg (Config): It has the files of the truth.
        evaluator (Evaluator): That of the test, which is over.

    Returns:
        list[dict]: 'truth' and 'found', files in COCO's formats, and the
        arguments that each metric gave to ``COCOeval``.
    """
    found = []
    for node, metric in zip(
        cfg.test_evaluator, evaluator.metrics, strict=True
    ):
        prefix = getattr(metric, 'outfile_prefix', None)
        if type(metric).__name__ != 'CocoMetric' or prefix is None:
            continue
        truth = node.get('ann_file') or f'{prefix}.gt.json'
        scoring = dict(
            truth=str(Path(truth).absolute()),
            found=Path(prefix).name,
            prefix=metric.prefix,
        )
        if hasattr(metric, 'proposal_nums'):
            scoring |= dict(
                metrics=list(metric.metrics),
                categories=list(metric.cat_ids or []),
                most=list(metric.proposal_nums),
                thresholds=np.asarray(metric.iou_thrs).tolist(),
            )
        else:
            scoring |= dict(
                kind=metric.iou_type,
                use_area=metric.use_area,
                converted=metric.gt_converter is not None,
            )
        found.append(scoring)
    return found
