"""tools/model_converters/publish_model.py."""

import hashlib
import json

import pytest
import torch
from golden_data import fill
from image_models import build, light, plain, with_token_labels
from mmengine.hooks import EMAHook
from mmengine.runner.checkpoint import load_checkpoint
from safetensors import safe_open

from mmuniformer import UniFormer, UniFormer3D, UniFormerLight
from mmuniformer.apis import publish
from mmuniformer.checkpoint import read_checkpoint
from mmuniformer.errors import CheckpointError, UserError

pytest.importorskip('mmpretrain')

TINY = dict(depths=(1, 1, 1, 1), embed_dims=(8, 16, 32, 32), head_dim=8)
LIGHT = dict(TINY, mlp_ratio=3)
CONFIG = "default_scope = 'mmpretrain'\n"


def checkpoint(model, path, average=None) -> str:
    """As mmengine leaves one, with the hook of an average or without."""
    content = dict(
        meta=dict(
            cfg=CONFIG, epoch=3, iter=30, dataset_meta=dict(classes=('a', 'b'))
        ),
        state_dict=model.state_dict(),
        optimizer=dict(state={}, param_groups=[]),
        message_hub=dict(),
    )
    if average is not None:
        hook = EMAHook()
        hook.ema_model = torch.nn.Module()
        hook.ema_model.module = average
        hook.before_save_checkpoint(None, content)
    torch.save(content, path)
    return str(path)


def two_models():
    """What was trained, and another for its average."""
    trained = build(with_token_labels(TINY, 32, 2))
    average = build(with_token_labels(TINY, 32, 2))
    with torch.no_grad():
        for parameter in fill(average).parameters():
            parameter += 1
    return fill(trained), average


@pytest.mark.parametrize('suffix', ['.pth', '.safetensors'])
@pytest.mark.parametrize('weights', ['average', 'trained'])
def test_what_is_written(tmp_path, suffix, weights):
    trained, average = two_models()
    source = checkpoint(trained, tmp_path / 'epoch_3.pth', average)
    path = publish(
        source,
        str(tmp_path / 'out' / f'small{suffix}'),
        weights=weights,
        license='CC-BY-NC-4.0',
        metrics=dict(top1=82.9),
    )
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert path.name == f'small-{digest[:8]}{suffix}'
    content = read_checkpoint(str(path))
    if suffix == '.pth':
        # As the official code of token labeling has it.
        assert content.keys() == {'meta', 'state_dict'}
        meta, tensors = content['meta'], content['state_dict']
        assert meta['cfg'] == CONFIG
        assert meta['metrics'] == {'top1': 82.9}
        assert meta['dataset_meta'] == dict(classes=['a', 'b'])
    else:
        tensors = content
        with safe_open(path, 'pt') as file:
            meta = file.metadata()
        assert meta['config'] == CONFIG
        assert json.loads(meta['metrics']) == {'top1': 82.9}
    assert meta['license'] == 'CC-BY-NC-4.0'
    assert meta['weights'] == weights
    model = average if weights == 'average' else trained
    official = dict(model.backbone.state_dict())
    for name, head in (('head', 'fc'), ('aux_head', 'aux_fc')):
        layer = getattr(model.head, head)
        official |= {
            f'{name}.weight': layer.weight,
            f'{name}.bias': layer.bias,
        }
    assert tensors.keys() == official.keys()
    assert all(tensors[key].equal(official[key]) for key in official)
    # The same weights make the same file.
    assert (
        publish(
            source,
            str(tmp_path / 'out' / f'small{suffix}'),
            weights=weights,
            license='CC-BY-NC-4.0',
            metrics=dict(top1=82.9),
        )
        == path
    )


@pytest.mark.parametrize(
    ('make', 'arch', 'published'),
    [
        (plain, 'small', 'image_uniformer_small'),
        (with_token_labels, 'small_dim32', 'tokenlabel_uniformer_small'),
        (with_token_labels, 'large', 'tokenlabel_uniformer_large_ls'),
        (light, 'xxs', 'image_uniformer_xxs'),
    ],
)
def test_names_are_those_of_the_official_files(make, arch, published):
    from golden_data import FOLDER

    from mmuniformer.checkpoint.classifier import name_officially

    known = json.loads((FOLDER / 'state_dicts.json').read_text())[published]
    channels = {'large': 640, 'xxs': 448}.get(arch, 512)
    with torch.device('meta'):
        model = build(make(arch, channels))
    named = name_officially(model.state_dict())
    assert {k: list(v.shape) for k, v in named.items()} == known


@pytest.mark.parametrize('published', [True, False])
@pytest.mark.parametrize('is_light', [True, False])
def test_from_pre_training_to_use(tmp_path, published, is_light):
    """As a training leaves it, and published: a start for any backbone."""
    make, arch = (light, LIGHT) if is_light else (with_token_labels, TINY)
    model = fill(build(make(arch, 32, 2)))
    path = checkpoint(model, tmp_path / 'epoch_3.pth')
    if published:
        path = str(publish(path, str(tmp_path / 'tiny.safetensors')))
    dense = UniFormerLight if is_light else UniFormer
    init_cfg = dict(type='Pretrained', checkpoint=path)
    backbone = dense(arch, init_cfg=init_cfg)
    backbone.init_weights()
    for name, tensor in backbone.state_dict().items():
        if not name.startswith('norm'):
            assert tensor.equal(model.backbone.state_dict()[name]), name
    if not is_light:
        video = UniFormer3D(arch, init_cfg=init_cfg)
        video.init_weights()
        kernel = video.blocks1[0].attn.weight
        image = model.backbone.blocks1[0].attn.weight
        torch.testing.assert_close(kernel.sum(2), image)
        assert video.norm.weight.equal(model.backbone.norm.weight)
    again = build(make(arch, 32, 2))
    load_checkpoint(again, path, strict=True)
    for name, tensor in again.state_dict().items():
        assert tensor.equal(model.state_dict()[name]), name


@pytest.mark.parametrize(
    ('make', 'arch', 'key'),
    [
        (plain, TINY, 'model'),
        (light, LIGHT, 'model'),
        (with_token_labels, TINY, 'state_dict'),
    ],
)
def test_where_the_official_code_finds_the_weights(tmp_path, make, arch, key):
    source = checkpoint(build(make(arch, 32, 2)), tmp_path / 'epoch_3.pth')
    path = publish(source, str(tmp_path / 'tiny.pth'))
    content = torch.load(path, weights_only=True)
    assert content.keys() == {'meta', key}
    assert 'head.weight' in content[key]


def test_other_models_keep_their_names(tmp_path):
    model = torch.nn.ModuleDict(
        dict(backbone=UniFormer(TINY), neck=torch.nn.Linear(2, 2))
    )
    path = publish(
        checkpoint(model, tmp_path / 'epoch_3.pth'), str(tmp_path / 'out.pth')
    )
    content = read_checkpoint(str(path))
    assert content['state_dict'].keys() == model.state_dict().keys()


@pytest.mark.parametrize(
    ('out', 'settings', 'message'),
    [
        ('out.pt', {}, r'must end in \.pth or \.safetensors'),
        ('out.pth', dict(weights='ema'), "'average' or 'trained', not 'ema'"),
        ('out.pth', dict(checkpoint='nowhere.pth'), 'nowhere.pth does not'),
        ('out.pth', dict(config='nowhere.py'), 'nowhere.py does not exist'),
        ('epoch_3.pth/out.pth', {}, 'out-.*pth cannot be written: '),
    ],
)
def test_mistakes_are_told(tmp_path, out, settings, message):
    trained, _ = two_models()
    source = checkpoint(trained, tmp_path / 'epoch_3.pth')
    arguments = dict(checkpoint=source, out=str(tmp_path / out)) | settings
    with pytest.raises((UserError, CheckpointError), match=message):
        publish(**arguments)


def test_deployment_form_is_refused(tmp_path):
    model = build(plain(TINY, 32, 2))
    model.backbone.switch_to_deploy()
    source = checkpoint(model, tmp_path / 'epoch_3.pth')
    with pytest.raises(UserError, match='is in deployment form'):
        publish(source, str(tmp_path / 'out.pth'))
