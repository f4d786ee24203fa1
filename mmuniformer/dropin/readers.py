"""Necks and heads that read maps of other channels, and other strides."""

from collections.abc import Sequence
from copy import deepcopy
from math import gcd
from typing import Any

from mmengine.config import ConfigDict

from mmuniformer.dropin.levels import STRIDES, Tied
from mmuniformer.dropin.measuring import Level, arguments, measure_neck
from mmuniformer.dropin.places import Place
from mmuniformer.nodes import type_name, walk

# Necks that make a pyramid of maps of one size: ours is one already.
PYRAMID_MAKERS = ('MultiLevelNeck', 'Feature2Pyramid')
# They add maps up that are of one size.
ADDING = {'MLANeck', 'SETRMLAHead'}
# They enlarge maps of one size by so many convolutions, and so much each.
ENLARGING = 'SETRUPHead'
DOUBLING = ('TPN',)
POOLING = 'GlobalAveragePooling'
# It stands between a frozen vision transformer and a linear head.
VECTOR_NORM = 'ClsBatchNormNeck'
# Heads of mmpretrain that read scores, or two tokens, by the one for a vector.
LINEAR_HEADS = {
    'ClsHead': 'LinearClsHead',
    'ConformerHead': 'LinearClsHead',
    'DeiTClsHead': 'LinearClsHead',
    'MultiLabelClsHead': 'MultiLabelLinearClsHead',
}
# Necks that give the backbone's channels, whatever the size of its maps.
POOLS = (POOLING, 'GeneralizedMeanPooling')
# Those that resize maps, or put them side by side.
PASSING = ('FeatureMapProcessor',)


class Channels:
    """What numbers of channels become.

    Args:
        old (Sequence[int]): Of the maps that a reader was given.
        new (Sequence[int]): Of those that it is given now.
    """

    def __init__(self, old: Sequence[int], new: Sequence[int]):
        self.old = list(old)
        self.new = list(new)

    def of(self, value: Any, index: Any, first: bool = False) -> Any:
        """The new value of an ``in_channels``.

        Args:
            value (Any): A number, or one for each level that is read.
            index (Any): Which levels the reader picks, where it says.
            first (bool): Whether, of levels of the same number, the finest is
                meant and not the coarsest.
        """
        if isinstance(value, list | tuple):
            return type(value)(self._of_list(list(value), index))
        if not isinstance(value, int) or isinstance(value, bool):
            return value
        if isinstance(index, list | tuple) and len(index) == 1:
            index = index[0]
        named = isinstance(index, int) and index < len(self.old)
        if named and self.old[index] == value:
            return self.new[index]
        if value in self.old:
            at = self.old.index(value)
            if not first:
                at = len(self.old) - 1 - self.old[::-1].index(value)
            return self.new[at]
        if len(self.old) > 1 and value == sum(self.old):
            return sum(self.new)
        return value

    def _of_list(self, values: list, index: Any) -> list:
        if isinstance(index, list | tuple) and len(index) == len(values):
            return [self.of(v, i) for v, i in zip(values, index, strict=True)]
        if values == self.old:
            return self.new
        if values == self.old[::-1]:
            return self.new[::-1]
        # A part of them, in order.
        for start in range(len(self.old) - len(values) + 1):
            if values == self.old[start : start + len(values)]:
                return self.new[start : start + len(values)]
        if set(values) <= set(self.old):
            return [self.of(value, None) for value in values]
        return values


def fit_readers(
    place: Place, old: Sequence[Level], stages: Sequence[int], dims: list[int]
) -> tuple[int, ...]:
    """Gives the readers of a backbone the channels of ours, in place.

    Args:
        place (Place): The backbone; its owner is changed.
        old (Sequence[Level]): What the host's backbone gives.
        stages (Sequence[int]): Our stage for each of them.
        dims (list[int]): Channels of our stages that are returned.

    Returns:
        tuple[int, ...]: The stages that are read: without those that a neck
        skips.

    Raises:
        Tied: If a neck has no way to take them.
    """
    owner, necks = place.owner, place.necks
    kinds = {type_name(node) for _, node in walk(dict(owner))}
    if kinds & ADDING:
        raise Tied(
            'its neck adds up maps of one size, as a plain transformer gives '
            'them. Start from upernet or sem_fpn'
        )
    if any(type_name(neck) in DOUBLING for neck in necks):
        raise Tied(
            'its neck takes maps whose channels double from level to level. '
            'Start from a config without it'
        )
    before = [level.channels for level in old]
    new = [Level(dim, STRIDES[s]) for dim, s in zip(dims, stages, strict=True)]
    if not necks:
        for _, reader in place.readers():
            _double_maps(reader, old, stages)
            replace_channels(reader, Channels(before, dims))
            _divide_groups(reader)
        return tuple(stages)
    ndim = 3 if type_name(owner) == 'Recognizer3D' else 2
    whole = deepcopy(necks)
    same_size = len({level.stride for level in old}) == 1
    if type_name(necks[0]) in PYRAMID_MAKERS and same_size:
        before = measure_neck(necks.pop(0), old, ndim) or before
        owner['neck'] = necks or None
    made = len(whole) - len(necks)
    passed: list[int] | None = before
    now: list[int] | None = dims
    for count, neck in enumerate(necks, 1):
        known = _fit_neck(neck, passed, now, ndim)
        if known is None:
            told = (
                measure_neck(whole[: made + count], old, ndim),
                measure_neck(necks[:count], new, ndim),
            )
            if None not in told or type_name(neck) not in PASSING:
                known = told
        passed, now = known or (passed, now)
    if passed and now and passed != now:
        for _, reader in place.readers():
            replace_channels(reader, Channels(passed, now))
    skipped = _skipped(necks[0], len(stages)) if necks else 0
    if not skipped:
        return tuple(stages)
    neck, unskipped = necks[0], deepcopy(necks[0])
    _skip_none(neck, skipped)
    if now and measure_neck(necks, new[skipped:], ndim) != now:
        # NAS-FCOS's counts levels from the finest in any case.
        neck.update(unskipped)
        return tuple(stages)
    return tuple(stages[skipped:])


def _fit_neck(
    neck: dict, passed: list[int] | None, now: list[int] | None, ndim: int
) -> tuple[list[int], list[int]] | None:
    """Gives one neck the channels that it reads now.

    Returns:
        tuple[list[int], list[int]] or None: What it gave, and gives, if that
        is known without running it.
    """
    if not passed or not now:
        return None
    replace_channels(neck, Channels(passed, now))
    kind = type_name(neck)
    if kind in POOLS:
        if neck.get('dim') == 1:
            # Of EfficientFormer's tokens.
            neck['dim'] = ndim
        return passed, now
    return _keep_outputs(neck, passed, now)


def _double_maps(
    reader: Any, old: Sequence[Level], stages: Sequence[int]
) -> None:
    """Has SETR's heads draw as fine as before, from other strides."""
    for _, node in walk(reader):
        if type_name(node) != ENLARGING:
            continue
        index = node.get('in_index', -1)
        times = node.get('up_scale', 4) ** node.get('num_convs', 1)
        doubled = STRIDES[stages[index]] * times // old[index].stride
        node['num_convs'] = max(doubled.bit_length() - 1, 1)
        node['up_scale'] = 2


def _divide_groups(head: Any) -> None:
    """Gives a first deconvolution groups that divide what it reads.

    ViPNAS' is depthwise, for the backbone's own number of channels.
    """
    groups = head.get('deconv_num_groups') if isinstance(head, dict) else None
    if groups and isinstance(head.get('in_channels'), int):
        first = gcd(groups[0], head['in_channels'])
        head['deconv_num_groups'] = (first, *groups[1:])


def check_heatmaps(owner: dict) -> None:
    """Refuses heatmaps of a size that no map of ours is enlarged to.

    Args:
        owner (dict): Its head has been fitted.

    Raises:
        Tied: If so; the targets would have another size.
    """
    head = owner.get('head')
    codec = head.get('decoder') if isinstance(head, dict) else None
    sizes = [(codec or {}).get(k) for k in ('input_size', 'heatmap_size')]
    known = arguments(head) if all(sizes) else {}
    if 'deconv_out_channels' not in known or 'extra' in head:
        return
    default = known['deconv_out_channels'].default
    layers = len(head.get('deconv_out_channels', default) or ())
    drawn = [-(-side // STRIDES[-1]) * 2**layers for side in sizes[0]]
    if list(sizes[1]) != drawn:
        told = [f'{size[0]} x {size[1]}' for size in (sizes[1], drawn)]
        raise Tied(
            f'its heatmaps are of {told[0]}, and those of UniFormer of '
            f'{told[1]}. Start from td-hm_res50, or set heatmap_size in its '
            'codec first'
        )


def _keep_outputs(
    neck: dict, before: list[int], dims: list[int]
) -> tuple[list[int], list[int]] | None:
    """SSD's neck gives the backbone's maps as they are, and adds others.

    Returns:
        tuple[list[int], list[int]] or None: What it gave, and gives; None for
        other necks.
    """
    outs = neck.get('out_channels')
    if not isinstance(outs, list | tuple) or len(outs) <= len(before):
        return None
    given, added = list(outs[: len(before)]), list(outs[len(before) :])
    if given != before:
        return None
    neck['out_channels'] = type(outs)([*dims, *added])
    return [*given, *added], [*dims, *added]


def _skipped(neck: dict, count: int) -> int:
    """How many of the finest levels a neck is given for nothing."""
    whole = neck.get('end_level', -1) in (-1, count - 1)
    several = isinstance(neck.get('in_channels'), list | tuple)
    return neck.get('start_level', 0) if whole and several else 0


def _skip_none(neck: dict, skipped: int) -> None:
    neck['in_channels'] = neck['in_channels'][skipped:]
    neck['start_level'] = 0
    if neck.get('end_level', -1) != -1:
        neck['end_level'] = -1


def replace_channels(
    reader: Any, changes: Channels, within: bool = False
) -> None:
    """Replaces what names channels of the backbone in a head, in place.

    Args:
        reader (Any): Its node of a config, or several.
        changes (Channels): What they become.
        within (bool): Whether it is a part of one that has channels of its
            own: that one's maps are read there, unless all levels are named.
    """
    if isinstance(reader, list | tuple):
        for part in reader:
            replace_channels(part, changes, within)
        return
    if not isinstance(reader, dict):
        return
    index = reader.get('in_index')
    for key, value in list(reader.items()):
        several = isinstance(value, list | tuple) and len(value) > 1
        if within and not (several and list(value) == changes.old):
            continue
        if key.endswith('in_channels'):
            # mmseg's DeepLabV3+ reads a fine map besides, as `c1`.
            first = key != 'in_channels'
            reader[key] = changes.of(value, None if first else index, first)
            if (
                reader.get('num_convs') == 0
                and reader.get('channels') == value
            ):
                # mmseg's FCNHead without convolutions.
                reader['channels'] = reader[key]
        elif key == 'out_channels' and 'roi_layer' in reader:
            reader[key] = changes.of(value, None)
    within = within or 'in_channels' in reader
    for key, value in reader.items():
        # K-Net's updates read what its first head gives.
        if not key.startswith('kernel_update'):
            replace_channels(value, changes, within)


def add_pooling(owner: dict, channels: int) -> None:
    """Where the host's backbone pools, as a vision transformer does.

    Args:
        owner (dict): Changed in place.
        channels (int): Of our last map.

    Raises:
        Tied: If its neck reads more than a vector.
    """
    neck, host = dict(type=POOLING), owner.get('neck')
    if host is None:
        owner['neck'] = neck
    elif type_name(host) == VECTOR_NORM:
        owner['neck'] = [neck, ConfigDict(host, input_features=channels)]
    elif 'with_avg_pool' in arguments(host):
        host['with_avg_pool'] = True
        host['in_channels'] = channels
    else:
        raise Tied(
            'its neck reads a vector of the backbone. Start from a config of '
            'the same method with a ResNet'
        )


def use_linear_head(owner: dict, scores: int, channels: int) -> str:
    """Gives a classifier a head that reads one vector.

    VGG has the last layer itself, and Conformer and distilled DeiT give two
    tokens.

    Args:
        owner (dict): Changed in place.
        scores (int): Numbers that the host's backbone gives last.
        channels (int): Of our last map.

    Returns:
        str: What is said of it; empty where the head stays.
    """
    head = owner.get('head')
    kind = type_name(head)
    if kind not in LINEAR_HEADS:
        return ''
    kept = ('loss', 'topk', 'cal_acc', 'thr')
    owner['head'] = ConfigDict(
        type=LINEAR_HEADS[kind],
        num_classes=head.get('num_classes', scores),
        in_channels=channels,
        **{key: head[key] for key in kept if key in head},
    )
    return f'{LINEAR_HEADS[kind]} instead of {kind}, which reads no vector'


def pools_all(necks: Sequence[dict]) -> bool:
    """Whether necks pool maps of any size to one vector."""
    return bool(necks) and (
        type_name(necks[0]) in POOLS and 'kernel_size' not in necks[0]
    )


def draw_finer(owner: dict, level: Level) -> bool:
    """Has a head of keypoints draw as fine as before, from stride 32.

    A backbone that keeps a fine map, such as HRNet, leaves nothing for the
    head to enlarge; a pyramid needs deconvolutions there.

    Args:
        owner (dict): Changed in place.
        level (Level): The one map of the host's backbone.

    Returns:
        bool: Whether the head can.
    """
    head = owner.get('head')
    if not isinstance(head, dict) or level.stride >= STRIDES[-1]:
        return False
    known = arguments(head)
    if 'deconv_out_channels' not in known:
        return False
    default = known['deconv_out_channels'].default
    layers = len(head.get('deconv_out_channels', default) or ())
    fine = level.stride // 2**layers
    count = (STRIDES[-1] // fine).bit_length() - 1
    head['deconv_out_channels'] = (256,) * count
    head['deconv_kernel_sizes'] = (4,) * count
    return True


def draw_corners(owner: dict, levels: Sequence[Level], channels: int) -> bool:
    """Has one fine map drawn for a head of corners.

    CornerNet's hourglasses give such a map each. A pyramid needs what
    CenterNet puts behind a ResNet: deconvolutions of its last map.

    Args:
        owner (dict): Changed in place.
        levels (Sequence[Level]): What the host's backbone gives.
        channels (int): Of our last map.

    Returns:
        bool: Whether the head reads such maps.
    """
    head = owner.get('bbox_head')
    fine = {level.stride for level in levels} == {STRIDES[0]}
    if owner.get('neck') or not fine or 'num_feat_levels' not in (head or ()):
        return False
    head['num_feat_levels'] = 1
    owner['neck'] = ConfigDict(
        type='CTResNetNeck',
        in_channels=channels,
        num_deconv_filters=(levels[0].channels,) * 3,
        num_deconv_kernels=(4,) * 3,
        use_dcn=False,
    )
    return True
