"""What is said of a file of another model."""

import re

import pytest
import torch
from torch import nn

from mmuniformer.checkpoint.matching import HEADS, describe_mismatch
from mmuniformer.models import UniFormer


def holding(name: str, rows: int, width: int) -> nn.Module:
    """A model with one parameter of that name."""
    *outer, last = name.split('.')
    model = nn.Module()
    inner = model
    for part in outer:
        inner.add_module(part, nn.Module())
        inner = inner.get_submodule(part)
    inner.register_parameter(last, nn.Parameter(torch.zeros(rows, width)))
    return model


@pytest.mark.parametrize(
    ('name', 'rows', 'said'),
    [
        ('head.fc.weight', 10, 'trained on 10 classes and the config has 20'),
        ('cls_head.head.fc_cls.weight', 10, 'trained on 10 classes'),
        (
            'decode_head.conv_seg.weight',
            19,
            r'19 .* \(model\.decode_head\.num',
        ),
        # With a row for the background.
        ('roi_head.bbox_head.fc_cls.weight', 21, '20 classes .* has 19'),
        (
            'roi_head.bbox_head.0.fc_cls.weight',
            21,
            r'20 .* \(model\.roi_head\.bbox_head\.0\.num_classes\)',
        ),
        ('head.final_layer.weight', 17, r'17 keypoints .*out_channels'),
    ],
)
def test_other_classes(name, rows, said):
    assert name in HEADS
    state = holding(name, rows, 4).state_dict()
    told = describe_mismatch(holding(name, 20, 4), state, 'a.pth')
    assert re.search(said, told)
    assert 'take the config of its data set' in told


@pytest.mark.parametrize('name', HEADS)
def test_another_backbone_is_not_one_of_other_classes(name):
    """As many rows, of another width."""
    state = holding(name, 20, 5).state_dict()
    told = describe_mismatch(holding(name, 20, 4), state, 'a.pth')
    assert '1 of another shape' in told
    assert 'trained on' not in told
    assert describe_mismatch(holding(name, 20, 5), state, 'a.pth') is None


def backbone(depth: int) -> nn.Module:
    model = nn.Module()
    arch = dict(depths=[1, 1, depth, 1], embed_dims=[8, 8, 16, 16], head_dim=8)
    model.backbone = UniFormer(arch)
    return model


def test_a_deeper_model_has_all_names_of_another():
    deep, flat = backbone(3), backbone(1)
    assert describe_mismatch(deep, deep.state_dict(), 'a.pth') is None
    told = describe_mismatch(flat, deep.state_dict(), 'a.pth')
    assert told.endswith(
        'the file is of a deeper backbone, with backbone.blocks3.1, '
        'backbone.blocks3.2: take the config of that one'
    )
    # What else it holds does no harm.
    more = {**flat.state_dict(), 'ema.decay': torch.zeros(1)}
    assert describe_mismatch(flat, more, 'a.pth') is None
    wrapped = {f'module.{k}': v for k, v in deep.state_dict().items()}
    assert 'deeper' in describe_mismatch(flat, wrapped, 'a.pth')
