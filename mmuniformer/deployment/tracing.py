"""The graph of a network for inputs of any size."""

from dataclasses import dataclass

import torch
from torch.export import Dim, ExportedProgram

from mmuniformer.deployment.layers import unasked_sizes
from mmuniformer.deployment.networks import Network
from mmuniformer.errors import UserError, first_line


@dataclass(frozen=True)
class Shape:
    """Of the input of a file.

    Attributes:
        size (tuple[int, int]): Height and width.
        channels (int): Of an image.
        frames (int, optional): Of a clip.
        smallest (int): Least height and width; a map of one pixel would be
            traced as no other.
        static (bool): Whether the file takes one image of this size alone.
        dynamic_frames (bool): Whether the number of frames is open, too.
    """

    size: tuple[int, int]
    channels: int = 3
    frames: int | None = None
    smallest: int = 64
    static: bool = False
    dynamic_frames: bool = False

    def of(
        self,
        batch: int,
        size: tuple[int, int],
        frames: int | None = None,
    ) -> tuple[int, ...]:
        """The shape of one input.

        Args:
            batch (int): Images or clips.
            size (tuple[int, int]): Height and width.
            frames (int, optional): Of a clip, instead of ``self.frames``.
        """
        clip = () if self.frames is None else (frames or self.frames,)
        return (batch, *clip, *size, self.channels)


def trace(network: Network, shape: Shape, name: str) -> ExportedProgram:
    """Records what a network computes.

    Args:
        network (Network): On the CPU.
        shape (Shape): Of its input.
        name (str): Of its input.

    Raises:
        UserError: If the size is one that the network cannot take.
    """
    if min(shape.size) < shape.smallest:
        raise UserError(
            f'--size {shape.size[0]} {shape.size[1]}: this model is exported '
            f'for {shape.smallest} pixels or more at each side'
        )
    # One image would be traced as the only one.
    example = shape.of(1 if shape.static else 2, shape.size)
    dtype = torch.uint8 if shape.channels == 3 else torch.float32
    images = torch.zeros(example, dtype=dtype)
    try:
        with torch.no_grad(), unasked_sizes():
            return torch.export.export(
                network,
                (images,),
                dynamic_shapes=None if shape.static else (_dimensions(shape),),
                strict=False,
            )
    except UserError:
        raise
    except Exception as error:
        # Of classes that are not known here anything can be raised.
        told = '' if shape.static else ' for any size (--static is for one)'
        raise UserError(
            f'{type(network.net).__name__} cannot be traced{told}: '
            f'{first_line(error)}'
        ) from error


def _dimensions(shape: Shape) -> dict[int, Dim]:
    height = len(shape.of(1, shape.size)) - 3
    sides = {
        0: Dim('batch', min=1),
        height: Dim('height', min=shape.smallest),
        height + 1: Dim('width', min=shape.smallest),
    }
    if shape.dynamic_frames:
        sides[1] = Dim('frames', min=4)
    return sides
