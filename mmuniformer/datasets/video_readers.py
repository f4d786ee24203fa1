"""mmaction2's readers of videos, which name the one they cannot read.

What the readers of mmaction2 raise names no file, nor do the errors of the
decoders below them. Imports mmaction2.
"""

import io
from copy import deepcopy
from importlib import import_module
from pathlib import Path

import numpy as np
from mmaction.datasets.transforms import loading

from mmuniformer.errors import DamagedSample, UnreadableVideo, UserError
from mmuniformer.nodes import type_name, walk
from mmuniformer.shards import PREFIX, as_file, read_place

# Mistakes of a config or a program: no video raises them.
OTHER_ERRORS = (AttributeError, KeyError, MemoryError, TypeError)


class NamesVideo:
    """Before a reader in the list of base classes.

    Raises:
        UnreadableVideo: For a video that is missing, empty, damaged or cut
            off, with its path.
        UserError: If the library that decodes is not installed, or a shard
            cannot be read.
    """

    def transform(self, results: dict) -> dict:
        """Reads as the reader does."""
        try:
            results = self._read(results)
        except DamagedSample as error:
            raise UnreadableVideo(str(error)) from error
        except UserError:
            raise
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

    def _read(self, results: dict) -> dict:
        return super().transform(results)


class OpensVideo(NamesVideo):
    """The same of a reader that opens videos: they may be in a shard."""

    def _read(self, results: dict) -> dict:
        place = results['filename']
        if not place.startswith(PREFIX):
            return super()._read(results)
        suffix = Path(place).suffix or '.mp4'
        # By a path: of bytes decord crashes on some that are damaged.
        with as_file(read_place(place), suffix) as path:
            opened = super()._read(dict(results, filename=path))
        return dict(opened, filename=place)


class DecordInit(OpensVideo, loading.DecordInit):
    """Opens a video with decord."""


class DecordDecode(NamesVideo, loading.DecordDecode):
    """Decodes frames with decord."""


class OpenCVInit(OpensVideo, loading.OpenCVInit):
    """Opens a video with OpenCV."""


class OpenCVDecode(NamesVideo, loading.OpenCVDecode):
    """Decodes frames with OpenCV."""


class SeesRotation(loading.PyAVInit):
    """Sees, too, how a video is turned to be looked at.

    PyAV gives frames as they are stored, and telephones store those of an
    upright video lying. The other readers turn them.
    """

    def transform(self, results: dict) -> dict:
        """Opens a video."""
        results = super().transform(results)
        # Another opening: the reader stays at the beginning.
        video = io.BytesIO(self.file_client.get(results['filename']))
        with import_module('av').open(video) as container:
            frame = next(container.decode(video=0), None)
        results['quarter_turns'] = frame and round(frame.rotation / 90)
        return results


class PyAVInit(OpensVideo, SeesRotation):
    """Opens a video with PyAV."""


class PyAVDecode(NamesVideo, loading.PyAVDecode):
    """Decodes frames with PyAV, and turns them upright."""

    def _read(self, results: dict) -> dict:
        results = super()._read(results)
        turns = results.pop('quarter_turns', None)
        if turns:
            # Counterclockwise.
            frames = [np.rot90(frame, turns) for frame in results['imgs']]
            results['imgs'] = [np.ascontiguousarray(frame) for frame in frames]
            shape = frames[0].shape[:2]
            results['original_shape'] = results['img_shape'] = shape
        return results


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
