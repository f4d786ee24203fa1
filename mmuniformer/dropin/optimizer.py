"""The optimizer that goes with a backbone, and its rules for parameters."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from mmengine.config import Config, ConfigDict
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.instancenorm import _InstanceNorm

from mmuniformer.dropin.measuring import build
from mmuniformer.dropin.schedule import fit_schedule
from mmuniformer.nodes import type_name

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
# They count the layers of other backbones: `num_layers`, an embedding and what
# is behind them.
LAYER_DECAY = (
    'LearningRateDecayOptimizerConstructor',
    'LayerDecayOptimizerConstructor',
    'LayerDecayOptimWrapperConstructor',
)
# mmpretrain's asks the backbone, as ours does.
ASKING = 'LearningRateDecayOptimWrapperConstructor'
OUR_LAYER_DECAY = 'mmuniformer.LayerDecayOptimWrapperConstructor'
RATE = 'layer_decay_rate'
# It knows no LayerNorm.
OF_TSM = 'TSMOptimWrapperConstructor'
# Keys that mean the same in every model.
PLAIN = ('head', 'neck', 'norm', 'bn', 'bias')
NORMS = (_BatchNorm, _InstanceNorm, nn.GroupNorm, nn.LayerNorm)
# A table of positions elsewhere.
POSITIONS = re.compile(r'(.*backbone)?\.?pos_embed')


# Stages of ours.
FROZEN = 4


@dataclass(frozen=True)
class Exchange:
    """A backbone of the host's, and what is in its place.

    Attributes:
        name (str): Of the backbone in the model.
        host (dict): Its node of the config.
        ours (dict): The other's.
    """

    name: str
    host: dict
    ours: dict

    @cached_property
    def their_norms(self) -> dict[str, bool]:
        """Whether a parameter is one of a norm, by its name in the model."""
        return self._norms(self.host)

    @cached_property
    def our_norms(self) -> dict[str, bool]:
        return self._norms(self.ours)

    def _norms(self, node: dict) -> dict[str, bool]:
        try:
            module = build(node)
        except Exception:
            return {}
        return {
            f'{self.name}.{part}.{name}': isinstance(inner, NORMS)
            for part, inner in module.named_modules()
            for name, _ in inner.named_parameters(recurse=False)
        }


def fit_optimizer(
    cfg: Config, exchanges: Sequence[Exchange] = ()
) -> list[str]:
    """Fits an optimizer, and replaces one that is made for ResNets.

    Args:
        cfg (Config): Changed in place.
        exchanges (Sequence[Exchange]): The backbones.

    Returns:
        list[str]: What was done, in lines.
    """
    wrapper = cfg.get('optim_wrapper')
    if not isinstance(wrapper, dict):
        return []
    if 'optimizer' not in wrapper:
        return ['optim_wrapper: its optimizers stay as they are']
    notes = [
        *_fit_constructor(wrapper, exchanges),
        *_fit_keys(wrapper.get('paramwise_cfg') or {}, exchanges),
    ]
    optimizer = wrapper['optimizer']
    # Of a frozen backbone it trains what is behind that.
    frozen = [one.ours.get('frozen_stages') == FROZEN for one in exchanges]
    if type_name(optimizer) not in FOR_CNNS or (frozen and all(frozen)):
        return notes
    wrapper['optimizer'], told = _published(cfg, optimizer)
    paramwise = dict(wrapper.get('paramwise_cfg') or {})
    keys = dict(paramwise.pop('custom_keys', None) or {})
    notes += _leave_lars(keys)
    keys.setdefault('norm', dict(decay_mult=0.0))
    wrapper['paramwise_cfg'] = ConfigDict(
        paramwise,
        custom_keys=keys,
        # A layer that a neck or a loss uses as well is no second parameter.
        bypass_duplicate=True,
    )
    return [
        *told,
        *notes,
        *fit_schedule(cfg, optimizer, wrapper['optimizer']),
    ]


def _published(cfg: Config, host: dict) -> tuple[ConfigDict, list[str]]:
    """The optimizer of the published experiments, for the host's batch."""
    rate, decay, batch = PUBLISHED[cfg.default_scope]
    host_batch = (cfg.get('auto_scale_lr') or {}).get('base_batch_size')
    scaled = float(f'{rate * (host_batch or batch) / batch:.2g}')
    told = f'AdamW at {scaled:g} with warm-up, as published'
    if host_batch and host_batch != batch:
        told += f' for {batch} images a step and scaled to {host_batch}'
    notes = [
        f"optimizer: {told}, instead of the host's {type_name(host)} at "
        f'{host.get("lr")}, which is for ResNets'
    ]
    if not host_batch:
        notes.append(
            f'optimizer.lr: {scaled:g} is for {batch} images a step, and the '
            'config has no auto_scale_lr that says how many it is for: scale '
            'it to yours'
        )
    optimizer = ConfigDict(
        type='AdamW', lr=scaled, betas=(0.9, 0.999), weight_decay=decay
    )
    return optimizer, notes


def _leave_lars(keys: dict) -> Iterator[str]:
    """What LARS alone reads; a rate beside it is for plain SGD."""
    about = [key for key, rule in keys.items() if 'lars_exclude' in rule]
    for key in about:
        keys[key] = {
            name: value
            for name, value in keys[key].items()
            if name == 'decay_mult'
        }
    if about:
        yield (
            f'custom_keys: {_quoted(about)} without lars_exclude and lr_mult, '
            'which are about LARS'
        )


def _fit_constructor(
    wrapper: dict, exchanges: Sequence[Exchange]
) -> list[str]:
    """Replaces one that knows other backbones."""
    kind = wrapper.get('constructor')
    scope, _, name = getattr(kind, '__name__', str(kind)).rpartition('.')
    paramwise = wrapper.get('paramwise_cfg') or {}
    if name == OF_TSM:
        del wrapper['constructor']
        wrapper.pop('paramwise_cfg', None)
        notes = [f'{name}: left out, it knows no LayerNorm']
        if paramwise.get('fc_lr5'):
            keys = {'cls_head': dict(lr_mult=5.0)}
            wrapper['paramwise_cfg'] = ConfigDict(custom_keys=keys)
            notes[0] += "; lr_mult=5 of 'cls_head' stands for its fc_lr5"
        return notes
    if name == ASKING and RATE in paramwise:
        return _carry_rate(paramwise, _layers(exchanges, 'host'), exchanges)
    if name not in LAYER_DECAY or scope == 'mmuniformer':
        return []
    rate = paramwise.get('decay_rate', paramwise.get(RATE, 0.5))
    # Of its options it reads no other; it decays nothing of one dimension.
    ours = ConfigDict({RATE: rate, 'flat_decay_mult': 0.0})
    wrapper['paramwise_cfg'] = ours
    wrapper['constructor'] = OUR_LAYER_DECAY
    layers = paramwise.get('num_layers')
    return [
        f'{name}: ours instead, which knows the layers of UniFormer',
        *_carry_rate(ours, layers and layers + 1, exchanges),
    ]


def _carry_rate(
    paramwise: dict, theirs: int | None, exchanges: Sequence[Exchange]
) -> list[str]:
    """Gives the first layer the share of the rate that it had."""
    ours = _layers(exchanges, 'ours')
    if not theirs or not ours or theirs == ours:
        return []
    before = paramwise[RATE]
    paramwise[RATE] = float(f'{before ** (theirs / ours):.4g}')
    return [
        f'{RATE}: {paramwise[RATE]:g} instead of {before:g}, as {ours} layers '
        f'stand for {theirs}; the first has {before**theirs:.2g} of the '
        'rate, as before'
    ]


def _layers(exchanges: Sequence[Exchange], whose: str) -> int | None:
    """Steps from the first layer of a backbone to what is behind it."""
    for exchange in exchanges:
        try:
            module: Any = build(getattr(exchange, whose))
            return module.get_layer_depth('', 'backbone.')[1] - 1
        except Exception:
            continue
    return None


def _fit_keys(paramwise: dict, exchanges: Sequence[Exchange]) -> list[str]:
    """Leaves out the rules for parameters of the host's backbone."""
    keys = paramwise.get('custom_keys') or {}
    notes = []
    for key in [key for key in keys if POSITIONS.fullmatch(key)]:
        del keys[key]
        notes.append(
            f"custom_keys: '{key}' is left out; in UniFormer it is a "
            'convolution, which is decayed as others are'
        )
    wholes = {
        key for key in keys for one in exchanges if key in f'.{one.name}.'
    }
    left: dict[str, dict] = {}
    norm_rule = None
    for key in [key for key in keys if key not in {*PLAIN, *wholes}]:
        hits = [
            is_norm
            for one in exchanges
            for name, is_norm in one.their_norms.items()
            if key in name
        ]
        kept = any(key in name for one in exchanges for name in one.our_norms)
        if hits and not kept:
            left[key] = keys.pop(key)
            if all(hits) and left[key].get('decay_mult') == 0:
                norm_rule = left[key]
    if left:
        kinds = {type_name(one.host) for one in exchanges}
        notes.append(
            f'custom_keys: {_quoted(left)} left out, which name parts of '
            f'{", ".join(sorted(kinds))}'
        )
    if norm_rule is None:
        return notes
    if not wholes:
        keys.setdefault('norm', norm_rule)
        return [*notes, "custom_keys: 'norm' stands for them in UniFormer"]
    # The longest key is read alone: that of the backbone, without these.
    for one in exchanges:
        for name in (n for n, is_norm in one.our_norms.items() if is_norm):
            keys[re.sub(r'norm\d*\.\w+$', 'norm', name)] = norm_rule
    return [*notes, "custom_keys: those of UniFormer's norms instead"]


def _quoted(keys: Sequence[str] | dict) -> str:
    first = [f"'{key}'" for key in keys][:6]
    more = len(keys) - len(first)
    return ', '.join(first) + (f' and {more} like them' if more else '')
