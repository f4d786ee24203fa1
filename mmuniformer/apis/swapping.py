"""UniFormer put into a config of a host library, as a config to go on with."""

import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.registry import init_default_scope
from rich.console import Console

from mmuniformer.dropin import Swapped, leaf_text, swap, try_model
from mmuniformer.dropin.leaf import base_of, registered_name
from mmuniformer.dropin.levels import Tied
from mmuniformer.dropin.measuring import NotRegistered
from mmuniformer.dropin.swap import KEYS, scope_of
from mmuniformer.engine.backends import AtomicLocalBackend
from mmuniformer.engine.config import load_config
from mmuniformer.engine.explain import readable_errors
from mmuniformer.errors import UserError
from mmuniformer.hosts import HOSTS


def swap_backbone(
    config: str,
    out: str,
    checkpoint: str | None = None,
    build: bool = True,
    **ours: Any,
) -> Swapped:
    """Writes a config that inherits another and has UniFormer in it.

    Args:
        config (str): Config file, or the name of an installed one, such as
            ``mmdet::retinanet/retinanet_r50_fpn_1x_coco.py``.
        out (str): The file to write.
        checkpoint (str, optional): Weights to start from, instead of the
            public ones of ``arch``; an empty one for none.
        build (bool): Whether to build the result and compute its losses on
            generated pictures, unless a package is missing for it.
        ours (Any): Arguments of :class:`UniFormer` or :class:`UniFormer3D`.

    Returns:
        Swapped: The config, and what was said about it.

    Raises:
        UserError: If the config's model works with its own backbone only, or
            the result does not run; nothing is written then.
    """
    path = Path(out)
    if path.suffix != '.py':
        raise UserError(f'-o takes the name of a Python file, not {out}')
    host, lazy = read_host(config)
    if '::' not in config:
        config = host.filename
    try:
        swapped = swap(host, checkpoint, **ours)
        base = base_of(config, path, lazy)
    except (Tied, NotRegistered, ValueError) as error:
        raise UserError(f'{config}: {error}') from error
    text = leaf_text(
        base,
        host,
        swapped.cfg,
        KEYS,
        swapped.notes,
        swapped.checkpoint,
        lazy,
    )
    check_leaf(text, path, swapped)
    if build and not swapped.missing:
        _try(config, swapped)
    AtomicLocalBackend().put_text(text, path)
    _tell(swapped, path)
    return swapped


def read_host(config: str) -> tuple[Config, bool]:
    """Reads the config of a host library.

    Args:
        config (str): See :func:`swap_backbone`.

    Returns:
        tuple[Config, bool]: The config, and whether it is a pure Python one.

    Raises:
        UserError: If there is none, or it is of no library known here.
    """
    if '::' in config:
        _check_installed(config)
        with tempfile.TemporaryDirectory() as folder:
            leaf = Path(folder) / 'host.py'
            leaf.write_text(f'_base_ = {config!r}\n')
            try:
                cfg, lazy = load_config(leaf), False
            except UserError as error:
                told = str(error).replace(str(leaf), config)
                raise UserError(told) from error
    else:
        cfg = load_config(config)
        lazy = Config._is_lazy_import(cfg.filename)
    if 'model' not in cfg:
        raise UserError(f'{config} has no model')
    library, colons, _ = config.partition('::')
    scope = scope_of(cfg) or (library if colons else None)
    if scope not in HOSTS:
        raise UserError(
            f'{config}: default_scope must be one of {", ".join(HOSTS)}'
        )
    with readable_errors(cfg):
        init_default_scope(scope)
    return cfg, lazy


def _check_installed(config: str) -> None:
    """Refuses what a library has as a file, and not as a module."""
    library, name = config.split('::')
    found = find_spec(library)
    if found is None or found.origin is None:
        return
    file = Path(found.origin).parent / '.mim' / 'configs' / name
    if file.is_file() and Config._is_lazy_import(str(file)):
        raise UserError(
            f'{config} is a pure Python config, and {library} does not '
            'install what it imports. Clone its repository, and give the '
            'path of the config there'
        )


def check_leaf(text: str, path: Path, swapped: Swapped) -> None:
    """Reads what is to be written, and compares it with what is meant.

    Args:
        text (str): The config's text.
        path (Path): Where it will be: its base may be relative to that.
        swapped (Swapped): What is meant.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(
        'w', suffix='.py', prefix='swapped_', dir=path.parent
    ) as file:
        file.write(text)
        file.flush()
        cfg = load_config(file.name)
    for key in KEYS:
        read, meant = plain(cfg.get(key)), plain(swapped.cfg.get(key))
        if read != meant:
            raise AssertionError(f'the config written has another {key}')
    swapped.cfg = cfg


def plain(node: Any) -> Any:
    """Values without the marks that inheritance leaves."""
    if isinstance(node, dict):
        return {k: plain(v) for k, v in node.items() if k != '_scope_'}
    if isinstance(node, list | tuple):
        return type(node)(plain(value) for value in node)
    # A pure Python config has classes where others have names.
    return registered_name(node) if isinstance(node, type) else node


def _try(config: str, swapped: Swapped) -> None:
    try:
        with readable_errors(swapped.cfg):
            try_model(swapped.cfg)
    except UserError:
        raise
    except Exception as error:
        lines = str(error).strip().splitlines() or ['']
        raise UserError(
            f'{config}: the model with UniFormer does not run: '
            f'{type(error).__name__}: {lines[0]}. --no-build writes it all '
            'the same'
        ) from error


def _tell(swapped: Swapped, path: Path) -> None:
    console = Console(highlight=False)
    for line in (*swapped.warnings, *swapped.missing):
        console.print(f'warning: {line}', soft_wrap=True, markup=False)
    for line in swapped.notes:
        console.print(f'note: {line}', soft_wrap=True, markup=False)
    console.print(f'{path} is written', soft_wrap=True, markup=False)
