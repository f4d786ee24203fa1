"""The file name in the error about an image that cannot be decoded.

Defect: mmcv's loaders of images and label maps, and mmaction2's of frames,
give the decoder bytes and pass its error on as it is. OpenCV's error about an
empty file and Pillow's about a damaged one name no file.
Applies to: mmcv 2.2.0, mmaction2 1.2.0 and earlier.
Upstream: https://github.com/open-mmlab/mmpretrain/issues/1427, after which
mmcv names the file where the decoder returns nothing, and only there
Gone when: the error names the file; such an error is passed on as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from mmuniformer.compat.import_hooks import after_import
from mmuniformer.compat.replacing import is_replaced, replace_once
from mmuniformer.compat.status import Status
from mmuniformer.compat.versions import installed

_IMAGES = 'mmcv.transforms.loading'
_FRAMES = 'mmaction.datasets.transforms.loading'
# What a file name of a clip is made from besides the number of the frame.
_AXES = {'RGB': [()], 'Flow': [('x',), ('y',)]}


def _failed(path: Any) -> OSError:
    return OSError(f'failed to load image: {path}')


def _naming(key: str) -> Callable[[Callable], Callable]:
    import cv2

    def make(load: Callable) -> Callable:
        def transform(self: Any, results: dict) -> dict | None:
            try:
                return load(self, results)
            except (cv2.error, OSError) as error:
                path = results.get(key)
                if (
                    path is None
                    or getattr(error, 'filename', None)
                    or str(path) in str(error)
                ):
                    raise
                raise _failed(path) from error

        return transform

    return make


def _naming_frame(load: Callable) -> Callable:
    import cv2

    def transform(self: Any, results: dict) -> dict:
        try:
            return load(self, results)
        except cv2.error as error:
            raise _failed(_unreadable_frame(results)) from error

    return transform


def _unreadable_frame(results: dict) -> Path:
    """The first frame of a clip that is no picture, or else its folder."""
    import cv2

    folder = Path(results['frame_dir'])
    for index in results['frame_inds'].ravel():
        number = index + results.get('offset', 0)
        for axis in _AXES[results['modality']]:
            frame = folder / results['filename_tmpl'].format(*axis, number)
            if cv2.imread(str(frame)) is None:
                return frame
    return folder


def _patch_images(loading: ModuleType) -> None:
    for loader, key in (
        (loading.LoadImageFromFile, 'img_path'),
        (loading.LoadAnnotations, 'seg_map_path'),
    ):
        replace_once(loader, 'transform', _naming(key), by=__name__)


def _patch_frames(loading: ModuleType) -> None:
    loader = loading.RawFrameDecode
    replace_once(loader, 'transform', _naming_frame, by=__name__)


def apply() -> None:
    after_import(_IMAGES, _patch_images)
    after_import(_FRAMES, _patch_frames)


def status() -> Status:
    name = 'unreadable images'
    if not installed('mmcv'):
        return Status(name, 'missing', 'mmcv is not installed')
    from mmcv.transforms import LoadImageFromFile

    if is_replaced(LoadImageFromFile.transform, by=__name__):
        return Status(name, 'active', 'the error names the file')
    return Status(name, 'broken', 'the error names no file')
