"""The file name in the error about an image that cannot be decoded."""

from functools import wraps
from importlib.util import find_spec
from typing import Any


def name_unreadable_images() -> None:
    """Makes mmcv's loaders say which file they could not decode.

    The decoders see bytes: OpenCV's error about an empty file and Pillow's
    about a damaged one name no file, and the loaders pass them on as they
    are.
    """
    if find_spec('mmcv') is None:
        return
    from mmcv.transforms import LoadAnnotations, LoadImageFromFile

    _name_file(LoadImageFromFile, 'img_path')
    _name_file(LoadAnnotations, 'seg_map_path')


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
