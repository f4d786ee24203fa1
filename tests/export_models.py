"""Models of one block a stage, with seeded weights, and what they export."""

from functools import cache
from pathlib import Path

import torch
from mmengine.registry import MODELS, DefaultScope
from predict_models import QUICKSTART, SCORES
from torch import nn

from mmuniformer.engine.config import load_config

ARCH = """
arch = dict(
    _delete_=True, depths=(1, 1, 1, 1), embed_dims=(16, 16, 32, 32),
    head_dim=16, conv_stem=True)
"""
MODEL = {
    'cls': """
model = dict(backbone=dict(arch=arch), head=dict(in_channels=32))
""",
    'seg': """
model = dict(backbone=dict(arch=arch), neck=dict(
    in_channels=[16, 16, 32, 32], out_channels=16),
    decode_head=dict(in_channels=[16] * 4, channels=16))
""",
    'pose': """
model = dict(backbone=dict(arch=arch), head=dict(
    in_channels=32, deconv_out_channels=(16, 16)))
""",
    'video': """
arch['conv_stem'] = False
model = dict(backbone=dict(arch=arch), cls_head=dict(in_channels=32))
""",
    'two-stage': """
model = dict(backbone=dict(arch=arch), neck=dict(
    in_channels=[16, 16, 32, 32]))
""",
    'det': """
arch.pop('_delete_')
model = dict(
    backbone=dict(
        _delete_=True, type='mmuniformer.UniFormer', arch=arch,
        out_indices=(1, 2, 3)),
    neck=dict(
        _delete_=True, type='FPN', in_channels=[16, 32, 32], out_channels=16,
        num_outs=4),
    bbox_head=dict(
        num_classes=6, in_channels=16, feat_channels=16, stacked_convs=1,
        anchor_generator=dict(
            octave_base_scale=4, strides=[8, 16, 32, 64])))
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=1)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
optim_wrapper = dict(optimizer=dict(type='SGD', lr=0.01))
""",
}
BASES = {
    'cls': ['uniformer-tiny_shapes.py'],
    'seg': ['fpn_uniformer-tiny_shapes.py'],
    'pose': ['td-hm_uniformer-tiny_shapes.py'],
    'video': ['uniformer-tiny_8x2x1_shapes.py'],
    'two-stage': ['mask-rcnn_uniformer-tiny_fpn_shapes.py'],
    'det': [
        'mmdet::_base_/models/retinanet_r50_fpn.py',
        '../_base_/datasets/shapes_instance.py',
        '../_base_/default_runtime_det.py',
    ],
}


def write_config(task: str, folder: Path, more: str = '') -> str:
    """Writes the config of a task, with more at its end."""
    bases = [
        base if '::' in base else str((QUICKSTART / base).resolve())
        for base in BASES[task]
    ]
    path = folder / f'{task}_tiny.py'
    path.write_text(f'_base_ = {bases!r}\n' + ARCH + MODEL[task] + more)
    return str(path)


def write_checkpoint(config: str) -> str:
    """Writes seeded weights beside a config."""
    cfg = load_config(config)
    torch.manual_seed(0)
    if cfg.get('data_preprocessor'):
        cfg.model.setdefault('data_preprocessor', cfg.data_preprocessor)
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        model = MODELS.build(cfg.model)
    for name, module in model.named_modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
        if name.endswith(SCORES):
            nn.init.normal_(module.weight, std=0.3)
        if name.endswith('final_layer'):
            # Keypoints that are found.
            nn.init.constant_(module.bias, 0.5)
        if name.endswith('retina_cls'):
            # Scores that differ, and boxes near their anchors, as trained.
            nn.init.normal_(module.weight, std=0.05)
        if name.endswith('retina_reg'):
            nn.init.normal_(module.weight, std=0.01)
    path = Path(config).with_suffix('.pth')
    torch.save(dict(state_dict=model.state_dict()), path)
    return str(path)


@cache
def model_of(task: str, folder: Path, more: str = '') -> tuple[str, str]:
    """Config and checkpoint of a task."""
    config = write_config(task, folder, more)
    return config, write_checkpoint(config)


# Other backbones than the global one: the task, and what its config adds.
STYLES = {
    'window': (
        'cls',
        "model['backbone'].update(stage3='window', window_size=3)\n",
    ),
    'hybrid': (
        'seg',
        """
arch['depths'] = (1, 1, 4, 1)
model['backbone'].update(stage3='hybrid', window_size=3)
""",
    ),
    'light': (
        'cls',
        """
arch['conv_stem'] = False
model['backbone'].update(type='mmuniformer.UniFormerLight', with_token=True)
model['head'].update(
    type='mmuniformer.ScoreTokenHead', head_type='LinearClsHead')
""",
    ),
    'light video': (
        'video',
        """
model['backbone'].update(type='mmuniformer.UniFormerLight3D', with_token=True)
model['cls_head'].update(
    type='mmuniformer.ScoreTokenHead', head_type='I3DHead')
""",
    ),
    'divided video': (
        'video',
        "model['backbone'].update(attention='divided')\n",
    ),
}
