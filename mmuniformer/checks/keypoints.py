"""Keypoint annotations (human and animal pose)."""

import json
from collections.abc import Collection, Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

from mmengine.config import Config

from mmuniformer.checks.finding import Finding
from mmuniformer.nodes import walk


def check_keypoints(cfg: Config, phases: Collection[str]) -> Iterator[Finding]:
    """Looks at the number of keypoints of each annotation.

    Without it numpy fails to reshape or stack them, long after the file and
    the person were known.

    Args:
        cfg (Config): Only a config of mmpose is looked at.
        phases (Collection[str]): Of 'train', 'val' and 'test', those whose
            data are read.
    """
    if cfg.get('default_scope') != 'mmpose':
        return
    looked_at = set()
    for phase in phases:
        for _, node in walk(cfg.get(f'{phase}_dataloader')):
            wanted = _keypoints_of(node)
            path = Path(node.get('data_root') or '', node.get('ann_file', ''))
            if wanted is None or not path.is_file():
                continue
            if (path, wanted) not in looked_at:
                looked_at.add((path, wanted))
                yield from _check_file(path, wanted)


def _keypoints_of(node: dict) -> int | None:
    """Keypoints that a data set reads from ``keypoints`` of an annotation.

    None for other nodes, and for data sets that put keypoints together by
    themselves.
    """
    if not node.get('ann_file') or 'type' not in node:
        return None
    from mmpose.datasets.datasets.base import BaseCocoStyleDataset as Base
    from mmpose.registry import DATASETS

    kind = node['type']
    kind = DATASETS.get(kind) if isinstance(kind, str) else kind
    if not isinstance(kind, type) or not issubclass(kind, Base):
        return None
    if kind.parse_data_info is not Base.parse_data_info:
        return None
    metainfo = kind._load_metainfo(deepcopy(node.get('metainfo')))
    return (metainfo or {}).get('num_keypoints')


def _check_file(path: Path, wanted: int) -> Iterator[Finding]:
    for annotation in _annotations(path):
        keypoints = annotation.get('keypoints')
        numbers = 3 * wanted if keypoints is None else len(keypoints)
        if numbers != 3 * wanted:
            entry = f'annotation {annotation["id"]}'
            yield Finding(
                f'{path}: {entry} has {numbers} numbers in keypoints, not '
                f'{3 * wanted} (x, y and visibility of {wanted} keypoints)',
                file=str(path),
                entry=entry,
            )


def _annotations(path: Path) -> list[dict[str, Any]]:
    with path.open(encoding='utf-8') as file:
        content = json.load(file)
    # The library refuses other files by itself.
    return content.get('annotations', []) if isinstance(content, dict) else []
