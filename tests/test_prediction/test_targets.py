"""What is asked of a model is what it predicts, and gradients go through."""

from types import SimpleNamespace

import numpy as np
import predict_models
import pytest
import torch
from mmengine.registry import MODELS, DefaultScope
from mmengine.structures import InstanceData

import mmuniformer
from mmuniformer.engine.config import load_config
from mmuniformer.errors import UserError
from mmuniformer.prediction.predictor import _item
from mmuniformer.prediction.targets import (
    _label_logits,
    _log_odds,
    choose,
    target_of,
)
from mmuniformer.prediction.views import views


def asked(predictor, path, wanted=None, box=None):
    (view,) = views(predictor, _item(path))
    target = target_of(predictor, view, wanted, box)
    x = view.inputs.clone().requires_grad_()
    score = target.scores(x)
    assert score.shape == (1,)
    score.sum().backward()
    # What is asked for depends on the picture.
    assert x.grad.abs().sum() > 0
    pictures = [view.pictures[0].copy() for _ in range(2)]
    target.mark(pictures[1])
    drawn = (pictures[0] != pictures[1]).any(-1)
    return view, target, float(score.detach()), drawn


def test_classes_by_themselves(checkpoints, images):
    """Their probabilities are those of a multi-label head, by sigmoid."""
    from mmpretrain.models.heads import MultiLabelLinearClsHead

    predictor = mmuniformer.load(checkpoints['cls'])
    net = predictor.loaded.net
    own = net.head.fc
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        net.head = MultiLabelLinearClsHead(own.out_features, own.in_features)
    net.head.fc = own
    result = predictor(images[0])
    assert result.scores.sum() != pytest.approx(1, abs=1e-3)
    target = asked(predictor, images[0])[1]
    assert target.name == f'{result.name} {100 * result.score:.0f} %'


def test_a_number_for_the_training_is_no_class(checkpoints):
    predictor = mmuniformer.load(checkpoints['cls'])
    names = predictor.class_names
    predictor.loaded.net.data_preprocessor.num_classes = 1000
    assert predictor.class_names == names


@pytest.mark.parametrize('task', ['cls', 'video'])
def test_a_class(task, checkpoints, images, videos):
    predictor = mmuniformer.load(checkpoints[task])
    path = (videos if task == 'video' else images)[0]
    result = predictor(path)
    _view, target, score, drawn = asked(predictor, path)
    share = 100 * result.score
    assert target.name == f'{result.name} {share:.0f} %'
    assert not drawn.any()
    others = [
        asked(predictor, path, name)[2] for name in predictor.class_names
    ]
    assert others[result.label] == pytest.approx(score, rel=1e-5)
    # One clip of one crop: scores are the softmax of these.
    shares = np.exp(others) / np.exp(others).sum()
    np.testing.assert_allclose(shares, result.scores, atol=1e-4)
    assert asked(predictor, path, '2')[2] == pytest.approx(others[2])
    with pytest.raises(UserError, match='--box is for detectors'):
        asked(predictor, path, box=1)


def test_the_pixels_of_a_class(checkpoints, images):
    predictor = mmuniformer.load(checkpoints['seg'])
    result = predictor(images[0])
    view, target, score, drawn = asked(predictor, images[0])
    with torch.no_grad():
        logits = predictor.loaded.net(view.inputs, mode='tensor')[0].numpy()
    labels = logits.argmax(0)
    counts = np.bincount(labels.ravel(), minlength=7)
    counts[0] = 0  # Background.
    label = int(counts.argmax())
    assert target.name.startswith(predictor.classes[label])
    assert score == pytest.approx(
        logits[label][labels == label].mean(), rel=1e-4
    )
    assert drawn.any()
    # The map of the result is that of the logits, only larger.
    large = np.bincount(result.labels.ravel(), minlength=7)
    assert large[label] / large.sum() == pytest.approx(
        counts[label] / labels.size, abs=0.02
    )
    missing = [
        name
        for name, n in zip(predictor.classes, counts, strict=False)
        if not n
    ][1:]
    if missing:
        with pytest.raises(UserError, match='no pixel of the picture'):
            asked(predictor, images[0], missing[0])


def test_one_number_for_a_class_and_the_background():
    """Found from the threshold of the head on, as in predictions."""

    class Segmentor(torch.nn.Module):
        decode_head = SimpleNamespace(threshold=0.3)

        def forward(self, x, mode):
            return x[:, :1]

    shares = torch.tensor([0.1, 0.29, 0.31, 0.9])
    x = shares.logit().reshape(1, 1, 2, 2).expand(-1, 3, -1, -1)
    labels = _label_logits(Segmentor(), x)[0].argmax(0)
    assert labels.tolist() == [[0, 0], [1, 1]]


def test_a_keypoint(checkpoints, images):
    predictor = mmuniformer.load(checkpoints['pose'])
    view, target, score, drawn = asked(predictor, images[0])
    with torch.no_grad():
        maps = predictor.loaded.net(view.inputs, None, mode='tensor')[0]
    peaks = maps.flatten(1).amax(1)
    best = int(peaks.argmax())
    assert target.name.startswith(predictor.keypoints[best])
    assert score == pytest.approx(float(peaks.max()), rel=1e-5)
    knee = predictor.keypoints.index('left_knee')
    _, target, score, drawn = asked(predictor, images[0], 'left_knee')
    assert score == pytest.approx(float(peaks[knee]), rel=1e-5)
    # A ring around the place of the peak.
    row, column = divmod(int(maps[knee].argmax()), maps.shape[2])
    ring = np.argwhere(drawn).mean(0)
    scale = np.array(drawn.shape) / maps.shape[1:]
    expected = (np.array([row, column]) + 0.5) * scale
    if 8 < expected[0] < drawn.shape[0] - 8 and 8 < expected[1] < 88:
        assert np.abs(ring - expected).max() < 2


def test_boxes(checkpoints, images):
    predictor = mmuniformer.load(checkpoints['det'], threshold=0.05)
    result = predictor(images[0])
    best = result.names[0]
    own = result.scores[result.labels == result.labels[0]]
    assert len(own) > 1
    _, target, score, drawn = asked(predictor, images[0])
    assert target.name == f'{best} {own[0]:.2f} and {len(own) - 1} more'
    odds = np.log(own / (1 - own))
    assert drawn.any()
    _, target, first, _ = asked(predictor, images[0], best, 1)
    assert target.name == f'{best} {own[0]:.2f}'
    # A box that overlaps may be surer of the class, and is the same one.
    assert first == pytest.approx(odds[0], abs=1e-3)
    assert odds.mean() - 1e-3 <= score <= odds[0] + 1e-3
    with pytest.raises(UserError, match='--box 99: the detector finds'):
        asked(predictor, images[0], best, 99)
    strict = mmuniformer.load(checkpoints['det'], threshold=1.0)
    with pytest.raises(UserError, match='no object of a score of 1 or more'):
        asked(strict, images[0])


RETINANET = """
_base_ = [
    '{root}/configs/_base_/datasets/shapes_instance.py',
    '{root}/configs/_base_/default_runtime_det.py',
    'mmdet::_base_/models/retinanet_r50_fpn.py',
]
model = dict(
    backbone=dict(
        _delete_=True,
        type='mmuniformer.UniFormer',
        arch=dict(
            depths=(1, 1, 1, 1), embed_dims=(8, 16, 16, 16), head_dim=8
        ),
    ),
    neck=dict(in_channels=[8, 16, 16, 16], out_channels=16),
    bbox_head=dict(
        in_channels=16, feat_channels=16, stacked_convs=1, num_classes=6
    ),
)
"""


def test_boxes_of_one_stage(images, tmp_path):
    """Heads of mmdet that predict take their scores out of the graph."""
    from mmdet.models.dense_heads import base_dense_head
    from mmdet.models.utils import select_single_mlvl

    root = predict_models.QUICKSTART.parents[1]
    config = tmp_path / 'retinanet.py'
    config.write_text(RETINANET.format(root=root))
    cfg = load_config(str(config))
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope('mmdet'):
        model = MODELS.build(cfg.model)
    torch.nn.init.normal_(model.bbox_head.retina_cls.weight, std=0.02)
    torch.save(dict(state_dict=model.state_dict()), tmp_path / 'a.pth')
    predictor = mmuniformer.load(
        config, tmp_path / 'a.pth', threshold=0.1, device='cpu'
    )
    view, target, score, drawn = asked(predictor, images[0], box=1)
    assert drawn.any()
    assert np.isfinite(score)
    # The gradient is that of the score.
    x = view.inputs.clone().requires_grad_()
    target.scores(x).sum().backward()
    step = 1e-2 * x.grad / x.grad.norm()
    with torch.no_grad():
        ends = [float(target.scores(view.inputs + s * step)) for s in (1, -1)]
    slope = (ends[0] - ends[1]) / 2e-2
    assert slope == pytest.approx(float(x.grad.norm()), rel=0.05)
    assert base_dense_head.select_single_mlvl is select_single_mlvl


def test_a_box_is_found_again_by_its_place_and_class():
    boxes = torch.tensor([[0.0, 0, 10, 10], [20, 20, 30, 30]])
    again = InstanceData(
        bboxes=torch.tensor(
            [[0.0, 0, 10, 9], [0, 0, 10, 10], [20, 20, 30, 30], [0, 0, 9, 10]]
        ),
        scores=torch.tensor([0.8, 0.5, 0.9, 0.99]),
        labels=torch.tensor([1, 1, 0, 0]),
    )
    lost = np.log(1e-6 / (1 - 1e-6))
    (found,) = _log_odds([again], boxes, 1)
    # The second is there with another class only.
    assert float(found) == pytest.approx(
        (np.log(0.8 / 0.2) + lost) / 2, rel=1e-4
    )
    # One that is surer than the bounds has a gradient all the same.
    sure = torch.tensor([1 - 2.0**-23], requires_grad=True)
    one = InstanceData(bboxes=boxes[:1], scores=sure, labels=torch.ones(1))
    (found,) = _log_odds([one], boxes[:1], 1)
    assert float(found.detach()) == pytest.approx(-lost, rel=0.01)
    (grad,) = torch.autograd.grad(found, sure)
    assert grad.item() > 1e5
    (none,) = _log_odds([again[:0]], boxes, 1)
    assert float(none) == pytest.approx(lost, rel=1e-4)


def test_names():
    names = ('cat', 'dog', '7')
    assert choose('dog', names, 'class') == 1
    assert choose('0', names, 'class') == 0
    # A name before a number.
    assert choose('7', names, 'class') == 2
    for wrong in ('dgo', '3', '-1'):
        with pytest.raises(UserError, match=f'--target {wrong}: .* no such'):
            choose(wrong, names, 'class')
    with pytest.raises(UserError, match=r'did you mean dog\?'):
        choose('dgo', names, 'class')
