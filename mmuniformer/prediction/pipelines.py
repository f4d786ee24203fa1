"""The test pipeline of a model, for a file or an image in memory."""

import copy
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from mmengine.registry import TRANSFORMS, DefaultScope

from mmuniformer.errors import UnreadableVideo, UserError
from mmuniformer.nodes import type_name
from mmuniformer.prediction.sources import UNREAD

# What libraries raise at an image that they can do nothing with.
REFUSALS = (AssertionError, ValueError, ZeroDivisionError, cv2.error)


class Loaded(NamedTuple):
    """An input after its reader.

    Attributes:
        results (dict): What the transforms pass on.
        image (np.ndarray, optional): (H, W, 3), BGR, uint8, to draw on; None
            of a video.
    """

    results: dict[str, Any]
    image: np.ndarray | None


class UnreadableImage(UserError):
    """A file that is missing, damaged or no image."""


class Pipeline:
    """Transforms whose first one reads.

    Args:
        library (str): A key of ``HOSTS``.
        nodes (Sequence[dict]): Settings of the transforms.

    Raises:
        UserError: If they do not begin with a reader of images or videos.
    """

    def __init__(self, library: str, nodes: Sequence[dict]) -> None:
        self.library = library
        self.is_video = library == 'mmaction'
        name = type_name(nodes[0])
        if self.is_video:
            # They name a video that they cannot read.
            from mmuniformer.datasets.video_readers import with_names

            nodes = with_names(list(nodes))
        reads = name.endswith('Init') if self.is_video else 'LoadImage' in name
        if not reads:
            what = 'videos' if self.is_video else 'images'
            raise UserError(
                f'the test pipeline begins with {name}, which reads no files '
                f'of {what}'
            )
        self._settings = nodes[0]
        with DefaultScope.overwrite_default_scope(library):
            self._transforms = [TRANSFORMS.build(node) for node in nodes]
        # Transforms keep notes: each thread has its own.
        self._local = threading.local()

    @property
    def is_rgb(self) -> bool:
        """Whether what it gives the model is RGB, and not BGR."""
        # Decoders of videos give RGB.
        is_rgb = self._settings.get('channel_order') == 'rgb'
        return self.is_video or is_rgb

    def load(
        self, place: str, image: np.ndarray | None = None, named: str = ''
    ) -> Loaded:
        """Reads an image by the first transform, or opens a video.

        Args:
            place (str): The file.
            image (np.ndarray, optional): (H, W, 3), BGR, instead of reading.
            named (str): What the user calls the file.

        Raises:
            UnreadableImage: If there is no image in the file.
            UnreadableVideo: If there is no video in it.
        """
        named = named or place
        if self.is_video:
            results = dict(
                filename=place, label=-1, start_index=0, modality='RGB'
            )
            return Loaded(self._read(results, named), None)
        if image is None:
            results = self._read(dict(img_path=place, img_id=0), named)
        else:
            results = dict(img_path=place or named, img_id=0)
            results.update(self._as_loaded(image))
        return Loaded(results, self._shown(results['img']))

    def finish(
        self, results: Mapping[str, Any], named: str = ''
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Runs what comes after the reader.

        Args:
            results (Mapping): From :meth:`load`; they are not changed.
            named (str): What the user calls the file.

        Returns:
            tuple[dict, dict]: What the model takes, and what there was before
            it was packed.

        Raises:
            UnreadableImage: If a transform cannot be done with the image: one
                of three rows has none left when it is made smaller.
            UnreadableVideo: If the video cannot be decoded.
        """
        results = dict(results)
        for transform in self._own_transforms()[1:]:
            before = results
            try:
                results = transform(results)
            except UnreadableVideo as error:
                raise UnreadableVideo(
                    str(error).replace(results['filename'], named)
                ) from error
            except REFUSALS as error:
                height, width = results.get('img_shape', (0, 0))[:2]
                raise UnreadableImage(
                    f'{named}, of {width} x {height} pixels, does not pass '
                    f'{type(transform).__name__} of the test pipeline: '
                    f'{" ".join(str(error).split())}'
                ) from error
        return results, before

    def _own_transforms(self) -> list:
        if not hasattr(self._local, 'transforms'):
            self._local.transforms = copy.deepcopy(self._transforms)
        return self._local.transforms

    def _read(self, results: dict, named: str) -> dict:
        reader = self._own_transforms()[0]
        try:
            return reader(results)
        except UnreadableVideo as error:
            raise UnreadableVideo(
                str(error).replace(results['filename'], named)
            ) from error
        except (*REFUSALS, OSError) as error:
            raise UnreadableImage(
                f'cannot read the image {named}: '
                f'{_reason(results["img_path"], error)}'
            ) from error

    def _as_loaded(self, image: np.ndarray) -> dict[str, Any]:
        """An image as the reader would give it."""
        settings = self._settings
        if settings.get('color_type') == 'grayscale':
            image = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
        if settings.get('channel_order') == 'rgb' and image.ndim == 3:
            image = np.ascontiguousarray(image[..., ::-1])
        if settings.get('to_float32'):
            image = image.astype(np.float32)
        shape = image.shape[:2]
        return dict(img=image, img_shape=shape, ori_shape=shape)

    def _shown(self, image: np.ndarray) -> np.ndarray:
        """An image to draw on of one that the reader gave."""
        if image.dtype != np.uint8:
            largest = 255 if image.max(initial=0) <= 255 else 65535
            image = np.clip(image * (255 / largest), 0, 255).astype(np.uint8)
        if image.ndim == 2 or image.shape[2] == 1:
            return cv2.cvtColor(image, cv2.COLOR_GRAY2BGR)
        image = image[..., :3]
        if self._settings.get('channel_order') == 'rgb':
            image = image[..., ::-1]
        return np.ascontiguousarray(image)


def _reason(place: str, error: Exception) -> str:
    path = Path(place)
    if isinstance(error, PermissionError):
        return 'it is not allowed'
    if not path.exists():
        return 'there is no such file'
    if path.is_file() and not path.stat().st_size:
        return 'it is empty'
    if path.suffix.lower() in UNREAD:
        return f'{path.suffix} is not read here; convert it to JPEG or PNG'
    return 'it is damaged or not an image'
