import pytest

from mmuniformer.compat import mmdet_cascade_rpn


def test_the_config_of_cascade_rpn_alone_is_built():
    pytest.importorskip('mmdet')
    from mmdet.registry import MODELS

    from mmuniformer.apis.swapping import read_host

    name = 'mmdet::cascade_rpn/cascade-rpn_r50-caffe_fpn_1x_coco.py'
    model = read_host(name)[0].model
    head = model.rpn_head
    head.update(train_cfg=model.train_cfg.rpn, test_cfg=model.test_cfg.rpn)
    first, second = MODELS.build(head).stages
    # A stage samples where its training config says so.
    assert type(first.sampler).__name__ == 'PseudoSampler'
    assert type(second.sampler).__name__ == 'RandomSampler'
    assert second.sampler.num == 256


def test_status_says_that_it_is_active():
    assert mmdet_cascade_rpn.status().state == 'active'
