"""What goes with a backbone: its colours, its optimizer, its weights."""

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from mmengine.config import Config, ConfigDict

from mmuniformer.dropin.measuring import arguments
from mmuniformer.nodes import type_name, walk

# Of the images that the published weights were trained on.
MEAN = [123.675, 116.28, 103.53]
STD = [58.395, 57.12, 57.375]
# Of the clips: 0.45 and 0.225 of 255.
CLIP_MEAN = [114.75, 114.75, 114.75]
CLIP_STD = [57.375, 57.375, 57.375]
LOADERS = ('train_dataloader', 'val_dataloader', 'test_dataloader')
# What the published experiments train with: rate, decay and the batch that
# they are for.
PUBLISHED = {
    'mmdet': (1e-4, 0.05, 16),
    'mmseg': (6e-5, 0.01, 16),
    'mmpose': (2e-3, 0.01, 1024),
    'mmaction': (1e-4, 0.05, 32),
    'mmpretrain': (1e-3, 0.05, 1024),
}
# Their rates are for networks of convolutions and BatchNorm.
FOR_CNNS = ('SGD', 'LARS', 'RMSprop', 'RMSpropTF')
# They count the layers of other backbones.
LAYER_DECAY = (
    'LearningRateDecayOptimizerConstructor',
    'LayerDecayOptimizerConstructor',
    'LayerDecayOptimWrapperConstructor',
)
# Heads of mmpretrain that have a second one to distil with.
DISTILLING = ('LeViTClsHead', 'EfficientFormerClsHead')
# What preprocessors have.
ORDERS = ('bgr_to_rgb', 'to_rgb')
WARM_UPS = ('LinearLR', 'LinearWarmupLR', 'QuadraticWarmupLR')
OUR_LAYER_DECAY = 'mmuniformer.LayerDecayOptimWrapperConstructor'
RATE = 'layer_decay_rate'


def fit_colours(cfg: Config, clips: bool) -> None:
    """RGB, and the mean and spread of our weights, wherever images are
    normalised.

    Args:
        cfg (Config): Changed in place.
        clips (bool): Whether they are those of video.
    """
    mean, std = (CLIP_MEAN, CLIP_STD) if clips else (MEAN, STD)
    for node in _normalisers(cfg):
        if node.get('mean') is not None and len(node['mean']) != len(mean):
            continue
        _set(node, 'mean', mean)
        _set(node, 'std', std)
        if node.get('rgb_to_bgr'):
            node['rgb_to_bgr'] = False
        key = _order_key(node, cfg)
        if key is not None and not node.get(key):
            node[key] = True


def _set(node: dict, key: str, values: list[float]) -> None:
    if list(node.get(key) or ()) != values:
        node[key] = list(values)


def _order_key(node: dict, cfg: Config) -> str | None:
    """What turns BGR, as OpenCV reads images, into RGB."""
    kind = type_name(node)
    if kind == 'ActionDataPreprocessor':
        # Videos and frames are read as RGB there.
        return None
    if kind == 'Normalize':
        return 'to_rgb'
    if not kind:
        return 'to_rgb' if cfg.default_scope == 'mmpretrain' else 'bgr_to_rgb'
    known = arguments(node, cfg.default_scope)
    return next((key for key in known if key in ORDERS), None)


def _normalisers(cfg: Config) -> Iterator[dict]:
    model = cfg.model
    top = ('data_preprocessor', 'preprocess_cfg')
    for key in top:
        if 'data_preprocessor' not in model and isinstance(cfg.get(key), dict):
            yield cfg[key]
    for path, node in walk(model, 'model'):
        preprocessor = path.endswith('data_preprocessor')
        # A wrapper of others has no mean, and takes none.
        if preprocessor and 'data_preprocessor' not in node:
            yield node
    for loader in LOADERS:
        for _, node in walk(cfg.get(loader)):
            if type_name(node) == 'Normalize' and 'mean' in node:
                yield node


def fit_optimizer(cfg: Config) -> list[str]:
    """Replaces an optimizer that is made for ResNets by the published one.

    Args:
        cfg (Config): Changed in place.

    Returns:
        list[str]: What was done, in lines.
    """
    wrapper = cfg.get('optim_wrapper')
    if not isinstance(wrapper, dict) or 'optimizer' not in wrapper:
        return []
    optimizer = wrapper['optimizer']
    if type_name(optimizer) not in FOR_CNNS:
        return _keep_optimizer(wrapper)
    kind = type_name(optimizer)
    rate, decay, batch = PUBLISHED[cfg.default_scope]
    host_batch = (cfg.get('auto_scale_lr') or {}).get('base_batch_size')
    scaled = float(f'{rate * (host_batch or batch) / batch:.2g}')
    wrapper['optimizer'] = ConfigDict(
        type='AdamW', lr=scaled, betas=(0.9, 0.999), weight_decay=decay
    )
    wrapper['paramwise_cfg'] = ConfigDict(
        custom_keys={'norm': dict(decay_mult=0.0)},
        # A layer that a neck or a loss uses as well is no second parameter.
        bypass_duplicate=True,
    )
    wrapper.pop('constructor', None)
    told = f'AdamW at {scaled:g} with warm-up, as published'
    if host_batch and host_batch != batch:
        told += f' for {batch} images a step and scaled to {host_batch}'
    return [
        f"optimizer: {told}, instead of the host's {kind} at "
        f'{optimizer.get("lr")}, which is for ResNets',
        *_warm_up(cfg),
    ]


def _keep_optimizer(wrapper: dict) -> list[str]:
    """Leaves out what is about other backbones' parameters."""
    notes = []
    paramwise = wrapper.get('paramwise_cfg') or {}
    keys = paramwise.get('custom_keys') or {}
    for key in ('pos_embed', '.pos_embed'):
        if key in keys:
            del keys[key]
            notes.append(
                f"custom_keys: '{key}' is left out; in UniFormer it is a "
                'convolution, which is decayed as others are'
            )
    constructor = str(wrapper.get('constructor', '')).rpartition('.')[2]
    if constructor in LAYER_DECAY:
        rates = [paramwise.pop(k, None) for k in ('decay_rate', RATE)]
        for key in ('decay_type', 'num_layers'):
            paramwise.pop(key, None)
        paramwise[RATE] = next(rate for rate in rates if rate is not None)
        wrapper['constructor'] = OUR_LAYER_DECAY
        notes.append(
            f'{constructor}: ours instead, which knows the layers of UniFormer'
        )
    return notes


def _warm_up(cfg: Config) -> list[str]:
    schedulers = cfg.get('param_scheduler') or []
    if isinstance(schedulers, dict):
        schedulers = [schedulers]
    if any(is_warm_up(node) for node in schedulers):
        return []
    warm_up = ConfigDict(
        type='mmuniformer.LinearWarmupLR',
        start_factor=0.001,
        by_epoch=False,
        end=500,
    )
    cfg.param_scheduler = [warm_up, *schedulers]
    return ['param_scheduler: a warm-up over 500 iterations']


def is_warm_up(node: dict) -> bool:
    """Whether a scheduler raises the learning rate from the start."""
    return type_name(node) in WARM_UPS and node.get('begin', 0) == 0


def forget_weights(cfg: Config) -> list[str]:
    """Leaves out files that hold the weights of the host's model."""
    notes = []
    if cfg.get('load_from'):
        cfg.load_from = None
        notes.append("load_from: left out, the file has the host's backbone")
    model: Any = cfg.model
    for path, node in walk(model, 'model'):
        if 'backbone' not in node:
            continue
        if node.get('pretrained'):
            node['pretrained'] = None
        if type_name(node.get('init_cfg')) == 'Pretrained':
            node['init_cfg'] = None
            notes.append(
                f"{path}.init_cfg: left out, the file has the host's backbone"
            )
    return notes


def stop_distilling(cfg: Config) -> list[str]:
    """Turns off what some heads refuse to train with.

    Args:
        cfg (Config): Changed in place.
    """
    head = cfg.model.get('head')
    # It is on by default.
    if type_name(head) not in DISTILLING or not head.get('distillation', True):
        return []
    head['distillation'] = False
    return ['model.head: distillation=False, it does not train otherwise']


def find_teachers(cfg: Config) -> list[str]:
    """Looks up configs of teachers, named from a checkout of the library.

    Args:
        cfg (Config): Changed in place.
    """
    notes = []
    host = Path(find_spec(cfg.default_scope).origin).parent
    for path, node in walk(cfg.model, 'model'):
        name = node.get('teacher_config')
        if not isinstance(name, str) or Path(name).is_file():
            continue
        file = host / '.mim' / name
        if file.is_file():
            node['teacher_config'] = str(file)
            notes.append(
                f'{path}.teacher_config: the installed one, as there is no '
                f'{name} here'
            )
    return notes
