"""What a model gets of an input: for looking inside it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from mmengine.dataset import pseudo_collate
from torch import Tensor, nn

from mmuniformer.checkpoint.form import backbones_of
from mmuniformer.errors import UserError
from mmuniformer.prediction.predictor import Predictor
from mmuniformer.prediction.reading import Item
from mmuniformer.visualization.places import in_pixels


@dataclass(frozen=True, eq=False)
class View:
    """One image or clip as it goes into the network.

    Attributes:
        inputs (Tensor): (1, C, H, W), of a video (1, C, T, H, W): normalised
            and padded, on the device of the model.
        samples (list): The library's data samples.
        pictures (np.ndarray): (T, h, w, 3), RGB, uint8, before that; T is 1
            for an image. Padding is at the right and at the bottom.
    """

    inputs: Tensor
    samples: list[Any]
    pictures: np.ndarray

    @property
    def covered(self) -> tuple[float, float]:
        """Which share of height and width is no padding."""
        height, width = self.inputs.shape[-2:]
        return (
            min(1.0, self.pictures.shape[1] / height),
            min(1.0, self.pictures.shape[2] / width),
        )

    def on_picture(self, values: np.ndarray, smooth: bool) -> np.ndarray:
        """A map of numbers in the pixels of the picture.

        Args:
            values (np.ndarray): (h, w): it covers all of ``inputs``.
            smooth (bool): Whether there are values between those of places.

        Returns:
            np.ndarray: As high and wide as ``pictures``.
        """
        whole = in_pixels(values, tuple(self.inputs.shape[-2:]), smooth)
        height, width = self.pictures.shape[1:3]
        return whole[:height, :width]

    def without_padding(self, values: np.ndarray) -> np.ndarray:
        """What a map says of the picture, not of its padding.

        Args:
            values (np.ndarray): (..., h, w): it covers all of ``inputs``.

        Returns:
            np.ndarray: The part that covers the picture: at least what is
            whole of it.
        """
        rows, columns = (
            max(1, round(size * share))
            for size, share in zip(
                values.shape[-2:], self.covered, strict=True
            )
        )
        return values[..., :rows, :columns]


def views(predictor: Predictor, item: Item) -> list[View]:
    """What goes through the network for an input.

    Args:
        predictor (Predictor): The model.
        item (Item): An image, a frame or (of a model for actions) a video.

    Returns:
        list[View]: One; of a top-down pose model one for each box; of the
        clips and crops of a video the middle one.

    Raises:
        UserError: If it cannot be read.
    """
    net = predictor.loaded.net
    found = []
    for data in predictor.inputs(predictor.prepare(item)):
        raw = data['inputs']
        batch = pseudo_collate([data])
        with predictor.scope():
            batch = net.data_preprocessor(batch, False)
        inputs = batch['inputs']
        if predictor.takes_videos:
            # (clips and crops, C, T, H, W)
            middle = len(raw) // 2
            raw, inputs = raw[middle], inputs[:, middle]
            if inputs.dim() != 5:
                raise UserError(
                    'the model takes single frames of a video, and no clips'
                )
        pictures = _pictures(np.asarray(raw), predictor.pipeline.is_rgb)
        found.append(View(inputs, batch['data_samples'], pictures))
    return found


def _pictures(raw: np.ndarray, is_rgb: bool) -> np.ndarray:
    """RGB pictures (T, H, W, 3) of (C, H, W) or (C, T, H, W)."""
    if raw.ndim == 3:
        raw = raw[:, None]
    if len(raw) < 3:
        # Grey, with a second channel or without.
        raw = np.repeat(raw[:1], 3, 0)
    pictures = np.moveaxis(raw, 0, -1)[..., :3]
    if not is_rgb:
        pictures = pictures[..., ::-1]
    if pictures.dtype != np.uint8:
        largest = 255 if pictures.max(initial=0) <= 255 else 65535
        pictures = (pictures * (255 / largest)).round()
        pictures = np.clip(pictures, 0, 255).astype(np.uint8)
    return np.ascontiguousarray(pictures)


def backbone_of(predictor: Predictor) -> nn.Module:
    """The backbone of this package in a model.

    Raises:
        UserError: If there is none.
    """
    for _, backbone in backbones_of(predictor.loaded.net):
        return backbone
    raise UserError(
        f'the model has no UniFormer backbone: it is a '
        f'{type(predictor.loaded.net).__name__}'
    )


def stage_maps(
    predictor: Predictor, stages: Sequence[int] | None = None
) -> dict[int, nn.Module]:
    """What gives out the map of each stage of the backbone.

    That is its last block. The map of the last stage may go through LayerNorm
    alone, whose gradient is at right angles to what goes in (their products
    add up to 0 over the channels): then it is that norm.

    Args:
        predictor (Predictor): The model.
        stages (Sequence[int], optional): From 1; all by default.

    Raises:
        UserError: If there is no such stage.
    """
    backbone = backbone_of(predictor)
    last = backbone.num_stages
    for stage in stages or ():
        if not 1 <= stage <= last:
            raise UserError(
                f'--stage {stage}: the backbone has the stages 1 to {last}'
            )
    found = {
        stage: getattr(backbone, f'blocks{stage}')[-1]
        for stage in stages or range(1, 1 + last)
    }
    norm = getattr(backbone, f'norm{last}', None)
    if last in found and isinstance(norm, nn.LayerNorm):
        found[last] = norm
    return found
