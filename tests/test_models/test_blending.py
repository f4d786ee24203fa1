"""Mixup and CutMix between the ends of a batch."""

import numpy as np
import pytest
import torch
from mmaction.structures import ActionDataSample

from mmuniformer.models.blending import MixupCutmix

SHAPE = (1, 3, 2, 12, 16)


def mix(labels: list[int], seed: int, **settings):
    """A batch in which sample i is i + 1 everywhere, mixed."""
    np.random.seed(seed)
    imgs = torch.ones(len(labels), *SHAPE, dtype=torch.float64)
    imgs *= torch.arange(1, len(labels) + 1).view(-1, 1, 1, 1, 1, 1)
    samples = [ActionDataSample().set_gt_label(label) for label in labels]
    blending = MixupCutmix(num_classes=5, **settings)
    imgs, samples = blending(imgs, samples)
    return imgs, torch.stack([sample.gt_label for sample in samples])


@pytest.mark.parametrize('seed', range(5))
def test_mixup_mixes_both_ends_in_the_labels_shares(seed):
    imgs, labels = mix([0, 1, 2, 4], seed, switch_prob=0.0)
    share = labels[0, 0]
    assert 0 < share < 1
    assert labels.sum(1).allclose(torch.ones(4, dtype=torch.float64))
    for sample, own, other in ((0, 1, 4), (1, 2, 3), (2, 3, 2), (3, 4, 1)):
        expected = share * own + (1 - share) * other
        assert imgs[sample].allclose(expected.expand(SHAPE))
    assert labels[3, 4] == share
    assert labels[3, 0] == 1 - share


@pytest.mark.parametrize('seed', range(5))
def test_cutmix_exchanges_a_box_in_the_labels_shares(seed):
    imgs, labels = mix([0, 1, 2, 4], seed, switch_prob=1.0)
    for sample, own, other in ((0, 1, 4), (1, 2, 3), (2, 3, 2), (3, 4, 1)):
        pasted = imgs[sample] == other
        assert ((imgs[sample] == own) | pasted).all()
        # The same box in all frames and channels.
        assert (pasted == pasted[0, 0, 0]).all()
        rows, columns = pasted[0, 0, 0].nonzero(as_tuple=True)
        if len(rows):
            height = rows.max() - rows.min() + 1
            width = columns.max() - columns.min() + 1
            assert len(rows) == height * width
    share = pasted.to(labels).mean()
    assert labels[0, 4].item() == pytest.approx(share.item())
    assert labels[0, 0].item() == pytest.approx(1 - share.item())


def test_one_or_the_other_as_often_as_said():
    cut = 0
    for seed in range(400):
        imgs, _ = mix([0, 1], seed, switch_prob=0.25)
        # Mixup leaves no pixel as it was.
        cut += ((imgs == 1) | (imgs == 2)).all().item()
    assert 75 <= cut <= 125


def test_shares_follow_the_beta_distributions():
    def spread(**settings):
        shares = [mix([0, 1], s, **settings)[1][0, 0] for s in range(600)]
        return torch.stack(shares).std().item()

    # The deviation of Beta(a, a) is 1 / sqrt(8 a + 4).
    assert spread(switch_prob=0.0) == pytest.approx(0.310, abs=0.02)
    low = spread(switch_prob=0.0, mixup_alpha=10.0)
    assert low == pytest.approx(0.109, abs=0.01)


def test_two_copies_of_a_clip_meet_in_no_pair_of_two_clips():
    labels = [0, 0, 1, 1, 2, 2, 3, 3]
    _, mixed = mix(labels, 0, switch_prob=0.0)
    assert ((mixed > 0).sum(1) == 2).all()
