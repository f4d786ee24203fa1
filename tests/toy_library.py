"""A model and a data set that train in milliseconds.

Imported by the configs of the tests through ``custom_imports``.
"""

import os
import time

import torch
from mmengine.dist import get_rank
from mmengine.evaluator import BaseMetric
from mmengine.logging import MessageHub
from mmengine.model import BaseModel
from mmengine.registry import DATASETS, METRICS, MODELS
from torch import Tensor, nn
from torch.utils.data import Dataset


@DATASETS.register_module()
class ToyDataset(Dataset):
    """Points of a line; ``data_root`` must exist, as a real one must."""

    def __init__(self, length: int = 16, data_root: str = '.') -> None:
        self.length = length
        with open(os.path.join(data_root, 'points.txt')) as file:
            self.slope = float(file.read())

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> dict:
        x = torch.full((4,), index / self.length)
        return dict(x=x, y=self.slope * x[:1])


@MODELS.register_module()
class ToyModel(BaseModel):
    """A linear layer that sleeps ``TOY_SLEEP`` seconds in each step."""

    def __init__(
        self, width: int = 4, norm: dict | None = None, mask: bool = False
    ) -> None:
        super().__init__()
        if mask:
            # As text models have them, which attention adds.
            full = torch.full((3, 3), -torch.inf)
            self.register_buffer('mask', full.triu(1))
        self.linear = nn.Linear(width, 1)
        self.norm = MODELS.build(norm) if norm else nn.Identity()

    def forward(self, x: Tensor, y: Tensor, mode: str = 'tensor'):
        predicted = self.norm(self.linear(x))
        if mode != 'loss':
            return list(predicted)
        time.sleep(float(os.environ.get('TOY_SLEEP', 0)))
        return dict(loss=nn.functional.mse_loss(predicted, y))


@MODELS.register_module()
class ToyFaulty(BaseModel):
    """A linear layer and BatchNorm, and something not finite at some steps.

    Args:
        fault: 'loss': the loss, from the input on; 'term': one term of it,
            whose gradient is 0; 'gradient': that of a finite loss;
            'statistics': those of BatchNorm, and nothing else.
        at: Forward passes in which it is, counted from 0.
        rank: The process in which it is; None for all.
    """

    def __init__(
        self, fault: str = 'loss', at: tuple = (), rank: int | None = None
    ) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 8)
        self.norm = nn.BatchNorm1d(8)
        self.head = nn.Linear(8, 1)
        self.fault, self.at, self.rank, self.calls = fault, at, rank, 0

    def forward(self, x: Tensor, y: Tensor, mode: str = 'tensor'):
        wrong = self.training and self.calls in self.at
        wrong = wrong and self.rank in (None, get_rank())
        self.calls += self.training
        fault = self.fault if wrong else ''
        if fault == 'loss':
            x = x / 0
        maps = self.linear(x)
        if fault == 'statistics':
            with torch.no_grad():
                self.norm(maps * 1e30)
        predicted = self.head(self.norm(maps))
        if mode != 'loss':
            return list(predicted)
        losses = dict(loss_a=nn.functional.mse_loss(predicted, y))
        losses['loss_b'] = 0 * predicted.mean()
        if fault == 'term':
            losses['loss_b'] = predicted.new_tensor(float('inf'))
        if fault == 'gradient':
            losses['loss_b'] = (0 * predicted).square().sum().sqrt()
        return losses


class DropBlock(nn.Module):
    """Counts its calls, as mmdet's of this name does."""

    iter_cnt = 0


@MODELS.register_module()
class ToyCounting(ToyFaulty):
    """A loss of how far the run is, as hooks tell it and as it has counted."""

    def __init__(self, **settings) -> None:
        super().__init__(**settings)
        self.block = DropBlock()

    def forward(self, x: Tensor, y: Tensor, mode: str = 'tensor'):
        outputs = super().forward(x, y, mode)
        if mode == 'loss':
            info = MessageHub.get_current_instance().get_info
            numbers = info('iter'), info('max_epochs'), self.block.iter_cnt
            for name, number in zip('ime', numbers, strict=True):
                outputs[f'loss_{name}'] = x.new_tensor(float(number))
        self.block.iter_cnt += self.training
        return outputs


@DATASETS.register_module()
class ToyImages(Dataset):
    """Random images; takes what :class:`ToyDataset` takes."""

    def __init__(self, data_root: str, length: int = 8) -> None:
        self.length = length

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> dict:
        generator = torch.Generator().manual_seed(index)
        return dict(images=torch.rand(3, 64, 64, generator=generator))


@MODELS.register_module()
class ToyBackbone(BaseModel):
    """A shallow UniFormer whose outputs shall be zero."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = MODELS.build(
            dict(
                type='mmuniformer.UniFormer',
                arch=dict(
                    depths=(1, 1, 4, 1), embed_dims=(8, 16, 32, 32), head_dim=8
                ),
                stage3='hybrid',
            )
        )

    def forward(self, images: Tensor, mode: str = 'tensor'):
        levels = self.backbone(images)
        return dict(loss=sum(level.square().mean() for level in levels))


@METRICS.register_module()
class ToyMetric(BaseMetric):
    """Mean prediction, and a value that JSON has no word for."""

    def process(self, data_batch: dict, data_samples: list) -> None:
        self.results += [float(sample) for sample in data_samples]

    def compute_metrics(self, results: list) -> dict:
        return dict(mean=sum(results) / len(results), undefined=float('nan'))
