"""What a token gathers from: one row of the attention of blocks."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from mmuniformer.models.layers import (
    Attention,
    DividedBlock,
    HourglassBlock,
    SelfAttention,
)
from mmuniformer.visualization.places import step_of

Place = tuple[int, ...]


class Query(NamedTuple):
    """A place of the input.

    Attributes:
        x: From its left side to the right one, 0 to 1.
        y: From its upper side to the lower one.
        time: From the start of the clip to its end; 0 for an image.
    """

    x: float
    y: float
    time: float = 0.0

    def token(self, spatial: Sequence[int], pixels: Sequence[int]) -> Place:
        """The place of its token in a map.

        Args:
            spatial (Sequence[int]): Size of the map.
            pixels (Sequence[int]): That of the input: frames may be first.
        """
        shares = (self.time, self.y, self.x)[-len(spatial) :]
        token = [int(shares[0] * spatial[0])] if len(spatial) == 3 else []
        for share, size, number in zip(
            shares[-2:], pixels[-2:], spatial[-2:], strict=True
        ):
            token.append(int(share * size / step_of(size, number)))
        return tuple(
            min(place, number - 1)
            for place, number in zip(token, spatial, strict=True)
        )


@dataclass(frozen=True, eq=False)
class Gathered:
    """What the token of a query gathers from in a block.

    Attributes:
        stage (int): The stage of the block, from 1.
        block (int): Its place in the stage, from 1.
        kind (str): Which tokens it can see, in words.
        weights (np.ndarray): (heads, *spatial): the attention of the token to
            each of the map, 0 for those it cannot see.
        elsewhere (np.ndarray): (heads,): what it has for no token of the map:
            for padding, or a score token. With it the weights sum to 1.
        token (tuple[int, ...]): The place of the query's token.
        window (int, optional): Side of the windows, in tokens.
    """

    stage: int
    block: int
    kind: str
    weights: np.ndarray
    elsewhere: np.ndarray
    token: Place
    window: int | None = None

    @property
    def name(self) -> str:
        """The block in words."""
        return f'stage {self.stage}, block {self.block}'

    @property
    def box(self) -> tuple[int, int, int, int] | None:
        """Its own window: first and last row and column, the last out."""
        if self.window is None:
            return None
        top, left = (i // self.window * self.window for i in self.token)
        height, width = self.weights.shape[1:]
        return (
            top,
            min(top + self.window, height),
            left,
            min(left + self.window, width),
        )


def attending_blocks(backbone: nn.Module) -> dict[str, nn.Module]:
    """The blocks that have attention, by names such as ``3.1``."""
    return {
        f'{stage}.{number}': block
        for stage in range(1, 5)
        for number, block in enumerate(
            getattr(backbone, f'blocks{stage}', ()), 1
        )
        if isinstance(getattr(block, 'attn', None), Attention)
    }


@torch.no_grad()
def gathered(
    backbone: nn.Module, x: Tensor, query: Query, blocks: Sequence[str]
) -> list[Gathered]:
    """Runs a backbone and notes one row of the attention of blocks.

    Only these blocks have their matrix in memory, one after the other.

    Args:
        backbone (nn.Module): Of this package, in eval mode.
        x (Tensor): An image (1, C, H, W) or a clip (1, C, T, H, W).
        query (Query): Whose token gathers.
        blocks (Sequence[str]): Names of :func:`attending_blocks`.

    Returns:
        list[Gathered]: One for each block in the order of the network; a
        block that attends over time and within frames has two.
    """
    noted: list[Gathered] = []
    known = attending_blocks(backbone)
    names = [name for name in known if name in blocks]
    token_in = partial(query.token, pixels=x.shape[2:])
    with _looking({name: known[name] for name in names}, token_in, noted):
        backbone(x)
    return noted


@contextmanager
def _looking(
    blocks: dict[str, nn.Module],
    token_in: Callable[[Sequence[int]], Place],
    noted: list[Gathered],
) -> Iterator[None]:
    looks = [
        _Look(name, block, token_in, noted) for name, block in blocks.items()
    ]
    try:
        yield
    finally:
        for look in looks:
            look.end()


class _Look:
    """Notes what a block attends to while it runs.

    Args:
        name (str): Of the block.
        block (nn.Module): It has one attention or, over time, two.
        token_in (Callable): The place of the token that gathers, in a map of
            a size.
        noted (list[Gathered]): Gets what is noted.
    """

    def __init__(
        self,
        name: str,
        block: nn.Module,
        token_in: Callable[[Sequence[int]], Place],
        noted: list[Gathered],
    ) -> None:
        self.place = tuple(map(int, name.split('.')))
        self.block = block
        self.token_in = token_in
        self.noted = noted
        self.inputs: tuple = ()
        self.window: int | None = None
        rows: list[tuple[Attention, Callable]] = []
        if isinstance(block, HourglassBlock):
            rows = [(block.attn, self._of_kept)]
        elif isinstance(block, DividedBlock):
            rows = [
                (block.t_attn, self._over_time),
                (block.attn, self._within_frame),
            ]
        else:
            rows = [(block.attn, self._of_all)]
        self.forms = [(attn, attn.form) for attn, _ in rows]
        self.handles = [
            block.register_forward_pre_hook(self._enter, with_kwargs=True)
        ]
        for attn, row in rows:
            attn.form = 'explicit'
            self.handles.append(
                attn.weights.register_forward_hook(partial(self._note, row))
            )

    def end(self) -> None:
        """Leaves the block as it was."""
        for handle in self.handles:
            handle.remove()
        for attn, form in self.forms:
            attn.form = form

    def _enter(self, _: nn.Module, args: tuple, kwargs: dict) -> None:
        x, *others = args
        self.inputs = args
        self.spatial = tuple(x.shape[2:])
        self.token = self.token_in(self.spatial)
        self.window = None
        if isinstance(self.block.attn, SelfAttention) and len(x.shape) == 4:
            self.window = others[0] if others else kwargs.get('window_size')

    def _note(
        self, row: Callable, _: nn.Module, inputs: tuple, weights: Tensor
    ) -> None:
        kind, on_map = row(weights)
        on_map = on_map.double().cpu().numpy()
        sums = on_map.sum(tuple(range(1, on_map.ndim)))
        window = self.window
        self.noted.append(
            Gathered(*self.place, kind, on_map, 1 - sums, self.token, window)
        )

    def _of_all(self, weights: Tensor) -> tuple[str, Tensor]:
        if self.window is None:
            row = weights[0, :, _flat(self.token, self.spatial)]
            kind = 'all tokens'
            return kind, self._spread(row, self.spatial)
        p = self.window
        height, width = self.spatial
        (top, left), (y, x) = zip(
            *(divmod(i, p) for i in self.token), strict=True
        )
        row = weights[top * -(-width // p) + left, :, y * p + x]
        padded = row.new_zeros(
            len(row), -(-height // p) * p, -(-width // p) * p
        )
        own = np.s_[:, top * p : top * p + p, left * p : left * p + p]
        padded[own] = self._spread(row, (p, p))
        return f'window of {p} x {p}', padded[:, :height, :width]

    def _spread(self, row: Tensor, spatial: Place) -> Tensor:
        """What is for cells of tokens, in equal parts for their tokens."""
        stride = self.block.attn.kv_stride
        if stride == 1:
            return row.unflatten(1, spatial)
        *frames, height, width = spatial
        cells = row.unflatten(
            1, (*frames, -(-height // stride), -(-width // stride))
        )
        for dim, size in ((-2, height), (-1, width)):
            of_cell = torch.arange(size, device=row.device) // stride
            shares = 1 / of_cell.bincount()[of_cell]
            shape = [-1, 1] if dim == -2 else [-1]
            cells = cells.index_select(dim, of_cell) * shares.view(shape)
        return cells

    def _over_time(self, weights: Tensor) -> tuple[str, Tensor]:
        t, y, x = self.token
        place = y * self.spatial[2] + x
        whole = weights.new_zeros(weights.shape[1], *self.spatial)
        whole[:, :, y, x] = weights[place, :, t]
        return 'its place over time', whole

    def _within_frame(self, weights: Tensor) -> tuple[str, Tensor]:
        t, *place = self.token
        whole = weights.new_zeros(weights.shape[1], *self.spatial)
        row = weights[t, :, _flat(place, self.spatial[1:])]
        whole[:, t] = self._spread(row, self.spatial[1:])
        return 'its frame', whole

    def _of_kept(self, weights: Tensor) -> tuple[str, Tensor]:
        scores = self.inputs[1]
        first = int(scores.token is not None)
        token = _flat(self.token, self.spatial)
        kept = self.block.select(scores.importance)
        if kept is None:
            row = weights[0, :, first + token, first:]
            return 'all tokens', row.unflatten(1, self.spatial)
        kept = kept[0]
        is_own = (kept == token).nonzero().flatten()
        own = int(is_own[0]) if len(is_own) else len(kept)
        row = weights[0, :, first + own, first:]
        # The others are there as one token: their weighted mean.
        importance = scores.importance[0].flatten().to(row.dtype)
        importance = importance.index_fill(0, kept, 0)
        shares = importance / importance.sum().clamp_min(1e-30)
        whole = row[:, -1:] * shares
        whole[:, kept] = row[:, :-1]
        kind = f'{len(kept)} kept tokens, and the mean of others'
        if not len(is_own):
            kind += ',\nwhich it is a part of'
        return kind, whole.unflatten(1, self.spatial)


def _flat(place: Sequence[int], spatial: Sequence[int]) -> int:
    return int(np.ravel_multi_index(tuple(place), tuple(spatial)))
