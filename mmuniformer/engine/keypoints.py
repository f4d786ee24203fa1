"""The file and the person in the error about a wrong number of keypoints."""

from functools import wraps
from typing import Any

from mmengine.config import Config

from mmuniformer.errors import UserError


def check_keypoints(cfg: Config) -> None:
    """Makes mmpose's data sets check the number of keypoints as they load.

    Without it numpy fails to reshape or stack them, long after the file and
    the person were known.

    Args:
        cfg (Config): Only a config of mmpose needs it.
    """
    if cfg.get('default_scope') != 'mmpose':
        return
    from mmpose.datasets.datasets.base import BaseCocoStyleDataset as Dataset

    parse, load_boxes = (
        Dataset.parse_data_info,
        Dataset._load_detection_results,
    )
    if hasattr(parse, '__wrapped__'):
        return

    @wraps(parse)
    def parse_data_info(self: Dataset, raw_data_info: dict) -> dict | None:
        _check(self, raw_data_info['raw_ann_info'])
        return parse(self, raw_data_info)

    @wraps(load_boxes)
    def _load_detection_results(self: Dataset) -> list[dict]:
        results = load_boxes(self)
        # What the boxes' keypoints will be compared with.
        for annotation in self.coco.anns.values():
            _check(self, annotation)
        return results

    Dataset.parse_data_info = parse_data_info
    Dataset._load_detection_results = _load_detection_results


def _check(dataset: Any, annotation: dict) -> None:
    wanted = dataset.metainfo['num_keypoints']
    numbers = len(annotation.get('keypoints', [0] * 3 * wanted))
    if numbers != 3 * wanted:
        raise UserError(
            f'{dataset.ann_file}: annotation {annotation["id"]} has {numbers} '
            f'numbers in keypoints, not {3 * wanted} (x, y and visibility of '
            f'{wanted} keypoints)'
        )
