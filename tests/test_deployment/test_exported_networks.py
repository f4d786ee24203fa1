"""Networks from pixels to results, beside the host's own test."""

import copy

import numpy as np
import pytest
import torch
from export_models import model_of
from mmengine.registry import DefaultScope
from torch import nn

from mmuniformer.deployment.layers import (
    PooledTo,
    make_traceable,
    unasked_sizes,
)
from mmuniformer.deployment.networks import network_of
from mmuniformer.deployment.networks.detector import check_head
from mmuniformer.deployment.networks.pose import decoder_of
from mmuniformer.errors import UserError
from mmuniformer.prediction.models import load_model

CLOSE = dict(rtol=1e-5, atol=1e-5)


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp('models')


def loaded_of(task, folder, **options):
    config, checkpoint = model_of(task, folder)
    options = {f'model.{key}': value for key, value in options.items()}
    return load_model(config, checkpoint, 'cpu', cfg_options=options)


def pixels(*shape):
    generator = np.random.default_rng(0)
    return torch.from_numpy(generator.integers(0, 256, shape, np.uint8))


def both(task, folder, images, samples, **options):
    """Outputs of the network, and the host's samples for the same images."""
    loaded = loaded_of(task, folder, **options)
    with DefaultScope.overwrite_default_scope(loaded.library):
        # As cv2 reads them.
        order = (0, 3, 1, 2) if images.dim() == 4 else (0, 4, 1, 2, 3)
        inputs = images.permute(order)
        if task != 'video':
            inputs = inputs.flip(1)
        if task == 'video':
            inputs = inputs.unsqueeze(1)
        with torch.no_grad():
            expected = loaded.net.test_step(
                dict(inputs=list(inputs), data_samples=samples)
            )
            network = network_of(loaded)
            outs = network(images)
    return dict(zip([o.name for o in network.outputs], outs, strict=True)), (
        expected
    )


def test_classifier(folder):
    from mmpretrain.structures import DataSample

    outs, expected = both(
        'cls', folder, pixels(2, 70, 64, 3), [DataSample(), DataSample()]
    )
    for scores, sample in zip(outs['scores'], expected, strict=True):
        np.testing.assert_allclose(scores, sample.pred_score, **CLOSE)
    assert (outs['scores'][0] - outs['scores'][1]).abs().max() > 1e-3


def test_recognizer(folder):
    from mmaction.structures import ActionDataSample

    samples = [ActionDataSample(), ActionDataSample()]
    outs, expected = both('video', folder, pixels(2, 8, 64, 64, 3), samples)
    for scores, sample in zip(outs['scores'], expected, strict=True):
        np.testing.assert_allclose(scores, sample.pred_score, **CLOSE)


@pytest.mark.parametrize('divisor', [None, 32])
def test_segmentor(folder, divisor):
    from mmseg.structures import SegDataSample

    size = (69, 90)
    samples = [
        SegDataSample(metainfo=dict(img_shape=size, ori_shape=size))
        for _ in range(2)
    ]
    options = {}
    if divisor:
        options = {'data_preprocessor.test_cfg': dict(size_divisor=divisor)}
    images = pixels(2, *size, 3)
    outs, expected = both('seg', folder, images, samples, **options)
    assert outs['logits'].shape == (2, 7, *size)
    for index, sample in enumerate(expected):
        want = sample.seg_logits.data
        np.testing.assert_allclose(outs['logits'][index], want, **CLOSE)
        same = outs['labels'][index] == sample.pred_sem_seg.data[0]
        assert same.float().mean() > 0.999
    assert outs['labels'].dtype == torch.uint8


@pytest.mark.parametrize('flip', [True, False])
@pytest.mark.parametrize('unbiased', [True, False])
def test_pose(folder, flip, unbiased):
    from mmengine.structures import InstanceData
    from mmpose.structures import PoseDataSample

    loaded = loaded_of('pose', folder)
    meta = dict(
        input_center=np.array([48.0, 64.0]),
        input_scale=np.array([96.0, 128.0]),
        input_size=np.array([96, 128]),
        flip_indices=loaded.metainfo['flip_indices'],
    )
    samples = [PoseDataSample(metainfo=dict(meta)) for _ in range(2)]
    for sample in samples:
        sample.gt_instances = InstanceData(
            bboxes=np.zeros((1, 4)), bbox_scores=np.ones(1)
        )
    outs, expected = both(
        'pose',
        folder,
        pixels(2, 128, 96, 3),
        samples,
        **{'test_cfg.flip_test': flip, 'head.decoder.unbiased': unbiased},
    )
    for index, sample in enumerate(expected):
        found = sample.pred_instances
        # An expansion of flat maps goes far away, in float32 not to the bit.
        close = dict(rtol=5e-3, atol=5e-2) if unbiased else dict(atol=1e-3)
        np.testing.assert_allclose(
            outs['keypoints'][index], found.keypoints[0], **close
        )
        np.testing.assert_allclose(
            outs['scores'][index], found.keypoint_scores[0], **CLOSE
        )


def test_decoders_at_borders_and_of_empty_maps(folder):
    """Places where the host does not refine, and maps without a maximum."""
    codec = copy.deepcopy(loaded_of('pose', folder).net.head.decoder)
    generator = np.random.default_rng(1)
    rows, columns = np.mgrid[:32, :24]
    maps = []
    for _ in range(40):
        x, y = generator.uniform(-1, 24), generator.uniform(-1, 32)
        if generator.random() < 0.5:
            x = generator.choice([0, 1, 2, 21, 22, 23])
        if generator.random() < 0.5:
            y = generator.choice([0, 1, 2, 29, 30, 31])
        away = (columns - x) ** 2 + (rows - y) ** 2
        maps.append(np.exp(-away / 4.5))
    maps = np.array(maps, np.float32)
    maps[20] = -1
    for unbiased in (False, True):
        codec.unbiased = unbiased
        points, scores = codec.decode(maps)
        found, values = decoder_of(codec)(torch.from_numpy(maps)[None])
        np.testing.assert_allclose(found, points, atol=2e-3)
        np.testing.assert_allclose(values, scores)


def test_another_codec():
    class SimCCLabel:
        pass

    with pytest.raises(UserError, match='codec SimCCLabel is not exported'):
        decoder_of(SimCCLabel())


def test_a_codec_that_goes_alone(folder):
    """What can be had of the model is what it has."""
    codec = dict(
        type='UDPHeatmap',
        input_size=(96, 128),
        heatmap_size=(24, 32),
        sigma=2,
    )
    loaded = loaded_of('pose', folder, **{'head.decoder': codec})
    with pytest.raises(
        UserError, match=r'UDPHeatmap .* is; --part backbone e'
    ):
        network_of(loaded)


def test_some_of_the_keypoints(folder):
    options = {'test_cfg.output_keypoint_indices': [0, 1]}
    with pytest.raises(UserError, match='indices=None exports all'):
        network_of(loaded_of('pose', folder, **options))


def test_a_detector_without_boxes_of_anchors(folder):
    """As Mask2Former, which is a detector of one stage to mmdet."""
    loaded = loaded_of('det', folder)
    loaded.net.panoptic_head = loaded.net._modules.pop('bbox_head')
    with pytest.raises(UserError, match=r'without bbox_head .* --part neck'):
        network_of(loaded)


@pytest.mark.parametrize('number', [1, 3])
def test_detector(folder, number):
    from mmdet.structures import DetDataSample

    size = (101, 130)
    samples = [
        DetDataSample(
            metainfo=dict(
                img_shape=size, ori_shape=size, scale_factor=(1.0, 1.0)
            )
        )
        for _ in range(number)
    ]
    images = pixels(number, *size, 3)
    outs, expected = both('det', folder, images, samples)
    for index, sample in enumerate(expected):
        want = sample.pred_instances
        found = outs['labels'][index] >= 0
        assert found.sum() == len(want) > 20
        scores = outs['scores'][index][found]
        np.testing.assert_allclose(scores, want.scores, **CLOSE)
        # Two of one score may come in either order.
        boxes = outs['boxes'][index][found]
        away = (boxes[:, None] - want.bboxes).abs().amax(-1)
        labels = outs['labels'][index][found]
        away[labels[:, None] != want.labels] = 1000
        assert away.amin(0).max() < 1e-3
        assert away.amin(1).max() < 1e-3
    assert len(set(want.labels.tolist())) > 1


@pytest.mark.parametrize(
    'options',
    [
        {'test_cfg.nms': dict(_delete_=True, type='nms', iou_thr=0.3)},
        {
            'test_cfg.nms': dict(
                type='nms', iou_threshold=0.5, score_threshold=0.5, max_num=9
            )
        },
        {
            'test_cfg.nms': dict(
                type='nms', iou_threshold=0.5, class_agnostic=True
            )
        },
        {'bbox_head.bbox_coder.clip_border': False},
    ],
)
def test_ways_to_choose_boxes(folder, options):
    loaded = loaded_of('det', folder, **options)
    size = (101, 130)
    images = pixels(2, *size, 3)
    meta = dict(img_shape=size, ori_shape=size, scale_factor=(1.0, 1.0))
    with torch.no_grad():
        network = network_of(loaded)
        found = network(images)
        x = network.normalise(images)
        wanted = loaded.net.bbox_head.predict_by_feat(
            *loaded.net.bbox_head(loaded.net.extract_feat(x)),
            batch_img_metas=[meta, meta],
        )
    plain = network_of(loaded_of('det', folder))(images)
    # The option makes a difference.
    assert plain[0].shape != found[0].shape or not plain[0].equal(found[0])
    for boxes, scores, labels, want in zip(*found, wanted, strict=True):
        kept = labels >= 0
        assert kept.sum() == len(want) > 3
        torch.testing.assert_close(scores[kept], want.scores)
        away = (boxes[kept][:, None] - want.bboxes).abs().amax(-1)
        away[labels[kept][:, None] != want.labels] = 1000
        assert away.amin(0).max() < 1e-3
        assert away.amin(1).max() < 1e-3


def test_boxes_with_an_offset(folder):
    nms = dict(type='nms', iou_threshold=0.5, offset=1)
    loaded = loaded_of('det', folder, **{'test_cfg.nms': nms})
    with pytest.raises(UserError, match='without offset'):
        network_of(loaded)


def test_a_detector_that_finds_nothing(folder):
    loaded = loaded_of('det', folder, **{'test_cfg.score_thr': 1.0})
    boxes, scores, labels = network_of(loaded)(pixels(1, 64, 64, 3))
    assert boxes.shape == (1, 100, 4)
    assert not boxes.any()
    assert not scores.any()
    assert (labels == -1).all()


def test_a_head_that_goes_its_own_way(folder):
    loaded = loaded_of('det', folder)
    head = loaded.net.bbox_head

    class Own(type(head)):
        def predict_by_feat(self, *args, **kwargs):
            return []

    head.__class__ = Own
    with pytest.raises(UserError, match='Own makes boxes in a way of its own'):
        check_head(head)


def test_two_stages_become_a_pyramid(folder):
    loaded = loaded_of('two-stage', folder)
    network = network_of(loaded)
    images = pixels(1, 64, 96, 3)
    found = network(images)
    x = network.normalise(images)
    with torch.no_grad():
        expected = loaded.net.extract_feat(x)
    assert len(found) == len(network.outputs) == len(expected) == 4
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other)


def test_other_models(folder):
    loaded = loaded_of('cls', folder)
    assert len(network_of(loaded, 'backbone').outputs) == 1
    loaded.net.__class__ = type('Other', (nn.Module,), {})
    with pytest.raises(UserError, match='Other of mmpretrain is not exported'):
        network_of(loaded)


@pytest.mark.parametrize('size', [(1, 1), (2, 3), (6, 6)])
@pytest.mark.parametrize('sides', [(6, 6), (7, 11), (3, 2), (16, 30)])
def test_pooling(size, sides):
    x = torch.rand(2, 3, *sides, dtype=torch.float64)
    expected = nn.AdaptiveAvgPool2d(size)(x)
    torch.testing.assert_close(PooledTo(size)(x), expected)


def test_no_size_is_asked_for_a_warning(recwarn):
    from mmseg.models.utils import resize

    x = torch.rand(1, 2, 4, 4)
    options = dict(size=(9, 9), mode='bilinear', align_corners=True)
    with unasked_sizes():
        expected = resize(x, **options)
    assert len(recwarn) == 0
    torch.testing.assert_close(resize(x, **options), expected)
    assert len(recwarn) == 1


def test_no_backbone_is_compiled(folder):
    loaded = loaded_of('cls', folder, **{'backbone.compile': True})
    assert loaded.net.backbone._compiled_call_impl is not None
    network = network_of(loaded)
    assert network.net.backbone._compiled_call_impl is None


def test_layers_that_know_their_sizes_are_replaced():
    from mmseg.models.utils import Upsample

    up = Upsample(scale_factor=2, mode='bilinear', align_corners=False)
    net = nn.Sequential(up, nn.AdaptiveAvgPool2d(3), nn.AdaptiveAvgPool2d(1))
    x = torch.rand(1, 2, 5, 7)
    expected = net(x)
    make_traceable(net)
    names = [type(layer).__name__ for layer in net]
    assert names == ['ScaledUp', 'PooledTo', 'AdaptiveAvgPool2d']
    torch.testing.assert_close(net(x), expected)
