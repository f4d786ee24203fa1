"""Learning rates that fall layer by layer, by whom they are set."""

from collections.abc import Iterator

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
    constructor = str(wrapper.get('constructor', ''))
    scope, _, name = constructor.rpartition('.')
    if name not in _THEIRS or scope == 'mmuniformer':
        return
    model = {'model': cfg.get('model')}
    places = [
        path
        for path, node in walk(model)
        if path.endswith('backbone')
        and str(node.get('type', '')).startswith('mmuniformer.')
    ]
    if places:
        yield Finding(
            f'optim_wrapper.constructor is {constructor!r}, which knows the '
            f'layers of other backbones and not those of {places[0]}',
            f"set constructor='{OURS}' and paramwise_cfg=dict("
            '_delete_=True, layer_decay_rate=...)',
            entry='optim_wrapper.constructor',
        )
