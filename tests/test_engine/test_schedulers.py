"""Schedules that reach their last value where they end."""

import pytest
import torch
from mmengine.registry import PARAM_SCHEDULERS


def rates(steps: int, **settings) -> list[float]:
    """Learning rates of the first steps, of a rate of 1."""
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    scheduler = PARAM_SCHEDULERS.build(dict(settings, optimizer=optimizer))
    optimizer.step()
    found = []
    for _ in range(steps):
        found.append(optimizer.param_groups[0]['lr'])
        scheduler.step()
    return found


def test_warm_up():
    found = rates(
        7,
        type='mmuniformer.LinearWarmupLR',
        start_factor=0.2,
        by_epoch=False,
        end=4,
    )
    assert found == pytest.approx([0.2, 0.4, 0.6, 0.8, 1, 1, 1])


def test_warm_up_in_epochs_is_by_iteration():
    found = rates(
        8,
        type='mmuniformer.LinearWarmupLR',
        start_factor=0.5,
        end=2,
        epoch_length=3,
        convert_to_iter_based=True,
    )
    expected = [0.5 + 0.5 * min(i / 6, 1) for i in range(8)]
    assert found == pytest.approx(expected)


def test_warm_up_that_begins_later():
    found = rates(
        7,
        type='mmuniformer.LinearWarmupLR',
        start_factor=0.5,
        by_epoch=False,
        begin=2,
        end=4,
    )
    assert found == pytest.approx([1, 1, 0.5, 0.75, 1, 1, 1])


@pytest.mark.parametrize('power', [1.0, 0.9, 2.0])
def test_polynomial(power):
    found = rates(
        6,
        type='mmuniformer.PolyDecayLR',
        power=power,
        eta_min=0.0,
        by_epoch=False,
        end=5,
    )
    expected = [(1 - i / 5) ** power for i in range(6)]
    assert found == pytest.approx(expected)


def test_goes_on_from_a_state():
    """As a resumed run does."""
    settings = dict(
        type='mmuniformer.LinearWarmupLR',
        start_factor=0.1,
        by_epoch=False,
        end=10,
    )
    whole, optimizers = rates(12, **settings), []
    state, found = None, []
    for steps in (4, 8):
        parameter = torch.zeros(1, requires_grad=True)
        optimizers.append(torch.optim.SGD([parameter], lr=1.0))
        scheduler = PARAM_SCHEDULERS.build(
            dict(settings, optimizer=optimizers[-1])
        )
        if state:
            optimizers[-1].load_state_dict(state[0])
            scheduler.load_state_dict(state[1])
        optimizers[-1].step()
        for _ in range(steps):
            found.append(optimizers[-1].param_groups[0]['lr'])
            scheduler.step()
        state = optimizers[-1].state_dict(), scheduler.state_dict()
    assert found == pytest.approx(whole)


# Base rate and settings of the official image trainings, and what timm 0.4.12
# makes of them: the peak, its epoch, and rates of single epochs.
OFFICIAL = {
    'small': (
        1e-3,
        dict(epochs=300, warmup_epochs=5, lag=1),
        (9.993216197037e-4, 6),
        {0: 1e-6, 1: 1e-6, 2: 2.008e-4, 299: 1.01085616799e-5},
    ),
    'xxs': (
        3.2e-3,
        dict(epochs=600, warmup_epochs=30, lag=1),
        (3.180362903249e-3, 31),
        {0: 1e-6, 1: 1e-6, 2: 1.0763333333e-4, 599: 1.00874548620e-5},
    ),
    'token labeling': (
        1.6e-3,
        dict(epochs=300, warmup_epochs=5),
        (1.598910480130e-3, 5),
        {0: 1e-6, 1: 3.208e-4, 300: 1e-5, 309: 1e-5},
    ),
}


@pytest.mark.parametrize('name', OFFICIAL)
def test_cosine_of_epochs(name):
    base, settings, (peak, epoch), known = OFFICIAL[name]
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=base)
    scheduler = PARAM_SCHEDULERS.build(
        dict(
            type='mmuniformer.EpochCosineLR',
            optimizer=optimizer,
            eta_min=1e-5,
            warmup_lr=1e-6,
            **settings,
        )
    )
    optimizer.step()
    found = []
    for _ in range(settings['epochs'] + 10):
        found.append(optimizer.param_groups[0]['lr'])
        scheduler.step()
    assert max(found) == pytest.approx(peak, rel=1e-10)
    assert found.index(max(found)) == epoch
    for at, rate in known.items():
        assert found[at] == pytest.approx(rate, rel=1e-9), at


def test_cosine_of_epochs_without_a_way_down():
    """Fine-tuning at 384: the rate is its own minimum."""
    settings = dict(type='mmuniformer.EpochCosineLR', epochs=5, eta_min=1.0)
    assert rates(8, **settings) == [1.0] * 8


@pytest.mark.parametrize(
    ('settings', 'message'),
    [
        (dict(epochs=5, warmup_epochs=5), 'warmup_epochs must be less'),
        (dict(epochs=5, by_epoch=False), 'by_epoch must be True'),
    ],
)
def test_cosine_of_epochs_refuses(settings, message):
    with pytest.raises(ValueError, match=message):
        rates(1, type='mmuniformer.EpochCosineLR', eta_min=0.0, **settings)
