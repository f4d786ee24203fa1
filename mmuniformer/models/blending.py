"""Mixing the clips of a batch."""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from mmuniformer.registry import MODELS


@MODELS.register_module()
class MixupCutmix:
    """Mixup or CutMix between the two ends of a batch.

    The ``blending`` of mmaction2's ``ActionDataPreprocessor``. The first
    sample is mixed with the last, the second with the last but one, and so
    on. mmaction2's blendings draw partners at random: of a few clips with
    two augmented copies each, many would be mixed with themselves.

    Args:
        num_classes (int): Number of classes.
        mixup_alpha (float): Both parameters of Mixup's Beta distribution.
        cutmix_alpha (float): Both parameters of CutMix's.
        switch_prob (float): How often a batch gets CutMix, not Mixup.
    """

    def __init__(
        self,
        num_classes: int,
        mixup_alpha: float = 0.8,
        cutmix_alpha: float = 1.0,
        switch_prob: float = 0.5,
    ) -> None:
        self.num_classes = num_classes
        self.mixup_alpha = mixup_alpha
        self.cutmix_alpha = cutmix_alpha
        self.switch_prob = switch_prob

    def __call__(
        self, imgs: Tensor, batch_data_samples: list
    ) -> tuple[Tensor, list]:
        """Mixes a batch.

        Args:
            imgs (Tensor): Floats (B, ..., H, W); may be written into.
            batch_data_samples (list[ActionDataSample]): With one label each.

        Returns:
            tuple[Tensor, list]: The mixed batch and its samples, whose labels
            (num_classes,) are the shares of the classes.
        """
        labels = torch.cat([s.gt_label for s in batch_data_samples])
        labels = F.one_hot(labels, self.num_classes).to(imgs)
        if np.random.rand() < self.switch_prob:
            imgs, share = self._cutmix(imgs)
        else:
            share = np.random.beta(self.mixup_alpha, self.mixup_alpha)
            imgs = share * imgs + (1 - share) * imgs.flip(0)
        labels = share * labels + (1 - share) * labels.flip(0)
        for sample, label in zip(batch_data_samples, labels, strict=True):
            sample.set_gt_label(label)
        return imgs, batch_data_samples

    def _cutmix(self, imgs: Tensor) -> tuple[Tensor, float]:
        """Exchanges a box, and gives the share of what is outside of it."""
        share = np.random.beta(self.cutmix_alpha, self.cutmix_alpha)
        rows, columns = (
            _interval(size, np.sqrt(1 - share)) for size in imgs.shape[-2:]
        )
        box = imgs[..., rows, columns]
        imgs[..., rows, columns] = box.flip(0)
        height, width = box.shape[-2:]
        return imgs, 1 - height * width / (imgs.shape[-2] * imgs.shape[-1])


def _interval(size: int, ratio: float) -> slice:
    """A stretch of ``ratio`` of ``size``, cut off at the borders."""
    half, centre = int(size * ratio) // 2, np.random.randint(size)
    return slice(max(centre - half, 0), min(centre + half, size))
