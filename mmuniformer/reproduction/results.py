"""The file of what was measured: a list of tests in JSON."""

import hashlib
import json
import os
import platform
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from errno import EACCES
from pathlib import Path
from typing import Any

from mmengine.config import Config

from mmuniformer.checks.layout import needed
from mmuniformer.compat.versions import installed
from mmuniformer.engine.backends import AtomicLocalBackend
from mmuniformer.errors import UnwritableFile, UserError
from mmuniformer.reproduction.places import root

MODULES = (
    'mmuniformer',
    'torch',
    'mmengine',
    'mmcv',
    'mmdet',
    'mmseg',
    'mmpose',
    'mmaction',
    'mmpretrain',
)


# What an entry has besides its circumstances.
ENTRY = (
    'id',
    'style',
    'options',
    'config_sha256',
    'checkpoint',
    'checkpoint_sha256',
    'metrics',
)
# What makes a result one of another test.
DIGESTS = ('config_sha256', 'checkpoint_sha256', 'data_sha256')
# Seconds.
KILLED = 30


def default_file() -> Path:
    """The project's own file in a checkout, else one where runs write."""
    docs = root() / 'docs'
    if docs.is_dir():
        return docs / 'reproduction' / 'results.json'
    return Path('work_dirs', 'reproduction', 'results.json')


def read(path: Path) -> list[dict[str, Any]]:
    """What was measured so far; nothing where the file is not there.

    Raises:
        UserError: If it is no such file, or one of another version.
    """
    if not path.exists():
        return []
    try:
        content = json.loads(path.read_text(encoding='utf-8'))
        results = list(content['results'])
        for entry in results:
            missing = [name for name in ENTRY if name not in entry]
            if missing:
                raise KeyError(f'a result without {", ".join(missing)}')
        return results
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f'{path} is no file of results ({type(error).__name__}: {error}): '
            'take another --results, or remove it'
        ) from error


def prepare(path: Path) -> None:
    """Finds out before a test whether its result can be added.

    Raises:
        UserError: If the file is none of results, or cannot be written.
    """
    path = _real(path)
    read(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _alone(path):
            pass
        if path.exists() and not os.access(path, os.W_OK):
            raise PermissionError(EACCES, os.strerror(EACCES))
    except OSError as error:
        raise UserError(
            f'{path} cannot be written: {error}; take another --results'
        ) from error


def add(path: Path, entry: dict[str, Any]) -> None:
    """Adds a result to the file, in place of the same test's before.

    Several runs may add to one file, one after the other.

    Raises:
        UserError: If the file is none of results, or cannot be written.
    """
    path = _real(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _alone(path):
            kept = [old for old in read(path) if key(old) != key(entry)]
            results = sorted([*kept, entry], key=lambda e: json.dumps(key(e)))
            text = json.dumps({'results': results}, indent=1, sort_keys=True)
            AtomicLocalBackend().put_text(text + '\n', path)
    except UnwritableFile:
        raise
    except OSError as error:
        raise UserError(f'{path} cannot be written: {error}') from error


def _real(path: Path) -> Path:
    """The file itself: a link would be replaced by what is written."""
    return Path(os.path.realpath(path))


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Waits until nobody else is adding to a file.

    By a file beside it: locks of the system mean nothing on many shared file
    systems.
    """
    lock = path.with_name(f'{path.name}.lock')
    while True:
        try:
            os.close(os.open(lock, os.O_CREAT | os.O_EXCL))
            break
        except FileExistsError:
            # Adding takes no second: who takes longer was killed.
            with suppress(FileNotFoundError):
                if time.time() - lock.stat().st_mtime > KILLED:
                    lock.unlink()
            time.sleep(0.05)
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)


def key(entry: dict[str, Any]) -> list[Any]:
    """What makes two entries results of the same test."""
    return [entry[name] for name in ('id', 'style', 'options', 'checkpoint')]


def same_test(
    results: Iterable[dict[str, Any]], entry: dict[str, Any]
) -> dict[str, Any] | None:
    """The result of a test of the same config, file and data, if any."""
    for old in results:
        same = all(old.get(name) == entry[name] for name in DIGESTS)
        if same and key(old) == key(entry):
            return old
    return None


def is_whole(entry: dict[str, Any]) -> bool:
    """Whether a result is of as many samples as the published figures."""
    return entry.get('samples_published') in (None, entry.get('samples'))


def chosen(
    results: Iterable[dict[str, Any]],
) -> dict[tuple[str, str], dict[str, Any]]:
    """The result of each test of each experiment that its figures are.

    Those of changed configs and of a part of the data are left out. That of
    the published file comes before one of a given file, and then the latest.

    Args:
        results (Iterable[dict]): Entries of the file of results.

    Returns:
        dict: Entries by id and style.
    """
    own = [e for e in results if not e['options'] and is_whole(e)]
    own.sort(key=lambda e: (bool(e.get('weights')), e.get('date', '')))
    return {(entry['id'], entry['style']): entry for entry in own}


def lines(entry: dict[str, Any]) -> Iterator[str]:
    """Each metric of a result in words, beside the published one.

    Where the data are not those of the published ones, that first.
    """
    if not is_whole(entry):
        yield (
            f'samples: {entry["samples"]:,}, and those of the published '
            f'figures: {entry["samples_published"]:,}'
        )
    for metric, found in entry['metrics'].items():
        measured, published = found['measured'], found.get('published')
        words = 'no number' if measured is None else f'{measured:.2f}'
        if published is None:
            yield f'{metric}: {words}, none published'
            continue
        if measured is not None:
            words += f' ({found["difference"]:+.2f}'
            words += f', spread {found["spread"]:.2f})'
        verdict = 'as published' if found['within'] else 'NOT as published'
        yield f'{metric}: {words}, published {published}: {verdict}'


def config_digest(cfg: Config) -> str:
    """SHA-256 of the model and of what is done with the data.

    Not of where the data are, nor of loaders, which differ by machine.
    """
    dataset = dict(cfg.test_dataloader.dataset)
    parts = (cfg.model, dataset.get('pipeline'), cfg.get('tta_pipeline'))
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def data_digest(cfg: Config) -> str:
    """SHA-256 of annotations, and of the names of what they are of.

    Not of where the data are, nor of images and videos themselves.
    """
    digest = hashlib.sha256()
    parts = needed(cfg)
    has_list = any(not part.is_folder for part in parts)
    for path, is_folder in parts:
        if not is_folder:
            digest.update(file_digest(Path(path)).encode())
            continue
        for name in sorted(os.listdir(path)):
            digest.update(name.encode() + b'\0')
            below = os.path.join(path, name)
            # Without a list, a folder of each class has its images.
            if not has_list and os.path.isdir(below):
                names = sorted(os.listdir(below))
                digest.update('\0'.join(names).encode() + b'\1')
    return digest.hexdigest()


def file_digest(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open('rb') as file:
        return hashlib.file_digest(file, 'sha256').hexdigest()


def circumstances() -> dict[str, Any]:
    """Date, device and versions."""
    versions = {'python': platform.python_version()}
    # By the module: several packages have the same, as mmcv and mmcv-lite do.
    found = {module: installed(module) for module in MODULES}
    versions |= {module: text for module, text in found.items() if text}
    return {
        'date': datetime.now(UTC).date().isoformat(),
        'device': _device(),
        'versions': versions,
    }


def _device() -> str:
    import torch
    from mmengine.dist import get_world_size

    name = _cpu()
    if torch.cuda.is_available():
        name = torch.cuda.get_device_name()
    processes = get_world_size()
    return name if processes == 1 else f'{processes} x {name}'


def _cpu() -> str:
    try:
        lines = Path('/proc/cpuinfo').read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line for line in lines if line.startswith('model name')]
    return names[0].partition(': ')[2] if names else platform.machine()
