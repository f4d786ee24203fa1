"""Parts of the hosts that image recipes rely on, by the official values."""

import copy

import numpy as np
import pytest
import torch
from image_models import build, light, with_token_labels
from mmengine.dataset import Compose
from mmengine.hooks import EMAHook
from mmengine.model import ExponentialMovingAverage
from mmengine.optim import build_optim_wrapper
from mmengine.registry import DATA_SAMPLERS, TRANSFORMS, DefaultScope
from PIL import Image
from torchvision import transforms

pytest.importorskip('mmpretrain.datasets')

TINY = dict(depths=(1, 1, 2, 1), embed_dims=(16, 32, 64, 64), head_dim=16)


def official_indices(length, rank, world_size, epoch, batch_size):
    """What DeiT's sampler deals to a rank, by image_classification's way."""
    generator = torch.Generator()
    generator.manual_seed(epoch)
    order = torch.randperm(length, generator=generator).tolist()
    repeated = [index for index in order for _ in range(3)]
    total = -(-length * 3 // world_size) * world_size
    repeated += repeated[: total - len(repeated)]
    dealt = repeated[rank:total:world_size]
    kept = length // 256 * 256 // world_size
    return dealt[: kept // batch_size * batch_size]


@pytest.mark.parametrize('length', [1024, 1500])
@pytest.mark.parametrize('world_size', [1, 4, 8])
def test_repeated_augmentation_over_ranks(length, world_size, monkeypatch):
    """mmpretrain's sampler with seed 0, and batches that are full."""
    name = 'mmpretrain.datasets.samplers.repeat_aug.get_dist_info'
    batch_size, seen = 32, []
    for rank in range(world_size):
        monkeypatch.setattr(name, lambda rank=rank: (rank, world_size))
        sampler = DATA_SAMPLERS.build(
            dict(
                type='mmpretrain.RepeatAugSampler',
                dataset=range(length),
                num_repeats=3,
                seed=0,
            )
        )
        sampler.set_epoch(7)
        official = official_indices(length, rank, world_size, 7, batch_size)
        batches = list(sampler)
        batches = batches[: len(batches) // batch_size * batch_size]
        assert batches[: len(official)] == official
        seen += official
    # About a third of the images, up to three times each.
    counts = np.bincount(seen, minlength=length)
    assert counts.max() == 3
    assert (counts > 0).sum() == pytest.approx(len(seen) / 3, abs=2)


def test_steps_of_an_epoch_of_imagenet(monkeypatch):
    """1251 of 128 images on each of 8 GPUs, as in the official code."""
    name = 'mmpretrain.datasets.samplers.repeat_aug.get_dist_info'
    monkeypatch.setattr(name, lambda: (0, 8))
    sampler = DATA_SAMPLERS.build(
        dict(type='mmpretrain.RepeatAugSampler', dataset=range(1281167))
    )
    assert len(sampler) // 128 == 1251


def test_average_of_weights_and_statistics():
    """The official decay is 1 - momentum; buffers are averaged, too.

    mmengine's average starts with the weights after the first step, the
    official one with those before: a difference of one step of 1e-6.
    """
    decay = 0.9
    model = torch.nn.BatchNorm1d(2)
    average = ExponentialMovingAverage(
        model, momentum=1 - decay, update_buffers=True
    )
    expected = None
    torch.manual_seed(0)
    for _ in range(6):
        with torch.no_grad():
            model.weight += torch.randn(2)
        model(torch.randn(8, 2))
        average.update_parameters(model)
        now = torch.cat([model.weight, model.running_var]).detach().clone()
        if expected is None:
            expected = now
        else:
            expected = decay * expected + (1 - decay) * now
    found = average.module
    found = torch.cat([found.weight, found.running_var]).detach()
    torch.testing.assert_close(found, expected)


def test_the_hook_averages_each_step_from_the_first():
    hook = EMAHook('ExponentialMovingAverage', momentum=4e-5)
    assert hook.begin_iter == 0
    assert not hook.enabled_by_epoch


def groups_of(config: dict) -> dict[str, float]:
    """Weight decay of every parameter, by mmengine's constructor."""
    model = build(config)
    wrapper = build_optim_wrapper(
        model,
        dict(
            optimizer=dict(type='AdamW', lr=1e-3, weight_decay=0.05),
            paramwise_cfg=dict(
                flat_decay_mult=0.0,
                custom_keys={'.cls_token': dict(decay_mult=0.0)},
            ),
        ),
    )
    names = {id(p): name for name, p in model.named_parameters()}
    found = {
        names[id(p)]: group['weight_decay']
        for group in wrapper.param_groups
        for p in group['params']
        # mmengine adds a group with the settings of all.
        if id(p) in names
    }
    assert len(found) == len(names)
    return found


def test_weight_decay_of_light_models():
    """Of what has more dimensions than one, but for the score token."""
    light_arch = dict(TINY, mlp_ratio=3)
    config = light(light_arch, 64, 5)
    found = groups_of(config)
    shapes = {
        k: p.ndim for k, p in build(copy.deepcopy(config)).named_parameters()
    }
    assert found['backbone.cls_token'] == 0
    assert shapes['backbone.cls_token'] == 3
    assert found['backbone.blocks3.0.pos_embed.weight'] == 0.05
    for name, decay in found.items():
        if name != 'backbone.cls_token':
            assert decay == (0.05 if shapes[name] > 1 else 0), name


def test_weight_decay_of_layer_scale():
    """By dimensions: gammas of convolutional blocks are decayed."""
    arch = dict(
        TINY, layer_scale_init_value=1e-6, layer_scale_stages=(0, 1, 2, 3)
    )
    found = groups_of(with_token_labels(arch, 64, 5))
    assert found['backbone.blocks1.0.gamma_1'] == 0.05
    assert found['backbone.blocks3.0.gamma_1'] == 0
    gammas = [name for name in found if 'gamma' in name]
    assert len(gammas) == 10
    assert found['head.aux_fc.weight'] == 0.05
    assert found['head.aux_fc.bias'] == 0


def picture(width: int, height: int) -> Image.Image:
    small = np.random.RandomState(0).randint(0, 255, (9, 11, 3), np.uint8)
    return Image.fromarray(small).resize((width, height))


@pytest.mark.parametrize('size', [(150, 90), (99, 130)])
@pytest.mark.parametrize(('edge', 'crop'), [(73, 64), (248, 224)])
def test_images_of_a_test_are_those_of_torchvision(size, edge, crop, tmp_path):
    """Read and resized by Pillow, and cut from the middle."""
    path = tmp_path / 'image.jpg'
    picture(*size).save(path)
    steps = [
        dict(
            type='LoadImageFromFile',
            imdecode_backend='pillow',
            color_type='color_ignore_orientation',
        ),
        dict(
            type='ResizeEdge',
            scale=edge,
            edge='short',
            backend='pillow',
            interpolation='bicubic',
        ),
        dict(type='CenterCrop', crop_size=crop),
    ]
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        pipeline = Compose([TRANSFORMS.build(step) for step in steps])
    image = pipeline(dict(img_path=str(path)))['img'][..., ::-1]
    bicubic = transforms.InterpolationMode.BICUBIC
    expected = transforms.Compose(
        [transforms.Resize(edge, bicubic), transforms.CenterCrop(crop)]
    )(Image.open(path))
    assert (image == np.asarray(expected)).all()


def test_random_crops_are_resized_by_pillow(monkeypatch):
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        crop = TRANSFORMS.build(
            dict(
                type='RandomResizedCrop',
                scale=64,
                backend='pillow',
                interpolation='bicubic',
            )
        )
    top, left, height, width = 10, 20, 50, 70
    monkeypatch.setattr(
        crop, 'rand_crop_params', lambda _: (top, left, height, width)
    )
    image = picture(150, 90)
    cropped = crop(dict(img=np.asarray(image)))['img']
    box = (left, top, left + width, top + height)
    expected = image.crop(box).resize((64, 64), Image.Resampling.BICUBIC)
    assert (cropped == np.asarray(expected)).all()
