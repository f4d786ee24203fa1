"""tools/model_converters/reparameterize_model.py."""

import os
from pathlib import Path

import pytest
import torch
from golden_data import fill, relative_l2
from mmengine.config import Config
from mmengine.registry import MODELS
from mmengine.runner.checkpoint import load_checkpoint

from mmuniformer.apis import deploy
from mmuniformer.checkpoint import CheckpointError
from mmuniformer.engine.config import load_config
from mmuniformer.errors import UserError

CONFIG = """
default_scope = 'mmseg'
model = dict(
    type='EncoderDecoder',
    data_preprocessor=dict(type='SegDataPreProcessor'),
    backbone=dict(
        type='mmuniformer.UniFormer',
        arch=dict(
            depths=(1, 1, 1, 1), embed_dims=(8, 16, 32, 32), head_dim=8
        ),
        init_cfg=dict(type='Pretrained', checkpoint='nowhere.pth'),
    ),
    decode_head=dict(
        type='FCNHead',
        in_channels=32,
        in_index=3,
        channels=8,
        num_classes=3,
        norm_cfg=dict(type='BN'),
    ),
)
"""
DEPLOY = {'model.backbone.deploy': True}


@pytest.fixture
def config(tmp_path):
    path = tmp_path / 'config.py'
    path.write_text(CONFIG)
    return str(path)


@pytest.fixture
def trained(config, tmp_path):
    """A checkpoint as a training leaves it."""
    model = fill(MODELS.build(load_config(config).model))
    path = tmp_path / 'iter_1.pth'
    meta = dict(iter=1, dataset_meta=dict(classes=('a', 'b', 'c')))
    torch.save(
        dict(meta=meta, state_dict=model.state_dict(), optimizer={}), path
    )
    return str(path)


def outputs(cfg, checkpoint):
    model = MODELS.build(cfg.model)
    load_checkpoint(model, str(checkpoint), map_location='cpu', strict=True)
    torch.manual_seed(0)
    x = torch.rand(1, 3, 64, 64, dtype=torch.float64)
    with torch.no_grad():
        return model.double().eval()(x, mode='tensor').numpy()


def test_the_file_is_the_same_model(config, trained, tmp_path, run_tool):
    out = tmp_path / 'new' / 'deploy.pth'
    done = run_tool(
        'model_converters/reparameterize_model.py', config, trained, out
    )
    assert done.returncode == 0, done.stderr
    assert '--cfg-options model.backbone.deploy=True' in (
        done.stdout + done.stderr
    )
    expected = outputs(load_config(config), trained)
    actual = outputs(load_config(config, DEPLOY), out)
    # The file is in float32, whose rounding this is.
    assert relative_l2(actual, expected) < 1e-6
    content = torch.load(out, weights_only=True)
    assert content.keys() == {'meta', 'state_dict'}
    assert content['meta']['dataset_meta']['classes'] == ('a', 'b', 'c')
    # Inferencers build the model from the config in the file.
    inside = Config.fromstring(content['meta']['cfg'], '.py')
    assert relative_l2(outputs(inside, out), expected) < 1e-6


def test_a_mistake_writes_nothing(config, trained, tmp_path):
    out, new = tmp_path / 'deploy.pth', str(tmp_path / 'x.pth')
    deploy(config, trained, str(out))
    for arguments, words in (
        ((config, trained, str(out)), 'exists'),
        ((config, trained, str(tmp_path / 'out')), 'end in .pth'),
        ((config, str(out), new), 'deployment form and the model is not'),
        ((config, trained, new, DEPLOY), 'model is in deployment form'),
        ((config, str(tmp_path / 'no.pth'), new), 'does not exist'),
        (
            (config, trained, new, {'model.decode_head.num_classes': 4}),
            'does not fit',
        ),
    ):
        with pytest.raises((UserError, CheckpointError), match=words):
            deploy(*arguments)
    assert not Path(new).exists()


def test_a_model_without_our_backbone(config, trained, tmp_path):
    options = {
        'model.backbone._delete_': True,
        'model.backbone.type': 'mmseg.ResNet',
        'model.backbone.depth': 18,
    }
    with pytest.raises(UserError, match='no backbone of mmuniformer'):
        deploy(config, trained, str(tmp_path / 'x.pth'), options)


def test_a_failure_while_writing_leaves_no_file(
    config, trained, tmp_path, monkeypatch
):
    def fail(*_):
        raise OSError('disk full')

    monkeypatch.setattr(os, 'fsync', fail)
    folder = tmp_path / 'new'
    with pytest.raises(OSError, match='disk full'):
        deploy(config, trained, str(folder / 'x.pth'))
    assert list(folder.iterdir()) == []


def test_testing_it_with_the_wrong_form_is_told(config, trained, tmp_path):
    out = tmp_path / 'deploy.pth'
    deploy(config, trained, str(out))
    model = MODELS.build(load_config(config).model)
    with pytest.raises(CheckpointError, match='set deploy=True'):
        load_checkpoint(model, str(out))
