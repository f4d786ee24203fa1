"""Several augmented copies of one clip in one step."""

from collections.abc import Callable, Sequence
from copy import deepcopy

from mmengine.dataset import Compose

from mmuniformer.registry import TRANSFORMS


@TRANSFORMS.register_module()
class RepeatAugment:
    """Augments what was decoded several times and packs each copy.

    The last transform of a pipeline of mmaction2, around all that follow the
    decoding. A sample becomes a list, so the dataloader needs
    ``collate_fn=dict(type='repeat_pseudo_collate')``. mmaction2's
    ``RepeatAugDataset`` does the same for videos read by decord, and decodes
    them once for each copy.

    Args:
        transforms (Sequence[dict or Callable]): From augmentation to packing.
        num_repeats (int): Number of copies.

    Raises:
        ValueError: If ``num_repeats`` is less than 1.
    """

    def __init__(
        self, transforms: Sequence[dict | Callable], num_repeats: int = 2
    ) -> None:
        if num_repeats < 1:
            raise ValueError(
                f'num_repeats must be at least 1, not {num_repeats}'
            )
        self.transforms = Compose(transforms)
        self.num_repeats = num_repeats

    def __call__(self, results: dict) -> list[dict] | None:
        """Gives the packed copies, None if a transform drops one."""
        # Transforms write into the frames that they are given.
        copies = [
            self.transforms(deepcopy(results)) for _ in range(self.num_repeats)
        ]
        return None if any(copy is None for copy in copies) else copies

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}(num_repeats={self.num_repeats}, '
            f'transforms={self.transforms})'
        )
