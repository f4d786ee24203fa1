"""Whether head, converters and data sets have the same number of keypoints."""

from collections.abc import Iterator
from typing import Any

from mmengine.config import Config

from mmuniformer.checks.data_sets import DataSet, evaluators
from mmuniformer.checks.finding import Finding
from mmuniformer.nodes import type_name, walk

# Where the 2D heads of mmpose have their number. Those for 3D count
# coordinates, roots or depths and are not among them.
_NUMBERS = {
    'AssociativeEmbeddingHead': 'num_keypoints',
    'CIDHead': 'num_keypoints',
    'CPMHead': 'out_channels',
    'DEKRHead': 'num_keypoints',
    'DSNTHead': 'num_joints',
    'EDPoseHead': 'num_keypoints',
    'HeatmapHead': 'out_channels',
    'IntegralRegressionHead': 'num_joints',
    'MSPNHead': 'out_channels',
    'RLEHead': 'num_joints',
    'RTMCCHead': 'out_channels',
    'RTMOHead': 'num_keypoints',
    'RTMWHead': 'out_channels',
    'RegressionHead': 'num_joints',
    'SimCCHead': 'out_channels',
    'ViPNASHead': 'out_channels',
    'YOLOXPoseHead': 'num_keypoints',
}
_CONVERTERS = {
    'KeypointConverter': ('mapping',),
    'SingleHandConverter': ('left_hand_mapping', 'right_hand_mapping'),
}


def head_numbers(cfg: Config) -> Iterator[tuple[str, int, int]]:
    """The numbers of keypoints that the heads of a config are set to.

    Yields:
        tuple[str, int, int]: Dotted path of the key, its value, and how many
        channels a keypoint has.
    """
    for path, node in walk(cfg.get('model'), 'model'):
        key = _NUMBERS.get(type_name(node))
        value = node.get(key) if key else None
        if isinstance(value, int):
            yield f'{path}.{key}', value, _channels(node.get('decoder'))


def _channels(codec: Any) -> int:
    """Channels of a keypoint: a combined map has its offsets in two more."""
    if isinstance(codec, (list, tuple)):
        codec = codec[-1] if codec else None
    combined = type_name(codec) == 'UDPHeatmap' and (
        codec.get('heatmap_type') == 'combined'
    )
    return 3 if combined else 1


def check_numbers(
    cfg: Config, data_set: DataSet, number: int
) -> Iterator[Finding]:
    """Follows the keypoints of a data set to the heads.

    Args:
        cfg (Config): What the data set is of.
        data_set (DataSet): One of mmpose.
        number (int): How many keypoints it has.
    """
    source = f'{data_set.path} has {number}'
    for path, node in _converters(cfg, data_set):
        findings = list(_check_converter(path, node, number, source))
        yield from findings
        if findings:
            return
        number = node['num_keypoints']
        source = f'{path} makes {number}'
    kept = None
    if data_set.phase != 'train':
        if _converts(cfg, data_set.phase):
            return
        kept = _kept(cfg)
    for path, value, channels in head_numbers(cfg):
        if kept is not None:
            yield from _check_kept(
                path, value // channels, kept, source, number
            )
        elif value != number * channels:
            wanted = number * channels
            why = '' if channels == 1 else f', {channels} channels of each'
            yield Finding(
                f'{path} is {value}, and {source} keypoints{why}',
                f'set {path} to {wanted}, or metainfo of the data set to '
                'that of its keypoints',
                entry=path,
            )


def _kept(cfg: Config) -> list[int] | None:
    """Of its keypoints, those that the model gives at a test."""
    for _, node in walk(cfg.get('model')):
        kept = (node.get('test_cfg') or {}).get('output_keypoint_indices')
        if kept is not None:
            return list(kept)
    return None


def _check_kept(
    path: str, value: int, kept: list[int], source: str, number: int
) -> Iterator[Finding]:
    place = 'model.test_cfg.output_keypoint_indices'
    if len(kept) != number:
        what = f'{place} keeps {len(kept)} keypoints, and {source}'
    elif max(kept, default=0) >= value:
        what = f'{place} keeps keypoint {max(kept)}, and {path} is {value}'
    else:
        return
    yield Finding(what, entry=place)


def _converters(
    cfg: Config, data_set: DataSet
) -> Iterator[tuple[str, dict[str, Any]]]:
    """In the order in which a sample meets them: innermost first."""
    nodes = [*wrappers(cfg, data_set), (data_set.path, data_set.node)]
    for path, node in reversed(nodes):
        for inner, transform in walk(node.get('pipeline'), f'{path}.pipeline'):
            if type_name(transform) in _CONVERTERS:
                yield inner, transform


def wrappers(
    cfg: Config, data_set: DataSet
) -> Iterator[tuple[str, dict[str, Any]]]:
    """What a data set stands in: paths and nodes, outermost first."""
    node: Any = cfg
    path = ''
    for part in data_set.path.split('.'):
        if '.' in path and isinstance(node, dict):
            yield path, node
        node = node[int(part) if isinstance(node, (list, tuple)) else part]
        path = f'{path}.{part}' if path else part


def _check_converter(
    path: str, node: dict[str, Any], number: int, source: str
) -> Iterator[Finding]:
    target = node.get('num_keypoints')
    if not isinstance(target, int):
        yield Finding(f'{path} lacks num_keypoints', entry=path)
        return
    for key in _CONVERTERS[type_name(node)]:
        for pair in node.get(key) or ():
            if not isinstance(pair, (list, tuple)) or len(pair) != 2:
                yield Finding(
                    f'{path}.{key} has {pair!r}, and not a pair of a source '
                    'and a target',
                    entry=f'{path}.{key}',
                )
                return
            sources = (
                pair[0] if isinstance(pair[0], (list, tuple)) else pair[:1]
            )
            if any(one >= number for one in sources):
                yield Finding(
                    f'{path}.{key} takes keypoint {max(sources)}, and '
                    f'{source} keypoints (counted from 0)',
                    entry=f'{path}.{key}',
                )
                return
            if pair[1] >= target:
                yield Finding(
                    f'{path}.{key} puts one at {pair[1]}, and its '
                    f'num_keypoints is {target} (counted from 0)',
                    entry=f'{path}.{key}',
                )
                return


def _converts(cfg: Config, phase: str) -> bool:
    """Whether a metric takes predictions of another number."""
    return any(
        node.get('pred_converter') or node.get('gt_converter')
        for _, path, evaluator in evaluators(cfg, [phase])
        for _, node in walk(evaluator, path)
    )
