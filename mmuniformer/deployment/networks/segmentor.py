"""Semantic segmentation."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from mmuniformer.deployment.networks.base import LABELS, Network, Output
from mmuniformer.prediction.models import LoadedModel


class Segmentor(Network):
    """An ``EncoderDecoder`` of mmseg, to logits and labels of all pixels.

    One pass over the whole image; of a config that slides a window, one over
    a window.

    Args:
        loaded (LoadedModel): The model.
    """

    task = 'segmentation'
    outputs = (
        Output(
            'logits',
            ('batch', 'classes', 'height', 'width'),
            'value of each class at each pixel of the input',
        ),
        Output(
            'labels',
            ('batch', 'height', 'width'),
            'number of the class of each pixel of the input',
            LABELS,
        ),
    )

    def __init__(self, loaded: LoadedModel) -> None:
        super().__init__(loaded)
        # The last of a cascade has the result.
        head = loaded.net.decode_head
        heads = head if isinstance(head, torch.nn.ModuleList) else [head]
        self.threshold = getattr(heads[-1], 'threshold', None)

    def results(self, x: Tensor, size: tuple[int, int]) -> Sequence[Tensor]:
        """Computes logits and labels."""
        logits = self._decode(x)
        logits = F.interpolate(
            logits,
            size=x.shape[-2:],
            mode='bilinear',
            align_corners=self.net.align_corners,
        )
        logits = logits[..., : size[0], : size[1]]
        if logits.shape[1] > 1:
            labels = logits.argmax(1)
        else:
            labels = logits[:, 0].sigmoid() > self.threshold
        few = self.net.num_classes <= 256
        return logits, labels.to(torch.uint8 if few else torch.int32)

    def _decode(self, x: Tensor) -> Tensor:
        maps, head = self.net.extract_feat(x), self.net.decode_head
        if not isinstance(head, torch.nn.ModuleList):
            return head(maps)
        out = head[0](maps)
        for one in head[1:]:
            out = one(maps, out)
        return out

    def facts(self) -> dict[str, Any]:
        """The window of a config that slides one."""
        test_cfg = self.net.test_cfg or {}
        if test_cfg.get('mode') != 'slide':
            return {}
        return dict(
            window=dict(
                size=[int(size) for size in test_cfg['crop_size']],
                stride=[int(step) for step in test_cfg['stride']],
                about='the model was tested by windows of this size, whose '
                'logits are averaged where they overlap',
            )
        )
