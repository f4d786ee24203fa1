import pytest
import torch
from torch.nn import functional

from mmuniformer.compat import mmseg_class_weight

WEIGHTS = [1.0, 4.0, 0.5]


@pytest.fixture
def loss():
    pytest.importorskip('mmseg')
    from mmseg.models.losses import CrossEntropyLoss

    return CrossEntropyLoss(class_weight=WEIGHTS)


@pytest.mark.parametrize('ignored', [0, 3])
def test_the_mean_is_that_of_torch(loss, ignored):
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 3, 4, 4, generator=generator)
    labels = torch.randint(0, 3, (2, 4, 4), generator=generator)
    labels[:, :ignored] = 255
    expected = functional.cross_entropy(
        logits, labels, torch.tensor(WEIGHTS), ignore_index=255
    )
    got = loss(logits, labels, ignore_index=255)
    torch.testing.assert_close(got, expected)


def test_an_image_to_ignore_has_no_loss(loss):
    labels = torch.full((1, 4, 4), 255)
    assert loss(torch.randn(1, 3, 4, 4), labels, ignore_index=255) == 0


def test_status_says_that_it_is_active(loss):
    assert mmseg_class_weight.status().state == 'active'
