import pytest
import torch
from mmengine.optim import build_optim_wrapper
from torch import nn

import mmuniformer  # noqa: F401
from mmuniformer.compat import mmpretrain_layer_decay

pytest.importorskip('mmpretrain.engine')


class Layers(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(2, 2)
        self.last = nn.Linear(2, 2)

    def get_layer_depth(self, name):
        return int(name.startswith('last')), 2


@pytest.mark.parametrize('given', [None, 0.3])
@pytest.mark.parametrize(
    ('kind', 'usual'), [('AdamW', 0.01), ('SGD', 0), (torch.optim.SGD, 0)]
)
def test_weight_decay_stays_what_it_was(kind, usual, given):
    optimizer = dict(type=kind, lr=1.0)
    if given is not None:
        optimizer['weight_decay'] = given
    name = 'mmpretrain.LearningRateDecayOptimWrapperConstructor'
    wrapper = build_optim_wrapper(
        Layers(),
        dict(
            type='OptimWrapper',
            optimizer=optimizer,
            constructor=name,
            paramwise_cfg=dict(layer_decay_rate=0.5),
        ),
    )
    groups = wrapper.optimizer.param_groups
    assert [group['lr'] for group in groups] == [0.5, 0.5, 1, 1]
    wanted = usual if given is None else given
    assert {group['weight_decay'] for group in groups} == {wanted}


def test_status():
    assert mmpretrain_layer_decay.status().state == 'active'
