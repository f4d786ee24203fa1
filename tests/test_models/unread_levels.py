"""Three steps of parts of RetinaNet and PSPNet in each of some processes."""

import mmuniformer  # noqa: F401, I001  (before what it mends)

import torch
from mmdet.models import FPN
from mmseg.models import FCNHead, PSPHead
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from mmuniformer import UniFormer

WIDTHS = [8, 16, 32, 64]


class Retina(nn.Module):
    """A pyramid that starts at the second level."""

    def __init__(self) -> None:
        super().__init__()
        self.neck = FPN(
            WIDTHS, 8, 5, start_level=1, add_extra_convs='on_input'
        )

    def forward(self, maps):
        return self.neck(maps)


class Psp(nn.Module):
    """A head for the last level, and one for that before it."""

    def __init__(self) -> None:
        super().__init__()
        common = dict(channels=8, num_classes=3, norm_cfg=dict(type='BN'))
        self.decode = PSPHead(in_channels=64, in_index=3, **common)
        self.auxiliary = FCNHead(in_channels=32, in_index=2, **common)

    def forward(self, maps):
        return self.decode(maps), self.auxiliary(maps)


def train(heads: nn.Module, rank: int) -> bool:
    """Whether all processes have the same weights after three steps."""
    arch = dict(depths=(1, 1, 1, 1), embed_dims=WIDTHS, head_dim=8)
    torch.manual_seed(0)
    model = DistributedDataParallel(nn.Sequential(UniFormer(arch), heads))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    torch.manual_seed(rank)
    for _ in range(3):
        optimizer.zero_grad()
        outs = model(torch.rand(2, 3, 64, 64))
        sum(out.square().mean() for out in outs).backward()
        optimizer.step()
    total = sum(p.detach().double().sum() for p in model.parameters())
    both = [torch.zeros_like(total) for _ in range(2)]
    torch.distributed.all_gather(both, total)
    return bool(both[0].isfinite() and both[0] == both[1])


if __name__ == '__main__':
    torch.distributed.init_process_group('gloo')
    rank = torch.distributed.get_rank()
    same = [train(heads, rank) for heads in (Retina(), Psp())]
    torch.distributed.destroy_process_group()
    print(f'same weights: {same}')  # noqa: T201
