"""Learning rates that fall layer by layer, by whom they are set."""

from collections.abc import Iterator
from typing import Any

from mmengine.config import Config

from mmuniformer.checks.finding import Finding
from mmuniformer.nodes import walk

OURS = 'mmuniformer.LayerDecayOptimWrapperConstructor'
# Those of mmdet, mmseg and mmaction2 stop at any backbone but their own, and
# mmpose's takes every block of another for a layer behind the backbone.
_THEIRS = {
    'LayerDecayOptimWrapperConstructor',
    'LayerDecayOptimizerConstructor',
    'LearningRateDecayOptimizerConstructor',
}


def check_layer_decay(cfg: Config) -> Iterator[Finding]:
    """Looks for a constructor that does not know the layers of a backbone.

    Args:
        cfg (Config): As it was read.
    """
    wrapper = cfg.get('optim_wrapper') or {}
    constructor = _full_name(wrapper.get('constructor', ''))
    if constructor.rpartition('.')[2] not in _THEIRS or _ours(constructor):
        return
    places = [
        path
        for path, node in walk({'model': cfg.get('model')})
        if _is_backbone(_full_name(node.get('type', '')))
    ]
    if places:
        yield Finding(
            f'optim_wrapper.constructor is {constructor!r}, which knows the '
            f'layers of other backbones and not those of {places[0]}',
            f"set constructor='{OURS}' and paramwise_cfg=dict("
            '_delete_=True, layer_decay_rate=...)',
            entry='optim_wrapper.constructor',
        )


def _full_name(kind: Any) -> str:
    """A name as it is; of the class of a pure Python config, its place."""
    if isinstance(kind, type):
        return f'{kind.__module__}.{kind.__qualname__}'
    return str(kind)


def _ours(name: str) -> bool:
    return name.startswith('mmuniformer.')


def _is_backbone(name: str) -> bool:
    return _ours(name) and name.rpartition('.')[2].startswith('UniFormer')
