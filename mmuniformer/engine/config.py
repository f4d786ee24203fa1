"""Reading a config: the file, the options and the command line's own keys."""

import os
import re
import traceback
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.registry import init_default_scope

from mmuniformer.checks.finding import stop_on_errors, suggest
from mmuniformer.checks.options import check_options, merged
from mmuniformer.config_files import find_config
from mmuniformer.engine.explain import readable_errors
from mmuniformer.engine.written import RunConfig
from mmuniformer.errors import UserError
from mmuniformer.hosts import HOSTS, SCOPES


def load_config(
    path: str | Path,
    cfg_options: dict[str, Any] | None = None,
    amp: bool = False,
    **keys: Any,
) -> Config:
    """Reads a config, applies options to it and imports its host library.

    Args:
        path (str or Path): The config file, or what :func:`find_config`
            takes for the name of one.
        cfg_options (dict, optional): Values by dotted key.
        amp (bool): Whether ``--amp`` will make an AmpOptimWrapper of the
            optimizer wrapper, which takes more options.
        keys (Any): Top-level keys that a command line sets besides, such as
            ``work_dir`` and ``resume``.

    Returns:
        Config: The merged config; its default scope is active. Its
        ``filename`` is the file that was read.

    Raises:
        UserError: If the file is missing or wrong, an option key is unknown
            or the host library is not installed.
    """
    path = find_config(path)
    cfg = _parse(path)
    options = cfg_options or {}
    scope = options.get('default_scope', cfg.get('default_scope'))
    scope = scope or 'mmengine'
    if scope not in SCOPES:
        raise UserError(
            f"{path}: default_scope is '{scope}', which is no library known "
            f'here{suggest(scope, HOSTS)}'
        )
    with readable_errors(cfg):
        init_default_scope(scope)
    if options:
        try:
            stop_on_errors(check_options(cfg, options, amp))
            cfg = merged(cfg, options)
        except (KeyError, TypeError) as error:
            raise UserError(f'--cfg-options: {error.args[0]}') from error
    for key, value in keys.items():
        cfg[key] = value
    return cfg


def load_run_config(
    path: str | Path,
    cfg_options: dict[str, Any] | None,
    purpose: str,
    needed: tuple[str, ...],
    work_dir: str | None,
    amp: bool = False,
    **keys: Any,
) -> RunConfig:
    """Reads the config of a run, which has a folder for what it writes.

    Args:
        path (str or Path): See :func:`load_config`.
        cfg_options (dict, optional): See :func:`load_config`.
        purpose (str): The verb of the message: 'train' or 'test'.
        needed (tuple[str, ...]): Keys that have to be there for it.
        work_dir (str, optional): The folder. The command line wins over the
            config, the config over ``work_dirs/<name of the config>``.
        amp (bool): See :func:`load_config`.
        keys (Any): See :func:`load_config`.

    Returns:
        RunConfig: What is changed in it from now on is for this run alone,
        and not written.

    Raises:
        UserError: Also if a needed key is missing.
    """
    cfg = load_config(path, cfg_options, amp, **keys)
    for key in needed:
        if cfg.get(key) is None:
            raise UserError(
                f'config {cfg.filename} cannot {purpose}: it has no {key}'
            )
    if work_dir is not None:
        cfg.work_dir = work_dir
    elif cfg.get('work_dir') is None:
        cfg.work_dir = os.path.join('work_dirs', Path(cfg.filename).stem)
    return RunConfig.of(cfg)


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
