"""RandAugment and AutoAugment as timm has them, for token labels too.

mmpretrain has the same operations on OpenCV. These are on Pillow, as those of
the official training, and move label maps with their images.
"""

from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

from mmuniformer.datasets.affine import MOVES, move_label_map, move_picture
from mmuniformer.registry import TRANSFORMS

# Magnitudes are from 0 to this.
MAX_LEVEL = 10.0
RESAMPLING = {
    'bilinear': (Image.Resampling.BILINEAR,),
    'bicubic': (Image.Resampling.BICUBIC,),
    'random': (Image.Resampling.BILINEAR, Image.Resampling.BICUBIC),
}
IMAGENET_MEAN = (124, 116, 104)
# What is added is for pixels below this.
SOLARIZE_ADD_BELOW = 128


def solarize_add(picture: Image.Image, added: int) -> Image.Image:
    """Brightens the dark pixels of an RGB picture."""
    table = [
        min(value + added, 255) if value < SOLARIZE_ADD_BELOW else value
        for value in range(256)
    ]
    return picture.point(table * 3)


def posterize(picture: Image.Image, bits: int) -> Image.Image:
    """Keeps the highest bits of an RGB picture; without any it is black.

    The policies ask for that now and then, and newer versions of Pillow
    refuse it.
    """
    mask = 256 - (256 >> bits)
    return picture.point([value & mask for value in range(256)] * 3)


def enhance(
    kind: type[ImageEnhance._Enhance],
) -> Callable[[Image.Image, float], Image.Image]:
    """One of Pillow's enhancements as a function."""
    return lambda picture, factor: kind(picture).enhance(factor)


# Operations on colours by name, with their argument.
COLOURS: dict[str, Callable] = {
    'AutoContrast': lambda picture, _: ImageOps.autocontrast(picture),
    'Equalize': lambda picture, _: ImageOps.equalize(picture),
    'Invert': lambda picture, _: ImageOps.invert(picture),
    'Posterize': posterize,
    'Solarize': ImageOps.solarize,
    'SolarizeAdd': solarize_add,
    'Color': enhance(ImageEnhance.Color),
    'Contrast': enhance(ImageEnhance.Contrast),
    'Brightness': enhance(ImageEnhance.Brightness),
    'Sharpness': enhance(ImageEnhance.Sharpness),
}


def either_sign(value: float) -> float:
    """A value, or its negative as often."""
    return -value if np.random.rand() > 0.5 else value


# Arguments of operations for a share (0 to 1) of the greatest magnitude.
ARGUMENTS: dict[str, Callable[[float], float]] = {
    'Rotate': lambda share: either_sign(share * 30),
    'ShearX': lambda share: either_sign(share * 0.3),
    'ShearY': lambda share: either_sign(share * 0.3),
    'TranslateX': lambda share: either_sign(share * 0.45),
    'TranslateY': lambda share: either_sign(share * 0.45),
    'SolarizeAdd': lambda share: int(share * 110),
}
FACTORS = ('Color', 'Contrast', 'Brightness', 'Sharpness')
# A greater magnitude does more ...
INCREASING = ARGUMENTS | {
    'Posterize': lambda share: 4 - int(share * 4),
    'Solarize': lambda share: 256 - int(share * 256),
    **dict.fromkeys(FACTORS, lambda share: 1 + either_sign(share * 0.9)),
}
# ... or, in the policy v0, some do less, and others go from dull to vivid.
PLAIN = ARGUMENTS | {
    'Posterize': lambda share: int(share * 4),
    'Solarize': lambda share: int(share * 256),
    **dict.fromkeys(FACTORS, lambda share: share * 1.8 + 0.1),
}
NAMES = (*COLOURS, *MOVES)

# Of EfficientNet on TPU: two operations each, with their probability and
# magnitude.
POLICY_V0 = (
    (('Equalize', 0.8, 1), ('ShearY', 0.8, 4)),
    (('Color', 0.4, 9), ('Equalize', 0.6, 3)),
    (('Color', 0.4, 1), ('Rotate', 0.6, 8)),
    (('Solarize', 0.8, 3), ('Equalize', 0.4, 7)),
    (('Solarize', 0.4, 2), ('Solarize', 0.6, 2)),
    (('Color', 0.2, 0), ('Equalize', 0.8, 8)),
    (('Equalize', 0.4, 8), ('SolarizeAdd', 0.8, 3)),
    (('ShearX', 0.2, 9), ('Rotate', 0.6, 8)),
    (('Color', 0.6, 1), ('Equalize', 1.0, 2)),
    (('Invert', 0.4, 9), ('Rotate', 0.6, 0)),
    (('Equalize', 1.0, 9), ('ShearY', 0.6, 3)),
    (('Color', 0.4, 7), ('Equalize', 0.6, 0)),
    (('Posterize', 0.4, 6), ('AutoContrast', 0.4, 7)),
    (('Solarize', 0.6, 8), ('Color', 0.6, 9)),
    (('Solarize', 0.2, 4), ('Rotate', 0.8, 9)),
    (('Rotate', 1.0, 7), ('TranslateY', 0.8, 9)),
    (('ShearX', 0.0, 0), ('Solarize', 0.8, 4)),
    (('ShearY', 0.8, 0), ('Color', 0.6, 4)),
    (('Color', 1.0, 0), ('Rotate', 0.6, 2)),
    (('Equalize', 0.8, 4), ('Equalize', 0.0, 8)),
    (('Equalize', 1.0, 4), ('AutoContrast', 0.6, 2)),
    (('ShearY', 0.4, 7), ('SolarizeAdd', 0.6, 7)),
    (('Posterize', 0.8, 2), ('Solarize', 0.6, 10)),
    (('Solarize', 0.6, 8), ('Equalize', 0.6, 1)),
    (('Color', 0.8, 6), ('Rotate', 0.4, 5)),
)


class TimmAugment:
    """What both share: drawing operations is up to subclasses.

    Args:
        interpolation (str): 'bicubic', 'bilinear', or 'random' for either,
            drawn for each operation.
        fill (Sequence[int]): Colour (RGB) of what was outside of the image.

    Raises:
        ValueError: If the interpolation is none of these.
    """

    arguments: dict[str, Callable[[float], float]]

    def __init__(self, interpolation: str, fill: Sequence[int]) -> None:
        if interpolation not in RESAMPLING:
            raise ValueError(
                f'interpolation must be one of {sorted(RESAMPLING)}, but it '
                f'is {interpolation!r}'
            )
        self.interpolation = interpolation
        self.fill = tuple(fill)

    def draw(self) -> list[tuple[str, float]]:
        """Draws operations and their magnitudes from 0 to 10, in order."""
        raise NotImplementedError

    def __call__(self, results: dict) -> dict:
        """Augments ``img``, in BGR, and ``token_label`` where there is one."""
        picture = Image.fromarray(results['img'][..., ::-1])
        for name, level in self.draw():
            make_argument = self.arguments.get(name)
            share = min(max(level, 0.0), MAX_LEVEL) / MAX_LEVEL
            argument = make_argument(share) if make_argument else None
            if name not in MOVES:
                picture = COLOURS[name](picture, argument)
                continue
            choices = RESAMPLING[self.interpolation]
            resample = choices[np.random.randint(len(choices))]
            picture = move_picture(
                picture, name, argument, resample, self.fill
            )
            if 'token_label' in results:
                results['token_label'] = move_label_map(
                    results['token_label'], name, argument
                )
        results['img'] = np.ascontiguousarray(np.asarray(picture)[..., ::-1])
        return results


@TRANSFORMS.register_module()
class TimmRandAugment(TimmAugment):
    """RandAugment with timm's increasing operations.

    The defaults are ``rand-m9-mstd0.5-inc1``: two of 15 operations, the same
    one twice being possible, each of them used every other time.

    Args:
        magnitude (float): Mean magnitude, from 0 to 10.
        magnitude_std (float): Its standard deviation.
        num_ops (int): Number of operations that are drawn.
        prob (float): How often an operation that is drawn is used.
        interpolation (str): See :class:`TimmAugment`.
        fill (Sequence[int]): See :class:`TimmAugment`.
    """

    arguments = INCREASING

    def __init__(
        self,
        magnitude: float = 9,
        magnitude_std: float = 0.5,
        num_ops: int = 2,
        prob: float = 0.5,
        interpolation: str = 'bicubic',
        fill: Sequence[int] = IMAGENET_MEAN,
    ) -> None:
        super().__init__(interpolation, fill)
        self.magnitude = magnitude
        self.magnitude_std = magnitude_std
        self.num_ops = num_ops
        self.prob = prob

    def draw(self) -> list[tuple[str, float]]:
        return [
            (
                NAMES[index],
                np.random.normal(self.magnitude, self.magnitude_std),
            )
            for index in np.random.randint(len(NAMES), size=self.num_ops)
            if np.random.rand() < self.prob
        ]

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}(magnitude={self.magnitude}, '
            f'magnitude_std={self.magnitude_std}, num_ops={self.num_ops}, '
            f'prob={self.prob}, interpolation={self.interpolation!r}, '
            f'fill={self.fill})'
        )


@TRANSFORMS.register_module()
class TimmAutoAugment(TimmAugment):
    """AutoAugment with timm's policy ``v0``, which is not the paper's.

    Args:
        interpolation (str): See :class:`TimmAugment`.
        fill (Sequence[int]): See :class:`TimmAugment`.
    """

    arguments = PLAIN

    def __init__(
        self,
        interpolation: str = 'bicubic',
        fill: Sequence[int] = IMAGENET_MEAN,
    ) -> None:
        super().__init__(interpolation, fill)

    def draw(self) -> list[tuple[str, float]]:
        policy = POLICY_V0[np.random.randint(len(POLICY_V0))]
        return [
            (name, level)
            for name, prob, level in policy
            if np.random.rand() < prob
        ]

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}(interpolation={self.interpolation!r}, '
            f'fill={self.fill})'
        )
