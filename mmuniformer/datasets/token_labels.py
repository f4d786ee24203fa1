"""Label maps of token labeling, beside the images that they are of."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from mmuniformer.checks.finding import stop_on_errors
from mmuniformer.checks.token_labels import (
    MAKER,
    check_token_label,
    token_label_path,
)
from mmuniformer.datasets.timm_augment import RESAMPLING
from mmuniformer.errors import UserError
from mmuniformer.registry import TRANSFORMS


@TRANSFORMS.register_module()
class LoadTokenLabel:
    """Reads the label map of an image.

    After ``LoadImageFromFile`` in a pipeline of mmpretrain, before anything
    that changes the image. Adds ``token_label``, a float32 array (2, k, h, w):
    scores, then classes.

    Args:
        label_root (str): Folder of the label maps; see
            :func:`token_label_path`.
        num_classes (int, optional): Number of classes, to be checked.
    """

    def __init__(
        self, label_root: str, num_classes: int | None = None
    ) -> None:
        self.label_root = label_root
        self.num_classes = num_classes

    def __call__(self, results: dict) -> dict:
        """Adds the label map of ``img_path``.

        Raises:
            UserError: If it is missing, or no label map.
        """
        path = token_label_path(self.label_root, results['img_path'])
        label_map = read_token_label(path, results['img_path'])
        stop_on_errors(
            check_token_label(label_map, str(path), self.num_classes)
        )
        results['token_label'] = label_map.detach().float().numpy()
        return results

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}(label_root={self.label_root!r}, '
            f'num_classes={self.num_classes})'
        )


def read_token_label(path: Path, img_path: str) -> object:
    """What the file of a label map holds; no code of it is run.

    Args:
        path (Path): The file.
        img_path (str): The image that it is of, for the message.

    Raises:
        UserError: If it is missing or cannot be read.
    """
    try:
        return torch.load(path, map_location='cpu', weights_only=True)
    except FileNotFoundError:
        raise UserError(
            f'{img_path} has no label map: {path} does not exist; {MAKER}'
        ) from None
    # Other bytes fail the unpickler in any way.
    except Exception as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(
            f'label map {path} cannot be read: {reason}'
        ) from error


@TRANSFORMS.register_module()
class TokenLabelFlip:
    """Flips an image and its label map, left to right.

    Args:
        prob (float): How often.
    """

    def __init__(self, prob: float = 0.5) -> None:
        self.prob = prob

    def __call__(self, results: dict) -> dict:
        """Flips ``img`` and ``token_label``."""
        results['flip'] = np.random.rand() < self.prob
        if results['flip']:
            results['flip_direction'] = 'horizontal'
            results['img'] = np.ascontiguousarray(results['img'][:, ::-1])
            results['token_label'] = results['token_label'][..., ::-1].copy()
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}(prob={self.prob})'


@TRANSFORMS.register_module()
class TokenLabelCrop:
    """A random crop of an image, resized, whose place goes with it.

    The label map stays that of the whole image. Adds ``token_crop``, an array
    (4,): top, left, height and width of the crop, in shares of the image.

    Args:
        scale (int): Side of the result, in pixels.
        crop_ratio_range (Sequence[float]): Range of the crop's share of the
            image.
        aspect_ratio_range (Sequence[float]): Range of its width over its
            height.
        interpolation (str): 'bicubic', 'bilinear', or 'random' for either.

    Raises:
        ValueError: If the interpolation is none of these.
    """

    def __init__(
        self,
        scale: int,
        crop_ratio_range: Sequence[float] = (0.08, 1.0),
        aspect_ratio_range: Sequence[float] = (3 / 4, 4 / 3),
        interpolation: str = 'random',
    ) -> None:
        if interpolation not in RESAMPLING:
            raise ValueError(
                f'interpolation must be one of {sorted(RESAMPLING)}, but it '
                f'is {interpolation!r}'
            )
        self.scale = scale
        self.crop_ratio_range = tuple(crop_ratio_range)
        self.aspect_ratio_range = tuple(aspect_ratio_range)
        self.interpolation = interpolation

    def __call__(self, results: dict) -> dict:
        """Crops ``img`` and adds the place."""
        # torchvision comes with the host library alone.
        from torchvision.transforms import RandomResizedCrop

        picture = Image.fromarray(results['img'])
        top, left, height, width = RandomResizedCrop.get_params(
            picture, self.crop_ratio_range, self.aspect_ratio_range
        )
        choices = RESAMPLING[self.interpolation]
        picture = picture.crop((left, top, left + width, top + height)).resize(
            (self.scale, self.scale), choices[np.random.randint(len(choices))]
        )
        rows, columns = results['img'].shape[:2]
        results['token_crop'] = np.array(
            [top / rows, left / columns, height / rows, width / columns],
            np.float32,
        )
        results['img'] = np.array(picture)
        results['img_shape'] = results['img'].shape[:2]
        return results

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}(scale={self.scale}, '
            f'crop_ratio_range={self.crop_ratio_range}, '
            f'aspect_ratio_range={self.aspect_ratio_range}, '
            f'interpolation={self.interpolation!r})'
        )
