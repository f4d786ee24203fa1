"""``python -m mmuniformer.doctor``: what is installed, and what to type.

Tries what a config would: it imports the model packages of the five OpenMMLab
libraries, with the workarounds of :mod:`mmuniformer.compat` in place. Exit
code 0 if all five can be used, 1 otherwise.
"""

from __future__ import annotations

import argparse
import importlib
import io
import logging
import platform
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass

from mmuniformer import compat
from mmuniformer.compat.versions import distribution, installed
from mmuniformer.hosts import HOSTS
from mmuniformer.hosts import packages as packages_of_hosts

# What installs an OpenMMLab library.
LIBRARIES = packages_of_hosts()
# Needed by all of them; what installs it.
FOUNDATION = {
    'torch': 'torch',
    'torchvision': 'torchvision',
    'numpy': 'numpy',
    'mmengine': LIBRARIES['mmengine'],
    'mmcv': LIBRARIES['mmcv'],
}
# Needed by some; the libraries say so when they are imported or used.
OTHERS = {
    'cv2': 'opencv-contrib-python-headless',
    'pycocotools': 'pycocotools',
    'xtcocotools': 'xtcocotools',
    'decord': 'decord',
    'albumentations': 'albumentations',
    # mmdet's PAA and LAD; BoxInst; ByteTrack and OC-SORT.
    'sklearn': 'scikit-learn',
    'skimage': 'scikit-image',
    'lap': 'lap',
}
# Modules whose distribution has another name.
DISTRIBUTIONS = {
    **OTHERS,
    **LIBRARIES,
    'PIL': 'pillow',
    'yaml': 'pyyaml',
    'json_tricks': 'json-tricks',
    'importlib_metadata': 'importlib-metadata',
}
EXIT_CODE = (
    'Exit code 0 if mmdet, mmseg, mmpose, mmaction2 and mmpretrain can be '
    'used, 1 otherwise.'
)
COLOURS = {
    'ok': 'green',
    'active': 'cyan',
    'not needed': 'green',
    'missing': 'yellow',
    'outdated': 'yellow',
    'broken': 'red',
}


@dataclass(frozen=True)
class Row:
    """One package: name, version, state, and what to type."""

    name: str
    version: str
    state: str
    message: str = ''
    remedy: str = ''


def examine(module: str, imported: str, name: str) -> Row:
    """Imports a package as its users do.

    Args:
        module (str): Top-level module.
        imported (str): What to import of it.
        name (str): Distribution that installs it.

    Returns:
        Row: 'ok', 'missing' or 'broken', and what to type.
    """
    version = installed(module)
    pip = 'pip install --no-deps' if module.startswith('mm') else 'pip install'
    if not version:
        return Row(module, '-', 'missing', '', f'{pip} {name}')
    provider = distribution(module)
    if provider not in ('', module):
        version = f'{version} ({provider})'
    try:
        with _quiet():
            importlib.import_module(imported)
    # A broken binary can raise anything: OSError, ValueError, RuntimeError.
    except Exception as error:
        text = (str(error).strip() or repr(error)).splitlines()[0]
        return Row(module, version, 'broken', text, _remedy(error))
    return Row(module, version, 'ok')


def _remedy(error: Exception) -> str:
    if not isinstance(error, ModuleNotFoundError) or not error.name:
        return ''
    root = error.name.partition('.')[0]
    if installed(root):
        return ''
    return f'pip install {DISTRIBUTIONS.get(root, root)}'


@contextmanager
def _quiet() -> Iterator[None]:
    """Keeps the libraries' remarks on import out of the report."""
    logging.disable(logging.WARNING)
    try:
        with (
            warnings.catch_warnings(),
            redirect_stdout(io.StringIO()),
            redirect_stderr(io.StringIO()),
        ):
            warnings.simplefilter('ignore')
            yield
    finally:
        logging.disable(logging.NOTSET)


def _device() -> Row:
    try:
        import torch
    except Exception:
        return Row('device', '-', 'missing')
    if not torch.cuda.is_available():
        return Row('device', 'cpu', 'ok')
    name, count = torch.cuda.get_device_name(0), torch.cuda.device_count()
    return Row('device', f'{count} x {name}, CUDA {torch.version.cuda}', 'ok')


def packages() -> list[Row]:
    """Python, torch and its device, and every package that matters."""
    rows = [Row('python', platform.python_version(), 'ok')]
    for module, name in FOUNDATION.items():
        rows.append(examine(module, module, name))
        if module == 'torch':
            rows.append(_device())
    for module, host in HOSTS.items():
        rows.append(examine(module, host.models, LIBRARIES[module]))
    for module, name in OTHERS.items():
        rows.append(examine(module, module, name))
    return rows


def workarounds() -> list[Row]:
    """State of every workaround, after the libraries were imported."""
    with _quiet():
        return [
            Row(item.name, '', item.state, item.message, item.remedy)
            for item in compat.status()
        ]


def _by_message(rows: list[Row]) -> dict[str, list[str]]:
    """Names of the broken packages by what is wrong: one cause, many rows."""
    names: dict[str, list[str]] = {}
    for row in rows:
        if row.state == 'broken':
            names.setdefault(row.message, []).append(row.name)
    return names


def report(installed_rows: list[Row], workaround_rows: list[Row]) -> bool:
    """Prints the report.

    Args:
        installed_rows (list[Row]): The packages.
        workaround_rows (list[Row]): The workarounds.

    Returns:
        bool: Whether all five libraries can be used.
    """
    from rich import box
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console(highlight=False)

    def state(row: Row) -> str:
        return f'[{COLOURS[row.state]}]{row.state}[/]'

    table = Table('package', 'version', 'state', box=box.SIMPLE_HEAD)
    for row in installed_rows:
        table.add_row(row.name, escape(row.version), state(row))
    console.print(table)
    for message, names in _by_message(installed_rows).items():
        console.print(f'[red]{", ".join(names)}:[/] {escape(message)}')

    table = Table('workaround', 'state', 'what was found', box=box.SIMPLE_HEAD)
    for row in workaround_rows:
        table.add_row(escape(row.name), state(row), escape(row.message))
    console.print(table)

    remedies = [row.remedy for row in [*installed_rows, *workaround_rows]]
    remedies = list(dict.fromkeys(filter(None, remedies)))
    if remedies:
        console.print('To do, in this order:')
        for remedy in remedies:
            console.print(f'  {escape(remedy)}', soft_wrap=True)
    states = {row.name: row.state for row in installed_rows}
    unusable = [name for name in HOSTS if states[name] != 'ok']
    if unusable:
        console.print(f'Cannot be used: {", ".join(unusable)}.')
    else:
        console.print('All five libraries can be used.')
    return not unusable


def examination() -> int:
    """Looks at everything and prints the report; returns the exit code."""
    if not installed('rich'):
        sys.stderr.write('rich is not installed: pip install rich\n')
        return 1
    return 0 if report(packages(), workarounds()) else 1


def main(args: list[str] | None = None) -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog='python -m mmuniformer.doctor',
        description='Shows what is installed, which workaround is active, '
        'and what to type for what is missing.',
        epilog=EXIT_CODE,
    )
    parser.parse_args(args)
    return examination()


if __name__ == '__main__':
    sys.exit(main())
