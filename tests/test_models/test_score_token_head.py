"""The head that trains the score token, in both libraries that classify."""

import pytest
import torch
from golden_data import fill
from mmengine.registry import MODELS, init_default_scope

from mmuniformer.models import ScoreTokenHead

TINY = dict(
    depths=(1, 1, 2, 1), embed_dims=(16, 32, 64, 96), head_dim=16, mlp_ratio=3
)
CLASSES = 5


def image_classifier(**kwargs):
    pytest.importorskip('mmpretrain')
    init_default_scope('mmpretrain')
    from mmpretrain.structures import DataSample

    model = MODELS.build(
        dict(
            type='ImageClassifier',
            backbone=dict(
                type='mmuniformer.UniFormerLight',
                arch=TINY,
                classifier=True,
                with_token=True,
                out_indices=(3,),
            ),
            neck=dict(type='GlobalAveragePooling'),
            head=dict(
                type='mmuniformer.ScoreTokenHead',
                head_type='LinearClsHead',
                in_channels=96,
                num_classes=CLASSES,
                **kwargs,
            ),
        )
    )
    samples = [DataSample().set_gt_label(label) for label in (1, 4)]
    return fill(model), torch.rand(2, 3, 64, 64), samples


def recognizer(**kwargs):
    pytest.importorskip('mmaction')
    init_default_scope('mmaction')
    from mmaction.structures import ActionDataSample

    model = MODELS.build(
        dict(
            type='Recognizer3D',
            backbone=dict(
                type='mmuniformer.UniFormerLight3D', arch=TINY, with_token=True
            ),
            cls_head=dict(
                type='mmuniformer.ScoreTokenHead',
                head_type='I3DHead',
                in_channels=96,
                num_classes=CLASSES,
                dropout_ratio=0.0,
                average_clips='score',
                **kwargs,
            ),
        )
    )
    samples = [ActionDataSample().set_gt_label(label) for label in (1, 4)]
    # One view of four frames for each sample.
    return fill(model), torch.rand(2, 1, 3, 4, 64, 64), samples


BOTH = pytest.mark.parametrize('build', [image_classifier, recognizer])


def head_of(model):
    return model.head if hasattr(model, 'head') else model.cls_head


def logits(model, x, which):
    """Of the map (0) or the token (1), by hand."""
    feature = model.backbone(x if x.dim() == 4 else x[:, 0])[which]
    head = head_of(model)
    linear = [head.head, head.token_head][which]
    linear = linear.fc if hasattr(linear, 'fc') else linear.fc_cls
    return linear(feature.flatten(2).mean(2))


@BOTH
@pytest.mark.parametrize('token_weight', [0.5, 0.1])
def test_losses(build, token_weight):
    model, x, samples = build(token_weight=token_weight)
    model.eval()
    losses = model(x, samples, mode='loss')
    total, _ = model.parse_losses(losses)
    labels = torch.tensor([1, 4])
    of_map, of_token = (
        torch.nn.functional.cross_entropy(logits(model, x, i), labels)
        for i in (0, 1)
    )
    expected = (1 - token_weight) * of_map + token_weight * of_token
    torch.testing.assert_close(total, expected)
    assert sum('loss' in name for name in losses) == 2
    assert sum(name.startswith('token_') for name in losses) >= 1


@BOTH
def test_training_reaches_all_parameters(build):
    model, x, samples = build()
    total, _ = model.parse_losses(model.train()(x, samples, mode='loss'))
    total.backward()
    assert all(p.grad is not None for p in model.parameters())
    token_head = head_of(model).token_head
    assert all(p.grad.abs().sum() > 0 for p in token_head.parameters())


@BOTH
def test_predictions_are_those_of_the_map(build):
    model, x, samples = build()
    model.eval()
    with torch.no_grad():
        expected = logits(model, x, 0)
        predicted = model(x, samples, mode='predict')
        tensor = model(x, mode='tensor')
        token = logits(model, x, 1)
    scores = torch.stack([sample.pred_score for sample in predicted])
    if build is image_classifier:
        torch.testing.assert_close(scores, expected.softmax(1))
        torch.testing.assert_close(tensor, expected)
    else:
        torch.testing.assert_close(scores, expected)
    assert not torch.allclose(expected, token)


@BOTH
def test_two_heads_start_from_different_weights(build):
    model, _, _ = build()
    model.init_weights()
    head = head_of(model)
    one, other = (h.state_dict() for h in (head.head, head.token_head))
    assert one.keys() == other.keys()
    assert any(not one[key].equal(other[key]) for key in one)


def test_backbone_without_the_token():
    """It can be tested, and not trained."""
    model, x, samples = recognizer()
    plain = dict(
        type='mmuniformer.UniFormerLight3D', arch=TINY, with_token=False
    )
    expected = model.eval()(x, samples, mode='predict')
    state_dict = model.backbone.state_dict()
    model.backbone = MODELS.build(plain)
    model.backbone.load_state_dict(
        {k: v for k, v in state_dict.items() if 'norm_cls' not in k}
    )
    again = model.eval()(x, samples, mode='predict')
    for one, other in zip(expected, again, strict=True):
        torch.testing.assert_close(one.pred_score, other.pred_score)
    with pytest.raises(ValueError, match='with_token=True'):
        model.train()(x, samples, mode='loss')


def test_wrong_weight_is_named():
    with pytest.raises(ValueError, match=r'token_weight.*\[0, 1\].*1\.5'):
        ScoreTokenHead('LinearClsHead', token_weight=1.5)
