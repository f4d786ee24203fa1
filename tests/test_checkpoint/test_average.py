"""Which weights of a checkpoint are taken."""

import pytest
import torch

from mmuniformer.checkpoint.average import weights_of_test

NEW, OLD = torch.ones(2), torch.zeros(2)
CONTENT = dict(
    state_dict={'fc.weight': NEW, 'own': NEW},
    ema_state_dict={'steps': torch.tensor(3), 'module.fc.weight': OLD},
)


@pytest.mark.parametrize(
    ('hooks', 'kind'),
    [
        (None, 'average'),
        ([dict(type='EMAHook')], 'average'),
        ([dict(type='EMAHook', evaluate_on_ema=True)], 'average'),
        ([dict(type='Other'), dict(evaluate_on_ema=False)], 'trained'),
    ],
)
def test_those_that_a_test_uses(hooks, kind):
    tensors, found = weights_of_test(CONTENT, hooks, 'a.pth')
    assert found == kind
    assert set(tensors) == {'fc.weight', 'own'}
    wanted = NEW if kind == 'average' else OLD
    assert torch.equal(tensors['fc.weight'], wanted)
    assert torch.equal(tensors['own'], NEW)


def test_a_file_of_one_set():
    content = dict(state_dict={'fc.weight': NEW})
    tensors, kind = weights_of_test(
        content, [dict(evaluate_on_ema=False)], 'a.pth'
    )
    assert torch.equal(tensors['fc.weight'], NEW)
    assert kind == 'trained'
