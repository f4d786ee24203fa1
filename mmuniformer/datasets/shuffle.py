"""Clips whose frames are out of order: what is left is the look."""

from zlib import crc32

import numpy as np

from mmuniformer.registry import TRANSFORMS


@TRANSFORMS.register_module()
class ShuffleFrames:
    """Shuffles the frames of each clip, for a test of what a model reads.

    After the decoding. A model that scores as well as on clips in order does
    not look at motion. The same video is shuffled alike in every run.

    Args:
        seed (int): Other seeds give other orders.
    """

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed

    def __call__(self, results: dict) -> dict:
        """Reorders ``imgs``, ``num_clips`` times ``clip_len`` frames."""
        name = results['filename'].encode()
        rng = np.random.default_rng((self.seed, crc32(name)))
        frames = results['imgs']
        order = np.arange(len(frames)).reshape(results['num_clips'], -1)
        order = rng.permuted(order, axis=1).ravel()
        results['imgs'] = [frames[index] for index in order]
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}(seed={self.seed})'
