"""Mixing the clips or images of a batch."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from mmuniformer.registry import MODELS


class EndsMixer:
    """Mixup or CutMix between the two ends of a batch.

    The first sample is mixed with the last, the second with the last but one,
    and so on.

    Args:
        mixup_alpha (float): Both parameters of Mixup's Beta distribution.
        cutmix_alpha (float): Both parameters of CutMix's.
        switch_prob (float): How often a batch gets CutMix, not Mixup.
    """

    def __init__(
        self,
        mixup_alpha: float = 0.8,
        cutmix_alpha: float = 1.0,
        switch_prob: float = 0.5,
    ) -> None:
        self.mixup_alpha = mixup_alpha
        self.cutmix_alpha = cutmix_alpha
        self.switch_prob = switch_prob

    def mix(self, imgs: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Mixes a batch.

        Args:
            imgs (Tensor): Floats (B, ..., H, W); may be written into.
            labels (Tensor): Shares of the classes (B, num_classes).

        Returns:
            tuple[Tensor, Tensor]: Both of them, mixed.
        """
        if np.random.rand() < self.switch_prob:
            imgs, share = self._cutmix(imgs)
        else:
            share = np.random.beta(self.mixup_alpha, self.mixup_alpha)
            imgs = share * imgs + (1 - share) * imgs.flip(0)
        return imgs, share * labels + (1 - share) * labels.flip(0)

    def _cutmix(self, imgs: Tensor) -> tuple[Tensor, float]:
        """Exchanges a box, and gives the share of what is outside of it."""
        share = np.random.beta(self.cutmix_alpha, self.cutmix_alpha)
        rows, columns = (
            interval(size, np.sqrt(1 - share)) for size in imgs.shape[-2:]
        )
        box = imgs[..., rows, columns]
        imgs[..., rows, columns] = box.flip(0)
        height, width = box.shape[-2:]
        return imgs, 1 - height * width / (imgs.shape[-2] * imgs.shape[-1])


@MODELS.register_module()
class MixupCutmix(EndsMixer):
    """Mixup or CutMix between the two ends of a batch of clips.

    The ``blending`` of mmaction2's ``ActionDataPreprocessor``. mmaction2's
    blendings draw partners at random: of a few clips with two augmented
    copies each, many would be mixed with themselves.

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
        super().__init__(mixup_alpha, cutmix_alpha, switch_prob)
        self.num_classes = num_classes

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
        imgs, labels = self.mix(imgs, labels)
        for sample, label in zip(batch_data_samples, labels, strict=True):
            sample.set_gt_label(label)
        return imgs, batch_data_samples


@MODELS.register_module()
class BatchMixupCutmix(EndsMixer):
    """The same for a batch of images, with smoothed labels.

    One of the ``augments`` of mmpretrain's ``ClsDataPreprocessor``, whose own
    draw partners at random.

    Args:
        mixup_alpha (float): Both parameters of Mixup's Beta distribution.
        cutmix_alpha (float): Both parameters of CutMix's.
        switch_prob (float): How often a batch gets CutMix, not Mixup.
        label_smoothing (float): Share of a label that all classes get alike.
    """

    def __init__(
        self,
        mixup_alpha: float = 0.8,
        cutmix_alpha: float = 1.0,
        switch_prob: float = 0.5,
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(mixup_alpha, cutmix_alpha, switch_prob)
        self.label_smoothing = label_smoothing

    def __call__(self, imgs: Tensor, scores: Tensor) -> tuple[Tensor, Tensor]:
        """Mixes a batch.

        Args:
            imgs (Tensor): Floats (B, C, H, W); may be written into.
            scores (Tensor): One-hot labels (B, num_classes).
        """
        smoothed = (1 - self.label_smoothing) * scores.to(imgs)
        smoothed += self.label_smoothing / scores.shape[1]
        return self.mix(imgs, smoothed)


@MODELS.register_module()
class BatchErasing:
    """Fills a box of some images of a batch with normal noise.

    One of the ``augments`` of mmpretrain's ``ClsDataPreprocessor``: after the
    normalisation, each pixel being drawn from N(0, 1). mmpretrain's
    ``RandomErasing`` erases before.

    Args:
        prob (float): How often an image is erased.
        area (Sequence[float]): Range of the box's share of the image.
        aspect_ratio (Sequence[float]): Range of its height over its width.
    """

    def __init__(
        self,
        prob: float = 0.25,
        area: Sequence[float] = (0.02, 1 / 3),
        aspect_ratio: Sequence[float] = (0.3, 1 / 0.3),
    ) -> None:
        # torchvision comes with the host library alone.
        from torchvision.transforms import RandomErasing

        self.erase = RandomErasing(
            prob, tuple(area), tuple(aspect_ratio), value='random'
        )

    def __call__(self, imgs: Tensor, scores: Tensor) -> tuple[Tensor, Tensor]:
        """Erases a box in some of the images (B, C, H, W)."""
        return torch.stack([self.erase(img) for img in imgs]), scores


@MODELS.register_module()
class BatchAugments:
    """Several ``augments`` of mmpretrain's ``ClsDataPreprocessor`` in a row.

    mmpretrain draws one of those that it is given.

    Args:
        augments (Sequence[dict or Callable]): Take images (B, C, H, W) and
            labels (B, num_classes), and give both.
    """

    def __init__(self, augments: Sequence[dict | Callable]) -> None:
        self.augments = [
            MODELS.build(augment) if isinstance(augment, dict) else augment
            for augment in augments
        ]

    def __call__(self, imgs: Tensor, scores: Tensor) -> tuple[Tensor, Tensor]:
        """Applies them in order."""
        for augment in self.augments:
            imgs, scores = augment(imgs, scores)
        return imgs, scores.float()


def interval(size: int, ratio: float) -> slice:
    """Draws a stretch of ``ratio`` of ``size``, cut off at the borders."""
    half, centre = int(size * ratio) // 2, np.random.randint(size)
    return slice(max(centre - half, 0), min(centre + half, size))
