import pytest
import torch

from mmuniformer.compat import mmdet_loss_cls


def test_ssd_predicts_the_class_of_the_softmax():
    pytest.importorskip('mmdet')
    from mmdet.models.dense_heads import SSDHead
    from mmengine.config import ConfigDict

    anchors = dict(
        type='SSDAnchorGenerator',
        scale_major=False,
        input_size=32,
        min_sizes=[8],
        max_sizes=[16],
        strides=[16],
        ratios=[[2]],
    )
    test_cfg = dict(
        nms_pre=9,
        nms=dict(type='nms', iou_threshold=0.5),
        score_thr=0.5,
        max_per_img=9,
    )
    head = SSDHead(
        num_classes=3,
        in_channels=[4],
        anchor_generator=dict(anchors, _scope_='mmdet'),
        test_cfg=ConfigDict(test_cfg),
    )
    # Of one anchor the second class, of the others the background.
    scores = torch.zeros(1, head.num_base_priors[0], 4, 2, 2)
    scores[:, :, 3] = 9
    scores[0, 0, :, 1, 1] = torch.tensor([0.0, 9.0, 0.0, 0.0])
    (found,) = head.predict_by_feat(
        [scores.flatten(1, 2)],
        [torch.zeros(1, 4 * head.num_base_priors[0], 2, 2)],
        batch_img_metas=[dict(img_shape=(32, 32), scale_factor=(1, 1))],
    )
    assert found.labels.tolist() == [1]
    expected = torch.tensor([0.0, 9.0, 0.0, 0.0]).softmax(0)[1]
    torch.testing.assert_close(found.scores[0], expected)


def test_status_says_whether_a_head_is_asked():
    assert mmdet_loss_cls.status().state == 'active'
