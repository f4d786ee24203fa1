"""Mixup and CutMix between the ends of a batch."""

import numpy as np
import pytest
import torch

from mmuniformer.models.blending import MixupCutmix

SHAPE = (1, 3, 2, 12, 16)


def mix(labels: list[int], seed: int, **settings):
    """A batch in which sample i is i + 1 everywhere, mixed."""
    np.random.seed(seed)
    imgs = torch.ones(len(labels), *SHAPE, dtype=torch.float64)
    imgs *= torch.arange(1, len(labels) + 1).view(-1, 1, 1, 1, 1, 1)
    structures = pytest.importorskip('mmaction.structures')
    sample = structures.ActionDataSample
    samples = [sample().set_gt_label(label) for label in labels]
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


class TestBatchesOfImages:
    """``augments`` of mmpretrain's preprocessor, as its configs name them."""

    def preprocessor(self, *augments: dict):
        pytest.importorskip('mmpretrain.models')
        from mmengine.registry import MODELS

        return MODELS.build(
            dict(
                type='mmpretrain.ClsDataPreprocessor',
                num_classes=5,
                mean=[1.0, 1.0, 1.0],
                std=[2.0, 2.0, 2.0],
                batch_augments=dict(
                    augments=dict(
                        type='mmuniformer.BatchAugments',
                        augments=list(augments),
                    )
                ),
            )
        )

    def batch(self, number: int = 4, side: int = 32):
        from mmpretrain.structures import DataSample

        imgs = torch.ones(number, 3, side, side)
        imgs *= torch.arange(1, number + 1).view(-1, 1, 1, 1)
        samples = [DataSample().set_gt_label(i % 5) for i in range(number)]
        return dict(inputs=imgs, data_samples=samples)

    @pytest.mark.parametrize('switch_prob', [0.0, 1.0])
    def test_mixed_and_smoothed(self, switch_prob):
        mix = dict(
            type='mmuniformer.BatchMixupCutmix',
            switch_prob=switch_prob,
            label_smoothing=0.1,
        )
        np.random.seed(4)
        out = self.preprocessor(mix)(self.batch(), training=True)
        scores = torch.stack([s.gt_score for s in out['data_samples']])
        torch.testing.assert_close(scores.sum(1), torch.ones(4))
        # 0.92 and 0.02 are the smoothed label of one of five classes.
        share = (scores[0, 0] - 0.02) / 0.9
        assert scores[0, 3] == pytest.approx(0.02 + 0.9 * (1 - share))
        assert scores[0, [1, 2, 4]].tolist() == pytest.approx([0.02] * 3)
        # After the normalisation, the last is 1.5 and the first 0.
        assert out['inputs'][0].mean() == pytest.approx(1.5 * (1 - share))

    def test_nothing_is_mixed_in_a_test(self):
        mix = dict(type='mmuniformer.BatchMixupCutmix')
        out = self.preprocessor(mix)(self.batch(), training=False)
        assert (out['inputs'][3] == 1.5).all()

    def test_erasing(self):
        """One image of four, with N(0, 1) in each pixel of one box."""
        erase = dict(type='mmuniformer.BatchErasing', prob=0.25)
        torch.manual_seed(0)
        batch = self.batch(400)
        batch['inputs'][:] = 19.0
        out = self.preprocessor(erase)(batch, training=True)['inputs']
        areas, values = [], []
        for img in out:
            erased = (img != 9).all(0)
            if erased.any():
                rows, columns = erased.nonzero(as_tuple=True)
                height = (rows.max() - rows.min() + 1).item()
                width = (columns.max() - columns.min() + 1).item()
                assert erased.sum() == height * width
                assert 0.2 < height / width < 4.5
                areas.append(height * width / 32**2)
                values.append(img[:, erased].flatten())
        assert len(areas) / 400 == pytest.approx(0.25, abs=0.06)
        assert 0.01 < min(areas) < 0.05
        assert 0.28 < max(areas) < 0.37
        values = torch.cat(values)
        assert values.mean() == pytest.approx(0, abs=0.02)
        assert values.std() == pytest.approx(1, abs=0.02)
        # Each channel and pixel on its own, and not clipped.
        assert values.max() > 3

    def test_erased_first_then_mixed(self):
        steps = [
            dict(type='mmuniformer.BatchErasing', prob=1.0),
            dict(type='mmuniformer.BatchMixupCutmix', switch_prob=0.0),
        ]
        np.random.seed(0)
        out = self.preprocessor(*steps)(self.batch(2), training=True)
        # Noise of either end is in both.
        first, last = out['inputs']
        assert ((first - first.median()).abs() > 1e-3).equal(
            (last - last.median()).abs() > 1e-3
        )
