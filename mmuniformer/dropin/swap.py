"""UniFormer in the place of a config's backbones."""

from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from inspect import signature
from typing import Any

from mmengine.config import Config, ConfigDict
from mmengine.registry import DefaultScope

from mmuniformer.dropin.leaf import registered_name
from mmuniformer.dropin.levels import FINE, STRIDES, Tied, stages_for
from mmuniformer.dropin.limits import (
    missing_packages,
    refuse,
    without_backbone,
)
from mmuniformer.dropin.measuring import (
    Level,
    NotMeasured,
    arguments,
    is_frozen,
    measure_backbone,
)
from mmuniformer.dropin.optimizer import Exchange, fit_optimizer
from mmuniformer.dropin.places import Place, Retriever, find_places
from mmuniformer.dropin.readers import (
    POOLS,
    Channels,
    add_pooling,
    check_heatmaps,
    draw_corners,
    draw_finer,
    fit_readers,
    pools_all,
    replace_channels,
    use_linear_head,
)
from mmuniformer.dropin.recipe import (
    compare_weights,
    find_teachers,
    fit_colours,
    forget_weights,
    stop_distilling,
)
from mmuniformer.models.backbones.settings import LIGHT_ARCHS, resolve_arch
from mmuniformer.nodes import type_name, walk
from mmuniformer.registry import MODELS as OURS

URL = 'https://download.openmmlab.com/mmpose/v1/projects/uniformer/'
WEIGHTS = {
    'small': f'{URL}uniformer_small_in1k.pth',
    'base': f'{URL}uniformer_base_in1k.pth',
}
# Keys of a config that change, in the order of the text.
KEYS = (
    'default_scope',
    'model',
    'data_preprocessor',
    'preprocess_cfg',
    'train_dataloader',
    'val_dataloader',
    'test_dataloader',
    'tta_pipeline',
    'optim_wrapper',
    'param_scheduler',
    'custom_hooks',
    'load_from',
)
# Arguments of ours that are no options: what says them.
CHOSEN = {
    'out_indices': 'what reads the maps says which stages',
    'init_cfg': '--checkpoint names the weights',
}
# Packages whose backbones mmaction2's recognizers build without a registry, or
# by a name that is gone.
FOREIGN = ('timm.', 'mmcls.')
# Whose anchors, boxes or keypoints are counted in strides.
STRICT = ('mmdet', 'mmpose')
# Decoders of mmseg that are written as a backbone around another.
AROUND = ('STDCContextPathNet', 'BiSeNetV1')


@dataclass
class Swapped:
    """A config with UniFormer in it.

    Attributes:
        cfg (Config): The whole config.
        checkpoint (str or None): The weights that it starts from.
        notes (list[str]): What a user has to know, in lines.
        warnings (list[str]): What was changed besides the backbone.
        missing (list[str]): What to install before its model can be built.
    """

    cfg: Config
    checkpoint: str | None = None
    notes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)


def swap(cfg: Config, checkpoint: str | None = None, **ours: Any) -> Swapped:
    """Puts UniFormer into a config, and fits what goes with it.

    Args:
        cfg (Config): Of a host library; its default scope is active.
        checkpoint (str, optional): Weights to start from, instead of the
            public ones of ``arch``; an empty one for none.
        ours (Any): Arguments of :class:`UniFormer` or :class:`UniFormer3D`.

    Returns:
        Swapped: A config of its own; ``cfg`` stays as it is.

    Raises:
        Tied: If the model works with its own backbone only.
    """
    ours.setdefault('arch', 'small')
    new = deepcopy(cfg)
    scope = scope_of(cfg) or DefaultScope.get_current_instance().scope_name
    told = []
    if cfg.get('default_scope') is None:
        new.default_scope = scope
        told.append(f"default_scope: '{scope}', as of model.type")
    refuse(new.model)
    retriever = Retriever(new.model) if 'image_encoder' in new.model else None
    places = find_places(retriever.owner if retriever else new.model)
    if not places:
        raise Tied(without_backbone(new.model))
    if checkpoint is None and isinstance(ours['arch'], str):
        checkpoint = WEIGHTS.get(ours['arch'])
    swapped = Swapped(new, checkpoint or None)
    clips = False
    done: list[tuple[dict, dict]] = []
    exchanged: list[tuple[Place, dict]] = []
    for place in places:
        host = deepcopy(dict(place.owner))
        exchanged.append((place, host['backbone']))
        for before, after in done:
            # A teacher and its student, or a variable used twice.
            if before == host:
                place.owner.clear()
                place.owner.update(deepcopy(after))
                break
        else:
            try:
                clips |= _swap_one(place, swapped, ours)
            except NotMeasured as error:
                name = type_name(place.backbone)
                raise Tied(f'{place.path} ({name}): {error}') from error
            except Tied as error:
                name = type_name(place.backbone)
                raise Tied(f'{place.path} ({name}): {error}') from error
            done.append((host, deepcopy(dict(place.owner))))
    if retriever:
        retriever.write()
    # Not of heatmaps, spectrograms and the like.
    if all(place.backbone.get('in_channels', 3) == 3 for place in places):
        fit_colours(new, clips)
    for place, host in exchanged:
        told += compare_weights(cfg, place.path, host, checkpoint)
    swapped.warnings += [
        *told,
        *fit_optimizer(
            new,
            [
                Exchange(place.path.partition('.')[2], host, place.backbone)
                for place, host in exchanged
            ],
        ),
        *forget_weights(new),
        *stop_distilling(new),
        *find_teachers(new),
    ]
    swapped.missing += missing_packages(new)
    return swapped


def scope_of(cfg: Config) -> str | None:
    """The library of a config: its default scope, or that of its model."""
    kind = cfg.get('model', {}).get('type', '')
    if isinstance(kind, type):
        kind = registered_name(kind)
    return cfg.get('default_scope') or kind.rpartition('.')[0] or None


def _swap_one(place: Place, swapped: Swapped, ours: dict) -> bool:
    """Replaces one backbone; gives whether it reads clips."""
    cfg, owner = swapped.cfg, place.owner
    host = place.backbone
    if type_name(host) in AROUND:
        _swap_within(place, swapped, ours)
        return False
    video = reads_clips(cfg, owner)
    ndim = 3 if video else 2
    kind = kind_of(ours['arch'], video)
    check_options(kind, ours)
    channels = read_channels(cfg, host)
    levels = _levels_of_others(host, owner) or measure_backbone(
        host, ndim, likely_sizes(cfg, host), channels
    )
    options = dict(ours)
    if channels != 3:
        options.setdefault('in_channels', channels)
    if is_frozen(host):
        options.setdefault('frozen_stages', len(STRIDES))
        swapped.notes.append(
            f"{place.path}: frozen as a whole, as the host's; "
            'frozen_stages=-1 trains it'
        )
    archs = OURS.get(kind).archs
    dims = resolve_arch(options['arch'], archs).embed_dims
    stages = _choose(place, levels, cfg, video, dims, swapped)
    owner['backbone'] = _our_node(kind, options, stages, swapped)
    return video


def _levels_of_others(host: dict, owner: dict) -> list[Level] | None:
    """One map, of what is not run here.

    mmaction2 builds backbones of other packages for its TSN, and MLP-Mixer
    gives tokens, which a pooling of one dimension reads.
    """
    neck = owner.get('neck')
    head = owner.get('cls_head', owner.get('head')) or {}
    foreign = str(host['type']).startswith(FOREIGN) and not neck
    tokens = type_name(neck) in POOLS and neck.get('dim') == 1
    if not foreign and not tokens:
        return None
    channels = head.get('in_channels')
    return [Level(channels, STRIDES[-1])] if channels else None


def read_channels(cfg: Config, host: dict) -> int:
    """Channels of the pictures that a backbone reads.

    One that has no such argument, as LeNet, reads what is normalised.
    """
    channels = host.get('in_channels', host.get('base_channels_in', 3))
    if channels != 3:
        return channels if isinstance(channels, int) else 3
    node = cfg.model.get('data_preprocessor') or cfg.get('data_preprocessor')
    mean = (node or {}).get('mean') or ()
    if len(mean) in (0, 3) or 'in_channels' in arguments(host):
        return 3
    return len(mean)


def kind_of(arch: str | dict, video: bool) -> str:
    """Our backbone of an arch, for clips or for pictures."""
    light = isinstance(arch, str) and arch in LIGHT_ARCHS
    return f'UniFormer{"Light" if light else ""}{"3D" if video else ""}'


def check_options(kind: str, options: dict) -> None:
    """Refuses options of a backbone that would not be in the result.

    Args:
        kind (str): Our backbone.
        options (dict): As they were given.

    Raises:
        Tied: For what it has not, or what goes with the host's config.
    """
    known = signature(OURS.get(kind)).parameters
    for name in options:
        if name in CHOSEN:
            raise Tied(f'{name} is no option here, {CHOSEN[name]}')
        if name not in known:
            raise Tied(f'it gets {kind}, which has no argument {name}')


def _our_node(
    kind: str, options: dict, stages: Sequence[int], swapped: Swapped
) -> ConfigDict:
    backbone = ConfigDict(type=f'mmuniformer.{kind}', **options)
    if stages != ((3,) if kind.endswith('3D') else (0, 1, 2, 3)):
        backbone['out_indices'] = stages
    if swapped.checkpoint:
        backbone['init_cfg'] = ConfigDict(
            type='Pretrained', checkpoint=swapped.checkpoint
        )
    return backbone


def _swap_within(place: Place, swapped: Swapped, ours: dict) -> None:
    """Replaces the backbone that a context path is built around."""
    kind = kind_of(ours['arch'], video=False)
    check_options(kind, ours)
    path = place.backbone
    before = [level.channels for level in measure_backbone(path, 2)]
    inner = measure_backbone(path['backbone_cfg'], 2)
    stages = stages_for(inner, strict=False)
    archs = OURS.get(kind).archs
    dims = resolve_arch(ours['arch'], archs).embed_dims
    path['backbone_cfg'] = _our_node(kind, ours, stages, swapped)
    own = [dims[stage] for stage in stages]
    if type_name(path) == 'BiSeNetV1':
        _fit_bisenet(path, own)
    else:
        path['last_in_channels'] = (own[-1], own[-2])
        # It reads the finest map beside one of the path's own.
        path['ffm_cfg']['in_channels'] += own[0] - inner[0].channels
    after = [level.channels for level in measure_backbone(path, 2)]
    for _, reader in place.readers():
        replace_channels(reader, Channels(before, after))


def _fit_bisenet(path: dict, channels: Sequence[int]) -> None:
    """Channels of BiSeNetV1's paths, beside maps of these channels."""
    *_, coarser, coarsest = channels
    # What it fuses has as many as the coarser map, by its own rule: half of
    # the context path, and half of the spatial one.
    width = coarser // 2
    path['context_channels'] = (width, coarser, coarsest)
    *shallow, _ = path.get('spatial_channels', (64, 64, 64, 128))
    path['spatial_channels'] = (*shallow, coarser - width)


def _choose(
    place: Place,
    levels: Sequence[Level],
    cfg: Config,
    video: bool,
    dims: Sequence[int],
    swapped: Swapped,
) -> tuple[int, ...]:
    """Fits the readers; gives the stages that they read."""
    owner, scope = place.owner, cfg.default_scope
    deepest = (len(STRIDES) - 1,)
    vectors = all(level.stride == 0 for level in levels)
    tokens = not vectors and any(level.stride == 0 for level in levels)
    if tokens and 'cls_head' not in owner:
        raise Tied(
            'its heads read a class token beside each map. Start from upernet '
            'or sem_fpn'
        )
    if 'cls_head' in owner and not _reads_maps(owner, levels):
        _use_i3d_head(owner, dims[-1])
        swapped.notes.append(
            f'{place.path}: its head reads no map; I3DHead does'
        )
        return deepest
    one, drawn = len(levels) == 1, False
    if one and (scope == 'mmpretrain' or 'cls_head' in owner):
        stages = deepest
    elif 'cls_head' in owner:
        stages = stages_for(levels, strict=False)
    elif vectors or (one and pools_all(place.necks)):
        stages = deepest
    elif draw_corners(owner, levels, dims[-1]):
        swapped.notes.append(
            f'{place.path}: stride 32 instead of {levels[0].stride}, and '
            "CenterNet's neck, whose deconvolutions make up for it"
        )
        return deepest
    elif one and scope == 'mmpose' and draw_finer(owner, levels[0]):
        stages, drawn = deepest, True
        swapped.notes.append(
            f'{place.path}: stride 32 instead of {levels[0].stride}, and '
            'deconvolutions in the head that make up for it'
        )
    else:
        merged = _one_of_pathways(levels) if video else list(levels)
        stages = stages_for(merged, strict=scope in STRICT)
        if len(merged) < len(levels):
            changes = Channels([x.channels for x in levels], [0])
            changes.new = [dims[stages[0]]]
            for _, reader in place.readers():
                _replace_sum(reader, changes)
            return stages
    if vectors and scope == 'mmpretrain':
        told = use_linear_head(owner, levels[-1].channels, dims[-1])
        if told:
            swapped.notes.append(f'{place.path}: {told}')
        add_pooling(owner, dims[-1])
        changes = Channels([levels[-1].channels], [dims[3]])
        for _, reader in place.readers():
            replace_channels(reader, changes)
        return stages
    if scope == 'mmpose' and stages == deepest and not place.necks:
        check_heatmaps(owner)
    strides = [level.stride for level in levels]
    if len(set(strides)) < len(strides) or (
        stages == deepest and FINE & {*strides} and not drawn
    ):
        swapped.notes.append(
            f'{place.path}: strides '
            f'{", ".join(str(STRIDES[s]) for s in stages)} instead of '
            f'{", ".join(map(str, strides))}'
        )
    return fit_readers(place, levels, stages, [dims[s] for s in stages])


def _reads_maps(owner: dict, levels: Sequence[Level]) -> bool:
    """Whether a recognizer's head reads what a pyramid gives."""
    if owner.get('neck') is not None:
        return True
    return len(levels) == 1 and levels[0].stride > 0


def _use_i3d_head(owner: dict, channels: int) -> None:
    head = owner['cls_head']
    kept = (
        'num_classes',
        'average_clips',
        'label_smooth_eps',
        'loss_cls',
        'multi_class',
        'topk',
    )
    owner['cls_head'] = ConfigDict(
        type='I3DHead',
        in_channels=channels,
        **{key: head[key] for key in kept if key in head},
    )


def _one_of_pathways(levels: Sequence[Level]) -> list[Level]:
    if len({level.stride for level in levels}) == 1:
        return [levels[0]]
    return list(levels)


def _replace_sum(reader: Any, changes: Channels) -> None:
    total = sum(changes.old)
    # ACRN reads an actor's features beside those of the whole picture.
    became = {n * total: n * changes.new[0] for n in (1, 2)}
    for _, node in walk(reader):
        for key in ('in_channels', 'out_channels'):
            if node.get(key) in became:
                node[key] = became[node[key]]


def reads_clips(cfg: Config, owner: dict) -> bool:
    """Whether a backbone of mmaction2 is given time as a dimension."""
    if cfg.default_scope != 'mmaction':
        return False
    if type_name(owner) in ('Recognizer2D', 'RecognizerAudio'):
        return False
    for _, node in walk(cfg.model):
        if 'format_shape' in node:
            return node['format_shape'] != 'NCHW'
    return True


def likely_sizes(cfg: Config, host: dict) -> Iterator[tuple[int, int]]:
    """(H, W) that a backbone may have been made for."""
    for _, node in walk(cfg._cfg_dict):
        size = node.get('input_size')
        if (
            isinstance(size, tuple | list)
            and len(size) == 2
            and all(isinstance(side, int) for side in size)
        ):
            yield size[1], size[0]
            break
    size = host.get('img_size', host.get('pretrain_img_size'))
    if isinstance(size, int):
        yield size, size
    elif isinstance(size, tuple | list) and len(size) == 2:
        yield tuple(size)
