"""The graph of a network for inputs of any size."""

from dataclasses import dataclass

import torch
from torch.export import Dim, ExportedProgram
from torch.utils._sympy.value_ranges import ValueRanges

from mmuniformer.deployment.layers import unasked_sizes
from mmuniformer.deployment.networks import Network
from mmuniformer.errors import UserError, first_line

# Frames that a clip has at least where it is traced for any number of them.
TRACED_FRAMES = 4


@dataclass(frozen=True)
class Shape:
    """Of the input of a file.

    Attributes:
        size (tuple[int, int]): Height and width.
        channels (int): Of an image.
        frames (int, optional): Of a clip.
        smallest (int): Least height and width at which it is traced; a map of
            one pixel would be traced as no other.
        least (int): Least height and width that a file takes: what is traced
            at a larger size is right for such a map, too.
        static (bool): Whether the file takes one image of this size alone.
        dynamic_frames (bool): Whether the number of frames is open, too.
        fewest (int): Least number of frames that a file takes where it is
            open.
    """

    size: tuple[int, int]
    channels: int = 3
    frames: int | None = None
    smallest: int = 64
    least: int = 32
    static: bool = False
    dynamic_frames: bool = False
    fewest: int = 1

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
    if min(shape.size) < shape.least:
        raise UserError(
            f'--size {shape.size[0]} {shape.size[1]}: this model is exported '
            f'for {shape.least} pixels or more at each side'
        )
    # One image would be traced as the only one.
    size = tuple(max(side, shape.smallest) for side in shape.size)
    frames = shape.frames
    if shape.dynamic_frames:
        frames = max(frames, TRACED_FRAMES)
    example = shape.of(1 if shape.static else 2, size, frames)
    dtype = torch.uint8 if shape.channels == 3 else torch.float32
    images = torch.zeros(example, dtype=dtype)
    try:
        with torch.no_grad(), unasked_sizes():
            program = torch.export.export(
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
    if not shape.static:
        _allow_smaller(program, shape)
    return program


def _allow_smaller(program: ExportedProgram, shape: Shape) -> None:
    """Has a program take images and clips that are smaller than traced."""
    (given,) = program.graph_signature.user_inputs
    (node,) = [one for one in program.graph.nodes if one.name == given]
    traced = node.meta['val'].shape
    smallest = [(size, shape.least) for size in traced[-3:-1]]
    if shape.dynamic_frames:
        smallest.append((traced[1], shape.fewest))
    for size, least in smallest:
        symbol = size.node.expr
        largest = program.range_constraints[symbol].upper
        program.range_constraints[symbol] = ValueRanges(least, largest)
    # What torch has asked of maps of one column, for strides alone.
    guards = getattr(program, '_guards_code', None)
    if guards:
        program._guards_code = [one for one in guards if '!=' not in one]


def _dimensions(shape: Shape) -> dict[int, Dim]:
    height = len(shape.of(1, shape.size)) - 3
    sides = {
        0: Dim('batch', min=1),
        height: Dim('height', min=shape.smallest),
        height + 1: Dim('width', min=shape.smallest),
    }
    if shape.dynamic_frames:
        sides[1] = Dim('frames', min=TRACED_FRAMES)
    return sides
