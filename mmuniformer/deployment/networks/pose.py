"""Top-down pose: heatmaps, and the keypoints in them."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmuniformer.deployment.networks.base import (
    POINTS,
    Network,
    NotExported,
    Output,
)
from mmuniformer.errors import UserError
from mmuniformer.prediction.models import LoadedModel


class Pose(Network):
    """A ``TopdownPoseEstimator`` of mmpose with heatmaps, to keypoints.

    With ``flip_test`` in the model's ``test_cfg`` the heatmaps are the mean
    of those of the crop and of the mirrored crop, as in the host's test.

    Args:
        loaded (LoadedModel): The model.

    Raises:
        UserError: If its heatmaps are of another codec, or it gives some of
            its keypoints.
    """

    task = 'pose'
    outputs = (
        Output(
            'heatmaps',
            ('batch', 'keypoints', 'height/stride', 'width/stride'),
            'value of each keypoint at each place',
        ),
        Output(
            'keypoints',
            ('batch', 'keypoints', 2),
            'x and y in pixels of the input',
            POINTS,
        ),
        Output(
            'scores',
            ('batch', 'keypoints'),
            'largest value of each heatmap, 0 to about 1',
        ),
    )

    def __init__(self, loaded: LoadedModel) -> None:
        super().__init__(loaded)
        test_cfg = loaded.net.test_cfg or {}
        self.decode = decoder_of(loaded.net.head.decoder)
        self.flips = bool(test_cfg.get('flip_test', False))
        self.shifts = bool(test_cfg.get('shift_heatmap', False))
        mode = test_cfg.get('flip_mode', 'heatmap')
        if self.flips and mode != 'heatmap':
            raise UserError(
                f"flip_mode='{mode}' is not exported; --cfg-options "
                'model.test_cfg.flip_test=False exports without flipping'
            )
        if test_cfg.get('output_keypoint_indices') is not None:
            raise UserError(
                'output_keypoint_indices is not exported; --cfg-options '
                'model.test_cfg.output_keypoint_indices=None exports all '
                'keypoints of the model'
            )
        self.mirrored = [int(i) for i in loaded.metainfo['flip_indices']]

    def results(self, x: Tensor, size: tuple[int, int]) -> Sequence[Tensor]:
        """Computes heatmaps, keypoints and scores."""
        heatmaps = self._heatmaps(x)
        if self.flips:
            flipped = self._heatmaps(x.flip(-1)).flip(-1)[:, self.mirrored]
            if self.shifts:
                flipped = torch.cat(
                    (flipped[..., :1], flipped[..., :-1]), dim=-1
                )
            heatmaps = (heatmaps + flipped) * 0.5
        heatmaps = heatmaps.float()
        return heatmaps, *self.decode(heatmaps)

    def _heatmaps(self, x: Tensor) -> Tensor:
        return self.net.head(self.net.extract_feat(x))

    def facts(self) -> dict[str, Any]:
        """Whether the file flips by itself."""
        return dict(flip_test=self.flips)


def decoder_of(codec: Any) -> nn.Module:
    """What finds keypoints in heatmaps as a codec of mmpose does.

    Raises:
        NotExported: If it is not known how.
    """
    name = type(codec).__name__
    if name == 'MSRAHeatmap':
        sides = [float(factor) for factor in codec.scale_factor]
        if codec.unbiased:
            return UnbiasedDecoder(sides, codec.blur_kernel_size)
        return ShiftDecoder(sides)
    raise NotExported(f'the codec {name} is not exported, MSRAHeatmap is')


class Decoder(nn.Module):
    """The place of the largest value of a heatmap, and what moves it.

    Args:
        sides (Sequence[float]): Width and height of a pixel of the heatmap,
            in pixels of the input.
    """

    def __init__(self, sides: Sequence[float]) -> None:
        super().__init__()
        self.register_buffer('sides', torch.tensor(sides), persistent=False)

    def forward(self, heatmaps: Tensor) -> tuple[Tensor, Tensor]:
        """Finds keypoints.

        Args:
            heatmaps (Tensor): (B, K, H, W).

        Returns:
            tuple[Tensor, Tensor]: Their x and y in pixels of the input (B, K,
            2), and the largest values (B, K). Where nothing is above 0, the
            place is -1 pixel of the heatmap.
        """
        scores, index = heatmaps.flatten(2).max(2)
        # A tensor: exporters know no integers that depend on the size.
        width = torch.full_like(index, heatmaps.shape[3])
        x, y = index % width, index // width
        points = torch.stack((x, y), -1).float()
        moved = points + self.offsets(heatmaps, x, y)
        found = (scores > 0).unsqueeze(-1)
        return torch.where(found, moved, -1.0) * self.sides, scores

    def offsets(self, heatmaps: Tensor, x: Tensor, y: Tensor) -> Tensor:
        """What is added to the places (B, K, 2), in pixels of the heatmap."""
        raise NotImplementedError


class ShiftDecoder(Decoder):
    """A quarter of a pixel towards the larger neighbour."""

    def offsets(self, heatmaps: Tensor, x: Tensor, y: Tensor) -> Tensor:
        """See :class:`Decoder`."""
        height, width = heatmaps.shape[2:]
        dx = _at(heatmaps, x + 1, y) - _at(heatmaps, x - 1, y)
        dy = _at(heatmaps, x, y + 1) - _at(heatmaps, x, y - 1)
        # As mmpose has it, which leaves out one more column and row.
        by_x = (x > 1) & (x < width - 1) & (y > 0)
        by_y = (y > 1) & (y < height - 1) & (x > 0)
        return 0.25 * torch.stack((dx.sign() * by_x, dy.sign() * by_y), -1)


class UnbiasedDecoder(Decoder):
    """The maximum of a second-order expansion (DARK pose).

    Args:
        sides (Sequence[float]): See :class:`Decoder`.
        kernel_size (int): Side of the Gaussian that smooths the heatmaps.
    """

    def __init__(self, sides: Sequence[float], kernel_size: int) -> None:
        super().__init__(sides)
        self.border = kernel_size // 2
        # OpenCV's sigma of a kernel.
        sigma = 0.3 * ((kernel_size - 1) * 0.5 - 1) + 0.8
        kernel = torch.tensor(
            [
                math.exp(-((place - self.border) ** 2) / (2 * sigma**2))
                for place in range(kernel_size)
            ]
        )
        self.register_buffer('kernel', kernel / kernel.sum(), persistent=False)

    def offsets(self, heatmaps: Tensor, x: Tensor, y: Tensor) -> Tensor:
        """See :class:`Decoder`."""
        height, width = heatmaps.shape[2:]
        logs = self._smooth(heatmaps).clamp_min(1e-10).log()

        def at(right: int, down: int) -> Tensor:
            return _at(logs, x + right, y + down)

        dx = 0.5 * (at(1, 0) - at(-1, 0))
        dy = 0.5 * (at(0, 1) - at(0, -1))
        dxx = 0.25 * (at(2, 0) - 2 * at(0, 0) + at(-2, 0))
        dyy = 0.25 * (at(0, 2) - 2 * at(0, 0) + at(0, -2))
        dxy = 0.25 * (at(1, 1) - at(1, -1) - at(-1, 1) + at(-1, -1))
        inside = (x > 1) & (x < width - 2) & (y > 1) & (y < height - 2)
        determinant = dxx * dyy - dxy**2
        solved = inside & (determinant != 0)
        determinant = torch.where(solved, determinant, 1.0)
        right = (dxy * dy - dyy * dx) / determinant
        down = (dxy * dx - dxx * dy) / determinant
        offsets = torch.stack((right, down), -1)
        return torch.where(solved.unsqueeze(-1), offsets, 0.0)

    def _smooth(self, heatmaps: Tensor) -> Tensor:
        """By a Gaussian, to the same largest value."""
        maps = heatmaps.flatten(0, 1).unsqueeze(1)
        column = self.kernel.reshape(1, 1, -1, 1)
        row = self.kernel.reshape(1, 1, 1, -1)
        maps = F.conv2d(maps, column, padding=(self.border, 0))
        maps = F.conv2d(maps, row, padding=(0, self.border))
        maps = maps.squeeze(1).unflatten(0, heatmaps.shape[:2])
        before = heatmaps.amax((2, 3), keepdim=True)
        return maps * (before / maps.amax((2, 3), keepdim=True))


def _at(heatmaps: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Values (B, K) of maps (B, K, H, W) at places, or at their border."""
    height, width = heatmaps.shape[2:]
    x = torch.clamp(x, min=0).minimum(torch.full_like(x, width - 1))
    y = torch.clamp(y, min=0).minimum(torch.full_like(y, height - 1))
    index = (y * width + x).unsqueeze(-1)
    return heatmaps.flatten(2).gather(2, index).squeeze(-1)
