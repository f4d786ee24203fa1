"""Reading a config file and applying ``--cfg-options`` to it, with checks.

mmengine adds an option key that the config does not have without a word, so
that a mistyped learning rate trains the default one. Here a new key is taken
only where something reads it.
"""

import inspect
import os
import re
import traceback
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner import Runner

from mmuniformer.engine.errors import HOST_PACKAGES, readable_errors, suggest
from mmuniformer.errors import UserError
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


def load_config(
    path: str | Path, cfg_options: dict[str, Any] | None = None
) -> Config:
    """Reads a config, applies options to it and imports its host library.

    Args:
        path (str or Path): The config file.
        cfg_options (dict, optional): Values by dotted key.

    Returns:
        Config: The merged config; its default scope is active.

    Raises:
        UserError: If the file is missing or wrong, an option key is unknown
            or the host library is not installed.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(_missing_config(path))
    cfg = _parse(path)
    if cfg_options:
        for key, value in cfg_options.items():
            check_option(cfg, key, value)
        try:
            cfg.merge_from_dict(cfg_options)
        except (KeyError, TypeError) as error:
            raise UserError(f'--cfg-options: {error.args[0]}') from error
    scope = cfg.get('default_scope', 'mmengine')
    if scope not in {'mmengine', 'mmuniformer', *HOST_PACKAGES}:
        raise UserError(
            f"{path}: default_scope is '{scope}', which is no library known "
            f'here{suggest(scope, HOST_PACKAGES)}'
        )
    with readable_errors(cfg):
        init_default_scope(scope)
    return cfg


def _missing_config(path: Path) -> str:
    folder = path.parent
    while not folder.is_dir():
        folder = folder.parent
    near = {str(p) for p in folder.glob('*.py')}
    if not near or folder != path.parent:
        near |= {str(p) for p in folder.glob('**/*.py')}
    by_name = {Path(p).name: p for p in near}
    hint = suggest(path.name, by_name)
    for name, full in by_name.items():
        hint = re.sub(rf'(?<=[ ]){re.escape(name)}(?=[,?])', full, hint)
    what = 'is a folder' if path.is_dir() else 'does not exist'
    return f'config {path} {what}{hint}'


def _parse(path: Path) -> Config:
    try:
        return Config.fromfile(path)
    except SyntaxError as error:
        line = re.search(r'line (\d+)', str(error))
        reason = re.sub(
            r'There are syntax .*?: | \(<unknown>.*', '', str(error)
        )
        raise UserError(
            f'config {_parsed_file(error) or path}, line '
            f'{line.group(1) if line else "?"}: {reason}'
        ) from error
    except ImportError as error:
        reason = str(error).split(', the current sys.path')[0]
        raise UserError(
            f'config {path}: {reason}. Run `python -m mmuniformer.doctor` to '
            'see what is missing'
        ) from error
    except Exception as error:
        # An error in the text of a config is the config's; one in mmengine
        # is shown as it is, unless it is about a missing or doubled base.
        last = traceback.extract_tb(error.__traceback__)[-1]
        if _is_config(last.filename):
            raise UserError(
                f'config {last.filename}, line {last.lineno}: '
                f'{type(error).__name__}: {error}'
            ) from error
        known = (KeyError, OSError, RuntimeError)
        parsing = type(error).__name__ == 'ConfigParsingError'
        if isinstance(error, known) or parsing:
            text = error.args[0] if isinstance(error, KeyError) else error
            raise UserError(f'config {path}: {text}') from error
        raise


def _parsed_file(error: SyntaxError) -> str | None:
    """The file that mmengine was parsing: the error says '<unknown>'."""
    files = [
        frame.f_locals.get('filename')
        for frame, _ in traceback.walk_tb(error.__traceback__)
        if 'mmengine' in Path(frame.f_code.co_filename).parts
    ]
    return next((str(file) for file in reversed(files) if file), None)


def _is_config(filename: str) -> bool:
    """Whether a frame's file is a config, not a part of a library."""
    packages = ('mmengine', 'mmuniformer', 'importlib', 'python3')
    parts = Path(filename).parts
    return (
        bool(filename)
        and ('configs' in parts or not set(parts) & set(packages))
        and os.path.isfile(filename)
    )


def check_option(cfg: Config, option: str, value: Any) -> None:
    """Checks that something reads the key of a ``--cfg-options`` pair.

    A key that is new in a dict with a ``type`` is left to the constructor,
    which knows its arguments.

    Args:
        cfg (Config): The config that the option changes.
        option (str): The dotted key.
        value (Any): Its new value.

    Raises:
        UserError: Naming the key and the nearest one that exists.
    """
    node: Any = cfg._cfg_dict
    parts = option.split('.')
    for depth, key in enumerate(parts):
        parent = '.'.join(parts[:depth])
        if isinstance(node, (list, tuple)):
            if not key.isdigit() or int(key) >= len(node):
                raise UserError(
                    f'--cfg-options {option}: {parent} is a list of '
                    f"{len(node)} entries, and '{key}' is not one of 0 to "
                    f'{len(node) - 1}'
                )
            node = node[int(key)]
        elif isinstance(node, dict):
            if key not in node:
                _check_new_key(cfg, node, option, parts[:depth], key)
                return
            node = node[key]
        else:
            raise UserError(
                f'--cfg-options {option}: {parent} is {node!r}, it has no '
                f"'{key}'"
            )
    if len(parts) == 1 and option not in READ_KEYS:
        _check_variable(cfg, option, node, value)


def _check_new_key(
    cfg: Config, node: dict, option: str, parents: list[str], key: str
) -> None:
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
        if not suggest(key, node, cutoff=SAME_WORD):
            return
        known = set(node)
    else:
        known = set(node)
    where = f'{".".join(parents)} has' if parents else 'there is'
    has = f'; it has {", ".join(sorted(map(str, known)))}' if parents else ''
    hint = suggest(key, map(str, known)) or _elsewhere(cfg, key) or has
    raise UserError(f"--cfg-options {option}: {where} no key '{key}'{hint}")


def _elsewhere(cfg: Config, key: str) -> str:
    places = [
        f'{path}.{key}'
        for path, node in walk(cfg._cfg_dict)
        if key in node and path
    ]
    return f'; did you mean {", ".join(places[:3])}?' if places else ''


def _check_variable(cfg: Config, key: str, old: Any, new: Any) -> None:
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
        raise UserError(
            f"--cfg-options {key}: '{key}' is a variable of the config file, "
            'and changing it here changes nothing; set '
            f'{", ".join(places[:3])}'
        )
