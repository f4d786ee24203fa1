"""RandAugment for all frames of a clip alike."""

from typing import Any

import numpy as np
from mmengine.registry import TRANSFORMS as MMENGINE_TRANSFORMS

from mmuniformer.registry import TRANSFORMS


@TRANSFORMS.register_module()
class ClipRandAugment:
    """mmpretrain's ``RandAugment``, drawn once for a clip.

    Every operation that is drawn gets a magnitude and a probability of its
    own, also one that is drawn twice: a broadcast of the whole
    ``RandAugment`` would act twice in the same way. The frames are RGB;
    mmpretrain's operations on colour take BGR, and get it.

    Args:
        kwargs (Any): Those of mmpretrain's ``RandAugment``.
    """

    def __init__(self, **kwargs: Any) -> None:
        settings = dict(kwargs, type='RandAugment', _scope_='mmpretrain')
        self.randaug = MMENGINE_TRANSFORMS.build(settings)

    def __call__(self, results: dict) -> dict:
        """Augments ``imgs``, a list of RGB frames (H, W, 3)."""
        # mmcv comes with the host library alone.
        from mmcv.transforms.utils import cache_random_params

        frames = [frame[..., ::-1] for frame in results['imgs']]
        for index in self.randaug.random_policy_indices():
            operation = self.randaug.transforms[index]
            with cache_random_params(operation):
                frames = [
                    operation(dict(img=np.ascontiguousarray(frame)))['img']
                    for frame in frames
                ]
        results['imgs'] = [
            np.ascontiguousarray(frame[..., ::-1]) for frame in frames
        ]
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}({self.randaug})'
