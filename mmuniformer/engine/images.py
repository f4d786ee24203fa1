"""The file name in the error about an image that cannot be decoded."""

from functools import wraps
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

from mmuniformer.compat.import_hooks import after_import


def name_unreadable_images() -> None:
    """Makes the loaders of images say which file they could not decode.

    The decoders see bytes: OpenCV's error about an empty file and Pillow's
    about a damaged one name no file, and the loaders pass them on as they
    are.
    """
    if find_spec('mmcv') is None:
        return
    from mmcv.transforms import LoadAnnotations, LoadImageFromFile

    _name_file(LoadImageFromFile, 'img_path')
    _name_file(LoadAnnotations, 'seg_map_path')
    after_import('mmaction.datasets.transforms.loading', _name_frame)


def _name_file(loader: Any, key: str) -> None:
    import cv2

    load = loader.transform
    if hasattr(load, '__wrapped__'):
        return

    @wraps(load)
    def transform(self: Any, results: dict) -> dict | None:
        try:
            return load(self, results)
        except (cv2.error, OSError) as error:
            if getattr(error, 'filename', None) or key not in results:
                raise
            raise OSError(f'failed to load image: {results[key]}') from error

    loader.transform = transform


def _name_frame(loading: ModuleType) -> None:
    import cv2

    loader = loading.RawFrameDecode
    load = loader.transform
    if hasattr(load, '__wrapped__'):
        return

    @wraps(load)
    def transform(self: Any, results: dict) -> dict:
        try:
            return load(self, results)
        except cv2.error as error:
            frame = _unreadable_frame(results)
            raise OSError(f'failed to load image: {frame}') from error

    loader.transform = transform


def _unreadable_frame(results: dict) -> Path:
    """The first frame of a clip that is no picture, or else its folder."""
    import cv2

    folder = Path(results['frame_dir'])
    for index in results['frame_inds'].ravel():
        number = index + results.get('offset', 0)
        frame = folder / results['filename_tmpl'].format(number)
        if cv2.imread(str(frame)) is None:
            return frame
    return folder
