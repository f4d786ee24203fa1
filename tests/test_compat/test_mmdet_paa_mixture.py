import numpy as np
import pytest

from mmuniformer.compat import mmdet_paa_mixture


def test_losses_that_are_close_to_each_other_are_fitted():
    pytest.importorskip('sklearn')
    pytest.importorskip('mmdet')
    from mmdet.models.dense_heads import paa_head

    losses = np.array([60, 60.0001, 60.0002, 65, 65.0001], np.float32)
    losses = losses.reshape(-1, 1)
    mixture = paa_head.skm.GaussianMixture(
        2,
        weights_init=np.array([0.5, 0.5]),
        means_init=losses[[0, -1]],
        precisions_init=np.array([1.0, 1.0]),
        covariance_type='spherical',
    )
    mixture.fit(losses)
    assert mixture.predict(losses).tolist() == [0, 0, 0, 1, 1]
    assert mixture.means_.ravel() == pytest.approx([60.0001, 65.00005])


def test_status_is_told():
    state = mmdet_paa_mixture.status().state
    found = mmdet_paa_mixture.installed('sklearn')
    assert state == ('active' if found else 'not needed')
