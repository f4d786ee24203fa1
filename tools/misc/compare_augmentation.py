#!/usr/bin/env python
"""Measures how far video augmentation is from the official code's libraries.

The official code augments with Pillow and PyTorch, the configs here with
mmpretrain and mmaction2, on OpenCV. Prints the mean difference in grey values
of 255, for each operation at a few strengths, and that of a crop:

    python tools/misc/compare_augmentation.py IMAGE [IMAGE ...]

Without images, one is made of smooth noise.
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path


def parse_args() -> list[str]:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('images', nargs='*')
    return parser.parse_args().images


if __name__ == '__main__':
    # Before what takes seconds to import: an option may be mistyped.
    paths = parse_args()

import cv2  # noqa: E402
import numpy as np  # noqa: E402
import torch  # noqa: E402
from mmengine import Config  # noqa: E402
from mmengine.registry import TRANSFORMS, DefaultScope  # noqa: E402
from PIL import Image, ImageEnhance, ImageOps  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
CONFIG = (
    'configs/video/uniformer/uniformer-small_imagenet1k-pre_8xb4-16x4x1-110e_'
    'kinetics400-rgb.py'
)
GREY = (128, 128, 128)
STRENGTHS = (3, 7, 10)
# What timm makes of a strength of 0 to 10.
FACTOR = {
    'ColorTransform': ImageEnhance.Color,
    'Contrast': ImageEnhance.Contrast,
    'Brightness': ImageEnhance.Brightness,
    'Sharpness': ImageEnhance.Sharpness,
}
PLAIN = {
    'AutoContrast': ImageOps.autocontrast,
    'Equalize': ImageOps.equalize,
    'Invert': ImageOps.invert,
}


def shifted(picture: Image.Image, matrix: tuple[float, ...]) -> Image.Image:
    return picture.transform(
        picture.size,
        Image.Transform.AFFINE,
        matrix,
        resample=Image.Resampling.BICUBIC,
        fillcolor=GREY,
    )


def solarize_add(picture: Image.Image, added: int) -> Image.Image:
    table = [min(i + added, 255) if i < 128 else i for i in range(256)]
    return picture.point(table * 3)


def with_pillow(operation, strength: float) -> Callable:
    """The operation with Pillow, of the strength and sign that is set."""
    kind = type(operation).__name__
    if kind in PLAIN:
        return PLAIN[kind]
    if kind in FACTOR:
        return lambda p: FACTOR[kind](p).enhance(1 + 0.09 * strength)
    across = getattr(operation, 'direction', None) == 'horizontal'

    def affine(picture: Image.Image) -> Image.Image:
        size = picture.size[0 if across else 1]
        by_kind = {'Shear': 0.03 * strength, 'Translate': 0.045 * strength}
        amount = by_kind[kind] * (size if kind == 'Translate' else 1)
        place = {
            ('Shear', True): 1,
            ('Shear', False): 3,
            ('Translate', True): 2,
            ('Translate', False): 5,
        }[kind, across]
        matrix = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0]
        matrix[place] = amount
        return shifted(picture, tuple(matrix))

    return {
        'Rotate': lambda p: p.rotate(
            3 * strength,
            resample=Image.Resampling.BICUBIC,
            fillcolor=GREY,
        ),
        # Pillow's own, which newer versions refuse to call for no bits.
        'Posterize': lambda p: p.point(
            [i & ~(2 ** (4 + int(0.4 * strength)) - 1) for i in range(256)] * 3
        ),
        'Solarize': lambda p: ImageOps.solarize(p, 256 - int(25.6 * strength)),
        'SolarizeAdd': lambda p: solarize_add(p, int(11 * strength)),
    }.get(kind, affine)


def difference(first: np.ndarray, second: np.ndarray) -> float:
    return float(np.abs(first.astype(float) - second).mean())


def operations() -> Callable:
    """RandAugment's operations of the published recipe, without chance."""
    cfg = Config.fromfile(ROOT / CONFIG)
    node = cfg.train_dataloader.dataset.pipeline[-1].transforms[0]
    with DefaultScope.overwrite_default_scope('mmaction'):
        augment = TRANSFORMS.build(node)
    for operation in augment.randaug.transforms:
        operation.prob = 1.0
        operation.magnitude_std = 0.0
    return augment


def measure(pictures: list[np.ndarray]) -> dict[str, float]:
    """Mean difference in grey values by operation, and of a crop.

    Args:
        pictures (list[np.ndarray]): RGB images (H, W, 3).

    Returns:
        dict[str, float]: The largest one of a few strengths, each a mean over
        images.
    """
    augment, found = operations(), {}
    for index, operation in enumerate(augment.randaug.transforms):
        augment.randaug.random_policy_indices = lambda i=index: [i]
        name = type(operation).__name__
        if hasattr(operation, 'direction'):
            name += f' ({operation.direction})'
        # Left and right, or more and less, are equally likely. Which of them
        # has which sign is not the same in both libraries.
        signs = (1, -1) if operation.random_negative_prob else (1,)
        operation.random_negative_prob = 0.0
        errors = []
        for strength in STRENGTHS:
            operation.magnitude_level = strength
            ours = [augment(dict(imgs=[p]))['imgs'][0] for p in pictures]
            errors.append(
                min(
                    np.mean(
                        [
                            difference(
                                picture,
                                np.asarray(
                                    with_pillow(operation, sign * strength)(
                                        Image.fromarray(original)
                                    )
                                ),
                            )
                            for picture, original in zip(
                                ours, pictures, strict=True
                            )
                        ]
                    )
                    for sign in signs
                )
            )
        found[name] = float(max(errors))
    found['crop to 224 pixels'] = np.mean([crop_error(p) for p in pictures])
    return found


def crop_error(picture: np.ndarray) -> float:
    """Bytes resized by OpenCV, and floats by PyTorch."""
    tensor = torch.from_numpy(picture).permute(2, 0, 1)[None].float()
    theirs = torch.nn.functional.interpolate(
        tensor, size=(224, 224), mode='bilinear', align_corners=False
    )[0].permute(1, 2, 0)
    return difference(cv2.resize(picture, (224, 224)), theirs.numpy())


def smooth_noise() -> np.ndarray:
    """An image of RGB noise (240, 320, 3) without sharp edges."""
    noise = np.random.RandomState(0).rand(30, 40, 3)
    noise = cv2.resize(noise, (320, 240), interpolation=cv2.INTER_CUBIC)
    return (255 * noise.clip(0, 1)).astype(np.uint8)


def main(paths: list[str]) -> None:
    pictures = [
        np.ascontiguousarray(cv2.imread(path)[..., ::-1]) for path in paths
    ] or [smooth_noise()]
    for name, error in measure(pictures).items():
        sys.stdout.write(f'{name:28s} {error:6.2f}\n')


if __name__ == '__main__':
    main(paths)
