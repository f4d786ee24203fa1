"""Learning rates that fall layer by layer, in every host library."""

import pytest
import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import MODELS, init_default_scope
from torch import nn

from mmuniformer import UniFormer, UniFormer3D, UniFormerLight, UserError
from mmuniformer.checks.layer_decay import check_layer_decay
from mmuniformer.engine.layer_decay import LayerDecayOptimWrapperConstructor

ARCH = dict(depths=(1, 2, 2, 1), embed_dims=(8, 16, 32, 64), head_dim=8)
BACKBONE = dict(type='mmuniformer.UniFormer', arch=ARCH)
OURS = 'mmuniformer.LayerDecayOptimWrapperConstructor'
RATE = 0.5
# Layers: an embedding, six blocks, the head.
LAYERS = {
    'patch_embed1.proj.weight': 0,
    'blocks1.0.conv1.weight': 1,
    'patch_embed2.norm.bias': 1,
    'blocks2.0.pos_embed.weight': 2,
    'blocks2.1.mlp.fc1.bias': 3,
    'patch_embed3.proj.weight': 3,
    'blocks3.1.attn.qkv.weight': 5,
    'blocks4.0.norm2.weight': 6,
    'norm1.weight': 7,
    'norm4.bias': 7,
}


def wrapper(model, constructor=OURS, **paramwise):
    paramwise = dict(dict(layer_decay_rate=RATE), **paramwise)
    return build_optim_wrapper(
        model,
        dict(
            type='OptimWrapper',
            optimizer=dict(type='AdamW', lr=1.0, weight_decay=0.1),
            constructor=constructor,
            paramwise_cfg=paramwise,
        ),
    )


def rates(model, **paramwise):
    """Learning rate of each parameter by its name."""
    groups = wrapper(model, **paramwise).optimizer.param_groups
    names = {p: name for name, p in model.named_parameters()}
    return {names[g['params'][0]]: g['lr'] for g in groups}


def test_depths_of_parameters():
    model = UniFormer(ARCH)
    for name, layer in LAYERS.items():
        assert model.get_layer_depth(name) == (layer, 8), name
        assert model.get_layer_depth(f'a.{name}', 'a.') == (layer, 8), name
    assert model.get_layer_depth('head.weight', 'a.') == (7, 8)
    short = UniFormer(ARCH, out_indices=(1,))
    assert short.get_layer_depth('blocks2.1.conv1.weight') == (3, 5)
    assert short.get_layer_depth('norm2.weight') == (4, 5)
    light = UniFormerLight(ARCH)
    assert light.get_layer_depth('cls_token') == (3, 8)
    assert light.get_layer_depth('cls_upsample.weight') == (5, 8)
    video = UniFormer3D(ARCH)
    assert video.get_layer_depth('norm.weight') == (7, 8)


MODELS_OF_HOSTS = {
    'mmdet': dict(
        type='RetinaNet',
        backbone=BACKBONE,
        neck=dict(
            type='FPN', in_channels=[8, 16, 32, 64], out_channels=8, num_outs=5
        ),
        bbox_head=dict(
            type='RetinaHead', num_classes=2, in_channels=8, feat_channels=8
        ),
    ),
    'mmseg': dict(
        type='EncoderDecoder',
        backbone=BACKBONE,
        decode_head=dict(
            type='FCNHead', in_channels=64, channels=8, num_classes=2
        ),
    ),
    'mmpose': dict(
        type='TopdownPoseEstimator',
        backbone=BACKBONE,
        head=dict(
            type='RegressionHead', in_channels=64, num_joints=3
        ),
    ),
    'mmaction': dict(
        type='Recognizer3D',
        backbone=dict(BACKBONE, type='mmuniformer.UniFormer3D'),
        cls_head=dict(type='I3DHead', in_channels=64, num_classes=2),
    ),
    'mmpretrain': dict(
        type='ImageClassifier',
        backbone=BACKBONE,
        neck=dict(type='GlobalAveragePooling'),
        head=dict(type='LinearClsHead', in_channels=64, num_classes=2),
    ),
}  # fmt: skip


@pytest.mark.parametrize('host', MODELS_OF_HOSTS)
def test_in_every_library(host):
    pytest.importorskip(f'{host}.models')
    init_default_scope(host)
    model = MODELS.build(MODELS_OF_HOSTS[host])
    found = rates(model)
    assert found['backbone.patch_embed1.proj.weight'] == RATE**7
    assert found['backbone.blocks3.1.attn.qkv.weight'] == RATE**2
    outside = [n for n in found if not n.startswith('backbone.')]
    assert outside
    assert all(found[name] == 1 for name in outside)
    assert len(found) == len(list(model.parameters()))


def test_the_constructor_of_mmpretrain_agrees():
    pytest.importorskip('mmpretrain.models')
    init_default_scope('mmpretrain')
    model = MODELS.build(MODELS_OF_HOSTS['mmpretrain'])
    theirs = 'mmpretrain.LearningRateDecayOptimWrapperConstructor'
    groups = wrapper(model, theirs).optimizer.param_groups
    names = {p: name for name, p in model.named_parameters()}
    found = rates(model)
    for group in groups:
        assert group['lr'] == found[names[group['params'][0]]]


class Teacher(nn.Module):
    def __init__(self):
        super().__init__()
        self.student = nn.ModuleDict(dict(backbone=UniFormer(ARCH)))
        self.head = nn.Linear(2, 2)


def test_other_options_and_nested_models():
    model = Teacher()
    model.student.backbone.blocks1.requires_grad_(False)
    found = rates(
        model,
        norm_decay_mult=0.0,
        custom_keys=dict(qkv=dict(lr_mult=0.1, decay_mult=0.0)),
    )
    prefix = 'student.backbone.'
    assert found[f'{prefix}blocks3.1.attn.qkv.weight'] == 0.1 * RATE**2
    assert found[f'{prefix}patch_embed1.norm.weight'] == RATE**7
    assert found['head.weight'] == 1
    assert not any('blocks1' in name for name in found)
    groups = wrapper(model, norm_decay_mult=0.0).optimizer.param_groups
    decays = {g['param_name']: g['weight_decay'] for g in groups
              if 'weight_decay' in g}  # fmt: skip
    assert decays[f'{prefix}patch_embed1.norm.weight'] == 0
    assert decays['head.weight'] == 0.1


@pytest.mark.parametrize(
    'constructor',
    [OURS, 'mmpretrain.LearningRateDecayOptimWrapperConstructor'],
)
def test_within_an_adapter(constructor):
    pytest.importorskip('mmpretrain.models')
    init_default_scope('mmpretrain')
    model = dict(MODELS_OF_HOSTS['mmpretrain'])
    model['backbone'] = dict(
        type='LoRAModel', module=BACKBONE, rank=2, targets=[dict(type='qkv')]
    )
    model = MODELS.build(model)
    groups = wrapper(model, constructor).optimizer.param_groups
    found = {
        g['param_name']: g['lr']
        for g in groups
        if g['params'][0].requires_grad
    }
    prefix = 'backbone.module.'
    assert found[f'{prefix}blocks3.0.attn.qkv.lora_up.weight'] == RATE**3
    assert found[f'{prefix}blocks4.0.attn.qkv.lora_down.weight'] == RATE
    assert found['head.fc.weight'] == 1


def test_a_guest_within_an_adapter():
    pytest.importorskip('mmpretrain.models')
    init_default_scope('mmpretrain')
    guest = dict(type='VisionTransformer', arch='deit-t', img_size=32)
    adapter = dict(
        type='LoRAModel', module=guest, rank=2, targets=[dict(type='qkv')]
    )
    found = rates(nn.ModuleDict(dict(backbone=MODELS.build(adapter))))
    place = 'backbone.module.layers.0.attn.qkv.lora_up.weight'
    assert found[place] == RATE**12


def test_backbones_of_other_names():
    model = nn.ModuleDict(dict(image_encoder=nn.Sequential(UniFormer(ARCH))))
    found = rates(model)
    assert found['image_encoder.0.blocks4.0.norm2.weight'] == RATE


def test_mistakes():
    with pytest.raises(UserError, match='has no lr'):
        build_optim_wrapper(Teacher(), dict(
            optimizer=dict(type='AdamW'), constructor=OURS,
            paramwise_cfg=dict(layer_decay_rate=RATE)))  # fmt: skip
    with pytest.raises(UserError, match='num_layers'):
        wrapper(Teacher(), num_layers=12)
    with pytest.raises(UserError, match='layer_decay_rate must be'):
        wrapper(Teacher(), layer_decay_rate=None)
    with pytest.raises(UserError, match='Linear has no backbone'):
        wrapper(nn.Linear(2, 2))


@pytest.mark.parametrize(
    'constructor',
    [
        'LayerDecayOptimWrapperConstructor',
        'LearningRateDecayOptimizerConstructor',
        'mmseg.LayerDecayOptimizerConstructor',
    ],
)
def test_constructors_that_do_not_know_our_layers(constructor):
    def found(constructor, backbone):
        return list(check_layer_decay(Config(dict(
            model=dict(backbone=dict(type=backbone)),
            optim_wrapper=dict(constructor=constructor)))))  # fmt: skip

    (finding,) = found(constructor, 'mmuniformer.UniFormer')
    assert finding.level == 'error'
    assert OURS in finding.mend
    assert found(constructor, 'mmpretrain.BEiTViT') == []
    assert found(OURS, 'mmuniformer.UniFormer') == []
    theirs = 'LearningRateDecayOptimWrapperConstructor'
    assert found(theirs, 'mmuniformer.UniFormer') == []


def test_constructors_of_pure_python_configs():
    mmpose = pytest.importorskip('mmpose.engine.optim_wrappers')

    def found(constructor, backbone):
        return list(check_layer_decay(Config(dict(
            model=dict(backbone=backbone),
            optim_wrapper=dict(constructor=constructor)))))  # fmt: skip

    theirs = mmpose.LayerDecayOptimWrapperConstructor
    ours = LayerDecayOptimWrapperConstructor
    assert len(found(theirs, dict(type=UniFormer))) == 1
    assert found(theirs, dict(type='mmpose.HRNet')) == []
    lora = dict(type='mmpretrain.LoRAModel', module=BACKBONE)
    assert len(found(theirs, lora)) == 1
    for given in (ours, f'{ours.__module__}.{ours.__name__}'):
        assert found(given, dict(type=UniFormer)) == []


def test_a_step():
    model = UniFormer(ARCH)
    holder = nn.ModuleDict(dict(backbone=model))
    optim = wrapper(holder)
    before = model.norm4.weight.detach().clone()
    loss = sum(o.square().mean() for o in model(torch.rand(2, 3, 32, 32)))
    optim.update_params(loss)
    assert not torch.equal(model.norm4.weight, before)
