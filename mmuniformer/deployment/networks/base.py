"""What every network has that leaves the training stack."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmuniformer.deployment.pipelines import reads_rgb
from mmuniformer.errors import UserError
from mmuniformer.prediction.models import LoadedModel

# How two outputs are compared: by their largest difference, or by how many
# of them are another class, another place or another object.
VALUES, LABELS, POINTS, OBJECTS = 'values', 'labels', 'points', 'objects'
# The maps that can be had of a model, the last one first.
PARTS = ('neck', 'backbone')


class NotExported(UserError):
    """A model that does not become a file as a whole."""


@dataclass(frozen=True)
class Output:
    """One tensor that a network gives.

    Attributes:
        name (str): Its name in the file.
        axes (tuple[str or int, ...]): What its dimensions are.
        about (str): What it means, for whoever reads the file.
        kind (str): How it is compared: 'values', 'labels', 'points' or
            'objects'.
    """

    name: str
    axes: tuple[str | int, ...]
    about: str
    kind: str = VALUES


class Normalise(nn.Module):
    """Pixels as they come from a file to what the model was trained on.

    Args:
        preprocessor (nn.Module): The host's data preprocessor.
        reversed_channels (bool): Whether the model takes BGR.
        divisor (int): Height and width are padded to multiples of it, at the
            right and at the bottom.
    """

    def __init__(
        self, preprocessor: nn.Module, reversed_channels: bool, divisor: int
    ) -> None:
        super().__init__()
        self.reversed_channels = reversed_channels
        self.divisor = divisor
        self.pad_value = float(
            getattr(preprocessor, 'pad_value', None)
            or getattr(preprocessor, 'pad_val', None)
            or 0
        )
        for name in ('mean', 'std'):
            value = getattr(preprocessor, name, None)
            if value is not None:
                value = value.detach().float().flatten()
            self.register_buffer(name, value, persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Normalises.

        Args:
            images (Tensor): (B, H, W, C) or clips (B, T, H, W, C), RGB, 0 to
                255.

        Returns:
            Tensor: (B, C, H, W) or (B, C, T, H, W) in float32.
        """
        x = images.float()
        if self.reversed_channels:
            x = x[..., [2, 1, 0]]
        if self.mean is not None:
            x = (x - self.mean) / self.std
        x = x.movedim(-1, 1)
        if self.divisor > 1:
            bottom, right = (-size % self.divisor for size in x.shape[-2:])
            x = F.pad(x, (0, right, 0, bottom), value=self.pad_value)
        return x


class Network(nn.Module):
    """A model from pixels to results, with nothing of its host around it.

    A subclass has :meth:`results`, which computes ``outputs`` from normalised
    images.

    Args:
        loaded (LoadedModel): The model.

    Attributes:
        task (str): What it is for.
        outputs (tuple[Output, ...]): What it gives, in order.
        dtype (torch.dtype): Of the model's weights and maps. Pixels are
            normalised, and results are given out, in float32.
        smallest (int): Least height and width at which it is traced: two
            pixels of the coarsest map.
        least (int): Least height and width of images: one pixel of the
            backbone's coarsest map.
    """

    smallest, least = 64, 32
    task: str
    outputs: tuple[Output, ...]

    def __init__(self, loaded: LoadedModel) -> None:
        super().__init__()
        preprocessor = loaded.net.data_preprocessor
        self.normalise = Normalise(
            preprocessor, takes_bgr(loaded), padding_of(preprocessor)
        )
        self.net = loaded.net
        self.dtype = torch.float32
        self.eval()

    def to_dtype(self, dtype: torch.dtype) -> 'Network':
        """Brings the model's weights and maps to another type."""
        self.net.to(dtype)
        self.dtype = dtype
        return self

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Computes ``outputs``.

        Args:
            images (Tensor): (B, H, W, C), or clips (B, T, H, W, C).
        """
        x = self.normalise(images).to(self.dtype)
        height, width = images.shape[-3:-1]
        return tuple(
            out.float() if out.is_floating_point() else out
            for out in self.results(x, (height, width))
        )

    def results(self, x: Tensor, size: tuple[int, int]) -> Sequence[Tensor]:
        """Computes ``outputs`` from what the model takes.

        Args:
            x (Tensor): Normalised images (B, C, H, W), or clips (B, C, T, H,
                W).
            size (tuple[int, int]): Height and width of the images before
                they were padded.
        """
        raise NotImplementedError

    def facts(self) -> dict[str, Any]:
        """What is special of the network, for the description in the file."""
        return {}


def parts_of(net: nn.Module) -> list[str]:
    """Which of ``PARTS`` a model has."""
    return [part for part in PARTS if getattr(net, part, None) is not None]


def way_out(net: nn.Module) -> str:
    """What can be had of a model that is not exported whole."""
    parts = parts_of(net)
    if not parts:
        return 'it has no backbone of which --part would export the maps'
    return f'--part {parts[0]} exports the maps that come before its head'


def takes_bgr(loaded: LoadedModel) -> bool:
    """Whether a model of three channels was trained on BGR."""
    preprocessor = loaded.net.data_preprocessor
    names = ('_channel_conversion', 'channel_conversion', 'to_rgb')
    turned = any(getattr(preprocessor, name, False) for name in names)
    read_as_rgb = reads_rgb(loaded.library, loaded.pipeline)
    return channels_of(loaded) == 3 and read_as_rgb == turned


def channels_of(loaded: LoadedModel) -> int:
    """Channels of the images that a model takes."""
    for module in loaded.net.modules():
        if isinstance(module, nn.Conv2d | nn.Conv3d):
            return module.in_channels
    return 3


def padding_of(preprocessor: nn.Module) -> int:
    """What height and width become multiples of in a test."""
    test_cfg = getattr(preprocessor, 'test_cfg', None) or {}
    return int(
        getattr(preprocessor, 'pad_size_divisor', None)
        or test_cfg.get('size_divisor')
        or 1
    )
