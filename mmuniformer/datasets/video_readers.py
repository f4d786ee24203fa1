"""mmaction2's readers of videos, which name the one they cannot read.

What the readers of mmaction2 raise names no file, nor do the errors of the
decoders below them. Imports mmaction2.
"""

from copy import deepcopy
from pathlib import Path

from mmaction.datasets.transforms import loading

from mmuniformer.errors import UnreadableVideo, UserError
from mmuniformer.nodes import type_name, walk

# Mistakes of a config or a program: no video raises them.
OTHER_ERRORS = (AttributeError, KeyError, MemoryError, TypeError)


class NamesVideo:
    """Before a reader in the list of base classes.

    Raises:
        UnreadableVideo: For a video that is missing, empty, damaged or cut
            off, with its path.
        UserError: If the library that decodes is not installed.
    """

    def transform(self, results: dict) -> dict:
        """Reads as the reader does."""
        try:
            results = super().transform(results)
        except ImportError as error:
            name = type(self).__name__
            raise UserError(f'{name} reads no video: {error}') from error
        except OTHER_ERRORS:
            raise
        # Decoders have all kinds of errors, and share no class.
        except Exception as error:
            raise UnreadableVideo(_explain(results['filename'])) from error
        if results['total_frames'] < 1:
            raise UnreadableVideo(_explain(results['filename']))
        return results


class DecordInit(NamesVideo, loading.DecordInit):
    """Opens a video with decord."""


class DecordDecode(NamesVideo, loading.DecordDecode):
    """Decodes frames with decord."""


class OpenCVInit(NamesVideo, loading.OpenCVInit):
    """Opens a video with OpenCV."""


class OpenCVDecode(NamesVideo, loading.OpenCVDecode):
    """Decodes frames with OpenCV."""


class PyAVInit(NamesVideo, loading.PyAVInit):
    """Opens a video with PyAV."""


class PyAVDecode(NamesVideo, loading.PyAVDecode):
    """Decodes frames with PyAV."""


READERS = {
    reader.__name__: reader
    for reader in (
        DecordInit,
        DecordDecode,
        OpenCVInit,
        OpenCVDecode,
        PyAVInit,
        PyAVDecode,
    )
}


def with_names(pipeline: list) -> list:
    """A pipeline whose readers of videos are those of this module.

    Args:
        pipeline (list): Settings of transforms of mmaction2, of any depth.

    Returns:
        list: A copy.
    """
    pipeline = deepcopy(pipeline)
    for _, node in walk(pipeline):
        if type_name(node) in READERS:
            node['type'] = READERS[type_name(node)]
    return pipeline


def _explain(filename: str) -> str:
    path = Path(filename)
    reason = 'it is damaged, cut off or not a video'
    if '://' not in filename:
        if path.suffix and not path.exists():
            reason = 'there is no such file'
        elif path.is_file() and not path.stat().st_size:
            reason = 'it is empty'
    return f'cannot read the video {filename}: {reason}'
