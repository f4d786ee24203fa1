"""Two processes on the CPU that train a BatchNorm, each with its own data."""

import os

import torch
from mmengine.model import BaseModel
from mmengine.runner import Runner
from torch.utils.data import DataLoader


class Normed(BaseModel):
    """One BatchNorm: rank 0 sees numbers about 0, rank 1 about 8."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = torch.nn.BatchNorm1d(1, momentum=1.0)

    def forward(self, mode: str, **_):
        values = torch.linspace(-1, 1, 9)[:, None] + 8 * int(
            os.environ['RANK']
        )
        return dict(loss=self.norm(values).square().mean())


def train(rank: int, folder: str, port: int, runs: dict[str, list]) -> None:
    """Trains for one epoch with each of some lists of hooks."""
    os.environ.update(
        RANK=str(rank),
        LOCAL_RANK=str(rank),
        WORLD_SIZE='2',
        MASTER_ADDR='127.0.0.1',
        MASTER_PORT=str(port),
    )
    torch.distributed.init_process_group('gloo')
    for name, hooks in runs.items():
        Runner(
            model=Normed(),
            work_dir=f'{folder}/{name}',
            train_dataloader=DataLoader([{}], collate_fn=lambda _: {}),
            train_cfg=dict(by_epoch=True, max_epochs=1),
            optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.1)),
            custom_hooks=hooks,
            launcher='pytorch',
            cfg=dict(
                model_wrapper_cfg=dict(
                    type='MMDistributedDataParallel',
                    broadcast_buffers=False,
                    device_ids=None,
                )
            ),
            log_level='ERROR',
            default_scope='mmengine',
            experiment_name=name,
        ).train()
    torch.distributed.destroy_process_group()
