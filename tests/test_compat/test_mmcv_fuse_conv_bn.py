"""mmcv's folding on models with parts of ours, and on others."""

import importlib

import mmcv.cnn
import pytest
import torch
from golden_data import fill, relative_l2
from mmcv.cnn import ConvModule, fuse_conv_bn
from torch import nn

from mmuniformer.compat import mmcv_fuse_conv_bn
from mmuniformer.compat.replacing import is_replaced
from mmuniformer.models import UniFormer

TINY = dict(depths=(1, 1, 1, 1), embed_dims=(8, 16, 32, 32), head_dim=16)


def compare(model, fold):
    """Relative error of the last output after folding."""
    x = torch.rand(1, 3, 64, 64, dtype=torch.float64)
    model = model.double().eval()
    with torch.no_grad():
        expected = model(x)[-1]
        actual = fold(model)(x)[-1]
    return relative_l2(actual.numpy(), expected.numpy())


def test_ours_is_folded_as_it_is_meant_to_be():
    backbone = fill(UniFormer(TINY))
    # A detector is a module around it.
    assert compare(nn.Sequential(backbone), fuse_conv_bn) < 1e-12
    assert backbone.deploy


def test_the_defect_is_there():
    block = fill(UniFormer(TINY)).blocks1[0].double().eval()
    x = torch.rand(1, 8, 6, 6, dtype=torch.float64)
    expected = block(x)
    assert not torch.allclose(
        fuse_conv_bn.__wrapped__(block)(x), expected, rtol=0.1
    )


def test_who_holds_the_original_is_served_too():
    """It calls itself by the name that was replaced."""
    assert compare(fill(UniFormer(TINY)), fuse_conv_bn.__wrapped__) < 1e-12


@pytest.mark.parametrize('bias', [True, False])
def test_others_are_folded_as_before(bias):
    layers = nn.Sequential(
        nn.Conv2d(3, 4, 3, bias=bias),
        nn.BatchNorm2d(4),
        ConvModule(4, 2, 3, norm_cfg=dict(type='BN')),
    )
    assert compare(fill(layers), fuse_conv_bn) < 1e-12
    assert isinstance(layers[1], nn.Identity)
    assert isinstance(layers[2].bn, nn.Identity)


def test_it_reaches_those_who_imported_the_function_before(monkeypatch):
    # mmcv names a package and a module in it alike.
    module = importlib.import_module(mmcv_fuse_conv_bn.MODULE)
    original = fuse_conv_bn.__wrapped__
    for place in (module, mmcv.cnn.utils, mmcv.cnn):
        monkeypatch.setattr(place, 'fuse_conv_bn', original)
    assert mmcv_fuse_conv_bn.status().state == 'broken'
    mmcv_fuse_conv_bn.apply()
    ours = module.fuse_conv_bn
    assert is_replaced(ours, by=mmcv_fuse_conv_bn.__name__)
    assert ours.__wrapped__ is original
    assert mmcv.cnn.fuse_conv_bn is mmcv.cnn.utils.fuse_conv_bn is ours
    assert mmcv_fuse_conv_bn.status().state == 'active'
