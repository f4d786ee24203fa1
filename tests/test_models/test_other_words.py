"""Arguments of other backbones, as a config brings them."""

import inspect

import pytest
import torch
from mmengine.config import Config

import mmuniformer
from mmuniformer import SettingError
from mmuniformer.engine.explain import readable_errors
from mmuniformer.errors import UserError
from mmuniformer.models.backbones.other_words import MEANINGS
from mmuniformer.registry import MODELS

BACKBONES = ('UniFormer', 'UniFormer3D', 'UniFormerLight', 'UniFormerLight3D')


@pytest.mark.parametrize('name', BACKBONES)
@pytest.mark.parametrize(
    ('word', 'value', 'instead'),
    [
        ('depth', 50, "arch='small'"),
        ('norm_cfg', dict(type='BN'), "sync_bn='torch'"),
        ('style', 'pytorch', 'nothing'),
        ('num_stages', 4, 'out_indices'),
        ('strides', (1, 2, 2, 2), '4, 8, 16 and 32'),
        ('dilations', (1, 1, 2, 4), '4, 8, 16 and 32'),
        ('pretrained', 'torchvision://resnet50', "type='Pretrained'"),
    ],
)
def test_what_stands_for_them(name, word, value, instead):
    with pytest.raises(SettingError) as raised:
        MODELS.build({'type': f'mmuniformer.{name}', word: value})
    text = str(raised.value)
    assert text.startswith(f'{name} takes no {word}: ')
    assert instead in text
    assert '\n' not in text


def test_a_config_that_keeps_them(tmp_path):
    pytest.importorskip('mmdet')
    leaf = tmp_path / 'leaf.py'
    leaf.write_text(
        "_base_ = 'mmdet::_base_/models/retinanet_r50_fpn.py'\n"
        "model = dict(backbone=dict(type='mmuniformer.UniFormer'))\n"
    )
    cfg = Config.fromfile(leaf)
    with pytest.raises(SettingError) as raised:
        MODELS.build(cfg.model.backbone)
    text = str(raised.value)
    assert text.startswith(
        'UniFormer takes no depth, num_stages, norm_cfg, style'
    )
    assert '_delete_=True' in text


def test_own_words_are_no_others():
    for name in BACKBONES:
        own = inspect.signature(getattr(mmuniformer, name)).parameters
        assert set(own) & set(MEANINGS) <= {'depth', 'window_size'}
    arch = dict(depths=(1,) * 4, embed_dims=(8,) * 4, head_dim=8)
    video = mmuniformer.UniFormer3D(arch, depth=(1, 1, 1, 2))
    assert len(video.blocks4) == 2
    image = mmuniformer.UniFormer(arch, stage3='window', window_size=2)
    assert image(torch.rand(1, 3, 32, 32))[3].shape == (1, 8, 1, 1)


@pytest.mark.parametrize('name', BACKBONES)
def test_words_that_nobody_knows_may_be_inherited_as_well(name):
    # Has a UniFormer, too, of other arguments.
    pytest.importorskip('mmaction.models')
    # Of mmdet's ConvNeXt, whose other arguments ours has, too.
    node = {'type': f'mmuniformer.{name}', 'gap_before_final_norm': False}
    with pytest.raises(TypeError) as raised:
        MODELS.build(node)
    text = str(raised.value)
    assert text.startswith(
        f'{name}.__init__() got an unexpected keyword argument '
        "'gap_before_final_norm'. "
    )
    assert 'backbone=dict(_delete_=True, ...)' in text
    cfg = Config(dict(model=dict(backbone=node)))
    with pytest.raises(UserError) as told, readable_errors(cfg):
        MODELS.build(cfg.model.backbone)
    text = str(told.value)
    assert text.startswith(f"model.backbone: {name} takes no argument 'gap_")
    assert 'it takes arch, ' in text
    assert text.endswith(
        '. Where the config inherits another backbone, '
        'backbone=dict(_delete_=True, ...) takes its arguments away'
    )


@pytest.mark.parametrize(
    'place',
    [
        'mmdet.models.backbones.resnet.ResNet',
        'mmdet.models.backbones.swin.SwinTransformer',
        'mmseg.models.backbones.resnet.ResNetV1c',
        'mmaction.models.backbones.resnet.ResNet',
    ],
)
def test_all_words_of_common_backbones(place):
    module, _, name = place.rpartition('.')
    module = pytest.importorskip(module)
    cls = getattr(module, name)
    words = {
        word
        for parent in cls.__mro__[:-1]
        if parent.__module__.startswith('mm')
        for word, p in inspect.signature(parent.__init__).parameters.items()
        if p.kind is p.POSITIONAL_OR_KEYWORD and word != 'self'
    }
    own = set(inspect.signature(mmuniformer.UniFormer).parameters)
    assert words - own - set(MEANINGS) <= {'partial_bn', 'in_chans'}


@pytest.mark.parametrize(
    'init_cfg', ['weights.pth', ['weights.pth'], dict(checkpoint='a.pth')]
)
def test_weights_that_are_named_alone(init_cfg):
    with pytest.raises(SettingError, match=r'init_cfg must be dict\(type='):
        mmuniformer.UniFormer(init_cfg=init_cfg)


def test_own_words_of_another_meaning():
    with pytest.raises(SettingError, match='inflate must be a bool'):
        mmuniformer.UniFormer3D(inflate=(0, 0, 1, 1))
