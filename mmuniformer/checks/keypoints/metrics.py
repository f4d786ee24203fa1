"""What the metrics of mmpose read, which ends a run after its training."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mmengine.config import Config

from mmuniformer.checks import scan
from mmuniformer.checks.coco_file import read_coco
from mmuniformer.checks.data_sets import DataSet, evaluators
from mmuniformer.checks.finding import Finding, few
from mmuniformer.checks.keypoints.metainfo import check_sigmas
from mmuniformer.nodes import type_name

# Of the labels of a key: one more than a message names.
_KEPT = 4
_COCO = ('CocoMetric', 'CocoWholeBodyMetric')
_PARTS = ('foot_kpts', 'face_kpts', 'lefthand_kpts', 'righthand_kpts')


def check_metrics(
    cfg: Config, data_set: DataSet, metainfo: dict[str, Any]
) -> Iterator[Finding]:
    """Looks at what the metrics of a phase need of one of its data sets.

    Args:
        cfg (Config): What the data set is of.
        data_set (DataSet): One of mmpose; nothing is said of training.
        metainfo (dict): Of what the loader holds, as it was parsed.
    """
    if data_set.phase == 'train':
        return
    for path, node in _metrics(cfg, data_set):
        name = type_name(node)
        if name in _COCO:
            if not node.get('gt_converter'):
                yield from check_sigmas(metainfo, data_set, path)
            yield from _check_coco(path, node, data_set)
        elif name in ('PCKAccuracy', 'MpiiPCKAccuracy'):
            yield from _check_head_size(path, node, data_set)
        elif name == 'NME':
            yield from _check_nme(path, node, metainfo)


def _metrics(
    cfg: Config, data_set: DataSet
) -> Iterator[tuple[str, dict[str, Any]]]:
    """The metrics that a data set is evaluated by."""
    for _, path, node in evaluators(cfg, [data_set.phase]):
        if type_name(node) == 'MultiDatasetEvaluator':
            metrics = node.get('metrics') or ()
            for index, which in enumerate(node.get('datasets') or ()):
                if which.get('ann_file') == data_set.node.get('ann_file'):
                    yield f'{path}.metrics.{index}', metrics[index]
        elif type_name(node) == 'KeypointPartitionMetric':
            continue
        else:
            yield path, node


def _check_coco(
    path: str, node: dict[str, Any], data_set: DataSet
) -> Iterator[Finding]:
    file = node.get('ann_file')
    local = file and '://' not in str(file)
    file = Path(file) if local else data_set.ann_file
    # Whether it is there and has the images of the data set is asked of the
    # evaluators of all libraries alike.
    if file is None or not file.is_file() or node.get('format_only'):
        return
    read = read_coco(file)
    if read.content is None:
        return
    if not read.content.get('annotations'):
        yield Finding(
            f'{file} has no annotations, and {path} compares with them',
            f'set {path}.format_only=True and an outfile_prefix to write '
            'predictions alone',
            file=str(file),
            entry=path,
        )
        return
    if not read.content.get('categories'):
        yield Finding(
            f'{file} has no categories, and {path} scores by category',
            'add [{"id": 1, "name": "person"}] for people',
            file=str(file),
            entry='categories',
        )
        return
    keys = _keys(node)
    for key, (count, labels) in _lacking(file, keys).items():
        mend = 'add it to each'
        if key == 'area':
            mend += f', or set {path}.use_area=False'
        yield Finding(
            f'{file}: {count} annotations lack {key} '
            f'({few(labels)}), which {path} reads: the run would '
            'end at the first evaluation',
            mend,
            file=str(file),
            entry=labels[0],
        )


def _keys(node: dict[str, Any]) -> list[str]:
    keys = ['bbox', 'keypoints', 'category_id']
    if node.get('use_area', True):
        keys.append('area')
    if node.get('iou_type') == 'keypoints_crowd':
        keys.append('num_keypoints')
    if type_name(node) == 'CocoWholeBodyMetric':
        keys += _PARTS
    return keys


def _lacking(file: Path, keys: list[str]) -> dict[str, list]:
    def look() -> dict[str, list]:
        wrong: dict[str, list] = {}
        wanted = set(keys)
        for entry in read_coco(file).content['annotations']:
            for key in sorted(wanted - entry.keys()):
                found = wrong.setdefault(key, [0, []])
                found[0] += 1
                if len(found[1]) < _KEPT:
                    found[1].append(f'annotation {entry.get("id")}')
        return wrong

    return scan.remembered([file], ['keys of a metric', keys], look)


def _check_head_size(
    path: str, node: dict[str, Any], data_set: DataSet
) -> Iterator[Finding]:
    default = 'head' if type_name(node) == 'MpiiPCKAccuracy' else 'bbox'
    items = node.get('norm_item', default)
    items = [items] if isinstance(items, str) else items
    if (
        'head' in items
        and data_set.name == 'MpiiDataset'
        and not data_set.node.get('headbox_file')
    ):
        yield Finding(
            f'{path} divides by the size of heads, and {data_set.path} has '
            'no headbox_file',
            'name mpii_gt_val.mat there, or set norm_item to "bbox"',
            entry=path,
        )


def _check_nme(
    path: str, node: dict[str, Any], metainfo: dict[str, Any]
) -> Iterator[Finding]:
    if node.get('norm_mode') != 'keypoint_distance':
        return
    from mmpose.evaluation.metrics import NME

    pair = node.get('keypoint_indices')
    name = metainfo['dataset_name']
    if pair is None and name not in NME.DEFAULT_KEYPOINT_INDICES:
        yield Finding(
            f'{path} divides by the distance of two keypoints and knows none '
            f'for the data set "{name}"',
            f'set {path}.keypoint_indices',
            entry=path,
        )
    number = metainfo['num_keypoints']
    if pair is not None and (
        len(pair) != 2 or any(not 0 <= index < number for index in pair)
    ):
        yield Finding(
            f'{path}.keypoint_indices is {pair}, and not two of {number} '
            'keypoints (counted from 0)',
            entry=f'{path}.keypoint_indices',
        )
