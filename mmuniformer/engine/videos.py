"""The file name in the error about a video that cannot be read."""

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

from mmengine.config import Config

from mmuniformer.errors import UnreadableVideo, UserError
from mmuniformer.nodes import walk

READERS = ('Decord', 'OpenCV', 'PyAV')
# Mistakes of a config or a program: no video raises them.
OTHER_ERRORS = (AttributeError, KeyError, MemoryError, TypeError)


def check_videos(cfg: Config) -> None:
    """Has the data sets of mmaction2 say which video they cannot read.

    Each ``VideoDataset`` becomes a ``mmuniformer.VideoDataset``, which may
    also go on without such videos.

    Args:
        cfg (Config): Changed in place, unless it is of another library.
    """
    if cfg.get('default_scope') != 'mmaction':
        return
    # Imports mmaction2, which no other library should wait for.
    import mmuniformer.datasets.videos  # noqa: F401

    for name in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        for _, node in walk(cfg.get(name)):
            if node.get('type') in ('VideoDataset', 'mmaction.VideoDataset'):
                node['type'] = 'mmuniformer.VideoDataset'


def name_unreadable_videos() -> None:
    """Makes mmaction2's readers raise an :class:`UnreadableVideo`.

    What they raise names no file, nor do the errors of the decoders below.
    """
    from mmaction.datasets.transforms import loading

    for reader in READERS:
        for step in ('Init', 'Decode'):
            _name_file(getattr(loading, f'{reader}{step}'))


def _name_file(step: Any) -> None:
    read: Callable[[Any, dict], dict] = step.transform
    if hasattr(read, 'names_file'):
        return

    @wraps(read)
    def transform(self: Any, results: dict) -> dict:
        try:
            results = read(self, results)
        except ImportError as error:
            raise UserError(f'{step.__name__} reads no video: {error}') from (
                error
            )
        except OTHER_ERRORS:
            raise
        # Decoders have all kinds of errors, and share no class.
        except Exception as error:
            raise UnreadableVideo(_explain(results['filename'])) from error
        if results['total_frames'] < 1:
            raise UnreadableVideo(_explain(results['filename']))
        return results

    transform.names_file = True
    step.transform = transform


def _explain(filename: str) -> str:
    path = Path(filename)
    reason = 'it is damaged, cut off or not a video'
    if '://' not in filename:
        if path.suffix and not path.exists():
            reason = 'there is no such file'
        elif path.is_file() and not path.stat().st_size:
            reason = 'it is empty'
    return f'cannot read the video {filename}: {reason}'
