"""Keypoints of mmpose by their numbers, in whichever order they are written.

Defect: ``parse_pose_metainfo`` lists the colours and the mirrored keypoints in
the order of the entries of ``keypoint_info``, and everything else reads these
lists by the numbers. mmengine writes the keys of a dict sorted as text (0, 1,
10, 11, 2), so that in the config of a run and in its checkpoints the keypoints
of a data set that is described there are shuffled: a test with a flip averages
heatmaps of different keypoints.
Applies to: mmpose 1.3.2 with mmengine 0.10.
Upstream: https://github.com/open-mmlab/mmpose (no issue found)
Gone when: mmpose reads entries by their numbers. Those that are in order are
passed on as they are.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

from mmuniformer.compat.import_hooks import after_import
from mmuniformer.compat.replacing import is_replaced, replace_once
from mmuniformer.compat.status import Status
from mmuniformer.compat.versions import installed

_MODULE = 'mmpose.datasets.datasets.utils'


def _by_number(parse: Callable[[dict], dict]) -> Callable[[dict], dict]:
    def parse_pose_metainfo(metainfo: dict) -> dict:
        return _ordered(parse(metainfo))

    return parse_pose_metainfo


def _ordered(parsed: dict[str, Any]) -> dict[str, Any]:
    names = parsed.get('keypoint_id2name') or {}
    ids = list(names)
    if not all(isinstance(number, int) for number in ids):
        return parsed
    places = sorted(range(len(ids)), key=ids.__getitem__)
    flips = parsed['flip_indices']
    return {
        **parsed,
        'keypoint_id2name': {ids[p]: names[ids[p]] for p in places},
        'keypoint_colors': parsed['keypoint_colors'][places],
        'flip_indices': [flips[p] for p in places],
    }


def _patch(module: ModuleType) -> None:
    replace_once(module, 'parse_pose_metainfo', _by_number, by=__name__)


def apply() -> None:
    after_import(_MODULE, _patch)


def status() -> Status:
    name = 'mmpose keypoints by number'
    if not installed('mmpose'):
        return Status(name, 'not needed', 'mmpose is not installed')
    from mmpose.datasets.datasets import utils

    if is_replaced(utils.parse_pose_metainfo, by=__name__):
        return Status(name, 'active', 'in whichever order they are written')
    return Status(name, 'broken', 'shuffled in the config of a run')
