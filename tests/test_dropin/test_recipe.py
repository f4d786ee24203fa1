"""What goes with a backbone: colours and weights."""

from pathlib import Path

import pytest
from mmengine.config import Config
from mmengine.model import PretrainedInit

from mmuniformer.dropin.recipe import (
    CLIP_MEAN,
    MEAN,
    STD,
    compare_weights,
    find_teachers,
    fit_colours,
    forget_weights,
    stop_distilling,
)

PRETRAINED = dict(type='Pretrained', checkpoint='x.pth')


def config(**keys) -> Config:
    keys.setdefault('default_scope', 'mmdet')
    keys.setdefault('model', dict(backbone=dict(type='ResNet')))
    return Config(keys)


def test_bgr_becomes_rgb_in_all_preprocessors():
    inner = dict(
        type='DetDataPreprocessor',
        mean=[103.53, 116.28, 123.675],
        std=[1.0, 1.0, 1.0],
        bgr_to_rgb=False,
        pad_size_divisor=32,
    )
    cfg = config(
        model=dict(
            data_preprocessor=dict(type='Multi', data_preprocessor=inner),
            detector=dict(
                backbone=dict(type='ResNet'), data_preprocessor=inner
            ),
        )
    )
    fit_colours(cfg, clips=False)
    wanted = dict(inner, mean=MEAN, std=STD, bgr_to_rgb=True)
    model = cfg.model
    assert model.data_preprocessor.data_preprocessor == wanted
    assert model.detector.data_preprocessor == wanted
    assert 'mean' not in model.data_preprocessor


def test_the_preprocessor_of_mmpretrain_is_at_the_top():
    cfg = config(
        default_scope='mmpretrain', data_preprocessor=dict(num_classes=10)
    )
    fit_colours(cfg, clips=False)
    assert cfg.data_preprocessor == dict(
        num_classes=10, mean=MEAN, std=STD, to_rgb=True
    )


@pytest.mark.parametrize(
    ('kind', 'key'),
    [
        ('ReIDDataPreprocessor', 'to_rgb'),
        # Through the arguments of its parent.
        ('BoxInstDataPreprocessor', 'bgr_to_rgb'),
        ('mmseg.SegDataPreProcessor', 'bgr_to_rgb'),
        ('mmpretrain.SelfSupDataPreprocessor', 'to_rgb'),
    ],
)
def test_a_preprocessor_gets_the_argument_that_it_has(kind, key):
    cfg = config(model=dict(data_preprocessor=dict(type=kind)))
    fit_colours(cfg, clips=False)
    wanted = {'type': kind, 'mean': MEAN, 'std': STD, key: True}
    assert cfg.model.data_preprocessor == wanted


def test_what_a_pipeline_normalises_is_not_normalised_again():
    load = dict(type='LoadImageFromFile')
    normalize = dict(
        type='Normalize',
        mean=[103.5, 116.3, 123.7],
        std=[1.0] * 3,
        to_rgb=False,
    )
    plain = dict(type='DetDataPreprocessor', pad_size_divisor=32)
    model = dict(backbone=dict(type='ResNet'), data_preprocessor=plain)
    loader = dict(dataset=dict(pipeline=[load, normalize]))
    cfg = config(model=model, train_dataloader=loader)
    fit_colours(cfg, clips=False)
    assert cfg.model.data_preprocessor == plain
    assert cfg.train_dataloader.dataset.pipeline[1] == dict(
        type='Normalize', mean=MEAN, std=STD, to_rgb=True
    )
    # The pipelines of the last epochs, and of tests with flips.
    late = dict(type='PipelineSwitchHook', switch_pipeline=[load, normalize])
    flips = [load, dict(type='TestTimeAug', transforms=[[normalize]])]
    cfg = config(model=model, custom_hooks=[late], tta_pipeline=flips)
    fit_colours(cfg, clips=False)
    assert cfg.custom_hooks[0].switch_pipeline[1].mean == MEAN
    assert cfg.tta_pipeline[1].transforms[0][0].to_rgb is True
    # Pictures as they are, such as YOLOX', are normalised nowhere.
    loader = dict(dataset=dict(pipeline=[load]))
    cfg = config(model=model, train_dataloader=loader)
    fit_colours(cfg, clips=False)
    assert cfg.model.data_preprocessor == dict(
        plain, mean=MEAN, std=STD, bgr_to_rgb=True
    )


def test_clips_are_rgb_and_have_a_mean_of_their_own():
    model = dict(
        data_preprocessor=dict(type='ActionDataPreprocessor', mean=[1, 1, 1])
    )
    cfg = config(default_scope='mmaction', model=model)
    fit_colours(cfg, clips=True)
    assert cfg.model.data_preprocessor.mean == CLIP_MEAN
    assert 'bgr_to_rgb' not in cfg.model.data_preprocessor


def test_heatmaps_of_joints_keep_their_numbers():
    mean = [0.5] * 17
    model = dict(data_preprocessor=dict(mean=mean, std=mean))
    cfg = config(default_scope='mmaction', model=model)
    fit_colours(cfg, clips=True)
    assert cfg.model.data_preprocessor == dict(mean=mean, std=mean)


@pytest.mark.parametrize('key', ['load_from', 'init_cfg', 'pretrained'])
def test_files_with_the_hosts_backbone_are_left_out(key):
    model = dict(backbone=dict(type='ResNet'))
    cfg = config(model=model)
    if key == 'load_from':
        cfg.load_from = 'https://x/detector.pth'
    elif key == 'init_cfg':
        cfg.model.init_cfg = dict(type='Pretrained', checkpoint='x.pth')
    else:
        cfg.model.pretrained = 'open-mmlab://resnet50'
    forget_weights(cfg)
    assert cfg.get('load_from') is None
    assert cfg.model.get(key) is None


@pytest.mark.parametrize('kind', ['LeViTClsHead', 'EfficientFormerClsHead'])
def test_heads_do_not_distil(kind):
    head = dict(type=kind, num_classes=10)
    cfg = config(model=dict(backbone=dict(), head=head))
    (told,) = stop_distilling(cfg)
    assert 'distillation=False' in told
    assert cfg.model.head == dict(head, distillation=False)
    assert not stop_distilling(cfg)


def test_the_config_of_a_teacher_is_looked_up_where_it_is_installed():
    name = 'configs/gfl/gfl_r101_fpn_ms-2x_coco.py'
    cfg = config(model=dict(teacher_config=name))
    (told,) = find_teachers(cfg)
    assert name in told
    found = Path(cfg.model.teacher_config)
    assert found.is_file()
    assert found.as_posix().endswith(f'mmdet/.mim/{name}')
    cfg = config(model=dict(teacher_config='configs/no.py'))
    assert not find_teachers(cfg)
    assert cfg.model.teacher_config == 'configs/no.py'


@pytest.mark.parametrize(
    ('model', 'checkpoint', 'said'),
    [
        (dict(backbone=dict(type='ResNet')), 'a.pth', True),
        (dict(backbone=dict(type='ResNet')), '', False),
        (
            dict(backbone=dict(type='ResNet', init_cfg=PRETRAINED)),
            'a.pth',
            False,
        ),
        (
            dict(backbone=dict(type='ResNet', init_cfg=[PRETRAINED])),
            'a.pth',
            False,
        ),
        (
            dict(
                backbone=dict(
                    type='ResNet', init_cfg=dict(type=PretrainedInit)
                )
            ),
            'a.pth',
            False,
        ),
        (dict(pretrained='b.pth', backbone=dict(type='R')), 'a.pth', False),
    ],
)
def test_weights_that_the_host_does_without_are_said(model, checkpoint, said):
    cfg = config(model=model)
    backbone = cfg.model.backbone
    told = compare_weights(cfg, 'model.backbone', backbone, checkpoint)
    assert bool(told) is said


@pytest.mark.parametrize('key', ['init_cfg', 'pretrained'])
def test_weights_of_a_model_within_another_are_those_of_its_backbone(key):
    values = dict(init_cfg=PRETRAINED, pretrained='a.pth')
    reid = {'backbone': dict(type='ResNet'), key: values[key]}
    plain = dict(backbone=dict(type='ResNet'))
    cfg = config(model=dict(detector=plain, reid=reid))
    for name, model, said in (('detector', plain, 1), ('reid', reid, 0)):
        path = f'model.{name}.backbone'
        told = compare_weights(cfg, path, model['backbone'], 'b.pth')
        assert len(told) == said


@pytest.mark.parametrize(
    ('checkpoint', 'backbone', 'said'),
    [
        # '' is what a user asks for.
        (None, dict(type='ResNet', init_cfg=PRETRAINED), True),
        ('', dict(type='ResNet', init_cfg=PRETRAINED), False),
        (None, dict(type='ResNet'), False),
    ],
)
def test_weights_that_the_host_has_and_ours_not_are_said(
    checkpoint, backbone, said
):
    cfg = config(model=dict(backbone=backbone))
    told = compare_weights(cfg, 'model.backbone', backbone, checkpoint)
    assert ['from no weights; --checkpoint' in line for line in told] == (
        [True] * said
    )


def test_lora_does_not_go_under():
    lora = dict(type='LoRAModel', module=dict(type='V', init_cfg=PRETRAINED))
    cfg = config(model=dict(backbone=lora))
    (told,) = compare_weights(cfg, 'model.backbone', lora, 'a.pth')
    assert 'LoRAModel is left out' in told
