"""Keys and values of ``--cfg-options``.

mmengine adds an option key that the config does not have without a word, so
that a mistyped learning rate trains the default one. Here a new key is taken
only where something reads it.
"""

import inspect
from collections.abc import Iterator
from typing import Any

from mmengine.config import Config
from mmengine.runner import Runner

from mmuniformer.checks.finding import Finding, did_you_mean, nearest
from mmuniformer.nodes import walk

# Read by mmengine or a host library's command line from the config itself.
READ_KEYS = {
    'activation_checkpointing',
    'compile',
    'custom_imports',
    'efficient_conv_bn_eval',
    'find_unused_parameters',
    'model_wrapper_cfg',
    'preprocess_cfg',
    'runner_type',
    'sync_bn',
    'tta_model',
    'tta_pipeline',
} | set(inspect.signature(Runner.__init__).parameters) - {'self', 'cfg'}
# Plain dicts of a fixed set of keys, by the name they have in a config.
CLOSED_DICTS = {
    'randomness': {'seed', 'diff_rank_seed', 'deterministic'},
    'auto_scale_lr': {'enable', 'base_batch_size'},
    'env_cfg': {'cudnn_benchmark', 'mp_cfg', 'dist_cfg', 'resource_limit'},
    'mp_cfg': {'mp_start_method', 'opencv_num_threads'},
    'paramwise_cfg': {
        'lr_mult',
        'decay_mult',
        'bias_lr_mult',
        'bias_decay_mult',
        'norm_decay_mult',
        'flat_decay_mult',
        'dwconv_decay_mult',
        'dcn_offset_lr_mult',
        'bypass_duplicate',
        'custom_keys',
    },
}
# Plain dicts that take keys of the user's own choice, with all below them.
OPEN_DICTS = {
    'compile',
    'custom_imports',
    'custom_keys',
    'data_prefix',
    'default_hooks',
    'dist_cfg',
    'metainfo',
    'model_wrapper_cfg',
    'test_cfg',
    'train_cfg',
    'val_cfg',
}
# Above it, a key that is new in an open dict is taken for a typing mistake.
SAME_WORD = 0.8


def check_options(cfg: Config, options: dict[str, Any]) -> Iterator[Finding]:
    """Looks at the pairs of ``--cfg-options``.

    Args:
        cfg (Config): The config that they are to change.
        options (dict[str, Any]): New values by dotted key.
    """
    for option, value in options.items():
        yield from check_option(cfg, option, value)


def check_option(cfg: Config, option: str, value: Any) -> Iterator[Finding]:
    """Looks whether something reads the key of one pair.

    A key that is new in a dict with a ``type`` is left to the constructor,
    which knows its arguments.

    Args:
        cfg (Config): The config that the option is to change.
        option (str): The dotted key.
        value (Any): Its new value.
    """
    node: Any = cfg._cfg_dict
    parts = option.split('.')
    for depth, key in enumerate(parts):
        parent = '.'.join(parts[:depth])
        if isinstance(node, (list, tuple)):
            if not key.isdigit() or int(key) >= len(node):
                yield _finding(
                    option,
                    f"{parent} is a list of {len(node)} entries, and '{key}' "
                    f'is not one of 0 to {len(node) - 1}',
                )
                return
            node = node[int(key)]
        elif isinstance(node, dict):
            if key not in node:
                yield from _check_new_key(
                    cfg, node, option, parts[:depth], key
                )
                return
            node = node[key]
        else:
            yield _finding(option, f"{parent} is {node!r}, it has no '{key}'")
            return
    if len(parts) == 1 and option not in READ_KEYS:
        yield from _check_variable(cfg, option, node, value)


def _finding(option: str, what: str, mend: str = '') -> Finding:
    return Finding(f'--cfg-options {option}: {what}', mend, entry=option)


def _check_new_key(
    cfg: Config, node: dict, option: str, parents: list[str], key: str
) -> Iterator[Finding]:
    name = parents[-1] if parents else ''
    if 'type' in node or key == '_delete_':
        return
    if not parents:
        if key in READ_KEYS:
            nested = option.split('.')[1:2]
            allowed = CLOSED_DICTS.get(key)
            if not nested or allowed is None or nested[0] in allowed:
                return
            parents, key, known = [key], nested[0], allowed
        else:
            known = READ_KEYS | set(node)
    elif name in CLOSED_DICTS:
        known = CLOSED_DICTS[name] | set(node)
        if key in known:
            return
    elif set(parents) & OPEN_DICTS:
        if not nearest(key, node, cutoff=SAME_WORD):
            return
        known = set(node)
    else:
        known = set(node)
    where = f'{".".join(parents)} has' if parents else 'there is'
    has = f'; it has {", ".join(sorted(map(str, known)))}' if parents else ''
    near = nearest(key, map(str, known)) or _elsewhere(cfg, key)
    yield _finding(
        option, f"{where} no key '{key}'{did_you_mean(near) or has}"
    )


def _elsewhere(cfg: Config, key: str) -> list[str]:
    """Where else in the config the key stands: three places at most."""
    places = [
        f'{path}.{key}'
        for path, node in walk(cfg._cfg_dict)
        if key in node and path
    ]
    return places[:3]


def _check_variable(
    cfg: Config, key: str, old: Any, new: Any
) -> Iterator[Finding]:
    """A variable of the config text has been copied to where it is used."""
    if old == new or not isinstance(old, (str, list, dict, int, float)):
        return
    if not old or isinstance(old, bool):
        return
    # Numbers are equal by chance: they stand where they have the same name.
    number = isinstance(old, (int, float))
    places = [
        f'{path}.{name}'
        for path, node in walk(cfg._cfg_dict)
        if path and path.split('.')[0] in READ_KEYS
        for name, value in node.items()
        if value == old and (name == key or not number)
    ]
    if places:
        yield _finding(
            key,
            f"'{key}' is a variable of the config file, and changing it here "
            'changes nothing',
            f'set {", ".join(places[:3])}',
        )
