"""What a config becomes on a machine without an accelerator."""

import pytest
from mmengine.config import Config, ConfigDict

from mmuniformer.engine.devices import fit_to_devices


@pytest.fixture(autouse=True)
def cpu(monkeypatch):
    monkeypatch.setattr('mmuniformer.engine.devices.get_device', lambda: 'cpu')


def test_amp_becomes_float32_with_a_line():
    cfg = Config(
        dict(
            launcher='none',
            optim_wrapper=dict(
                type='AmpOptimWrapper',
                loss_scale='dynamic',
                dtype='float16',
                clip_grad=dict(max_norm=1),
            ),
        )
    )
    notes = fit_to_devices(cfg)
    assert cfg.optim_wrapper == ConfigDict(
        type='OptimWrapper', clip_grad=dict(max_norm=1)
    )
    assert len(notes) == 1
    assert 'float32' in notes[0]


def test_sync_bn_on_the_cpu(monkeypatch):
    monkeypatch.setattr('torch.distributed.is_initialized', lambda: True)
    monkeypatch.setenv('RANK', '0')
    cfg = Config(
        dict(
            launcher='pytorch',
            find_unused_parameters=True,
            model=dict(heads=[dict(norm_cfg=dict(type='SyncBN', eps=1e-3))]),
        )
    )
    notes = fit_to_devices(cfg)
    assert cfg.model.heads[0].norm_cfg == dict(type='BN', eps=1e-3)
    assert cfg.model_wrapper_cfg.device_ids is None
    assert cfg.model_wrapper_cfg.find_unused_parameters is True
    assert any('SyncBN' in note for note in notes)


def test_sync_bn_of_one_process_on_the_cpu():
    norm_cfg = dict(type='SyncBN', requires_grad=True)
    head = dict(norm_cfg=norm_cfg)
    cfg = Config(
        dict(launcher='none', norm_cfg=norm_cfg, model=dict(heads=[head] * 2))
    )
    (note,) = fit_to_devices(cfg)
    assert 'BN instead of SyncBN' in note
    norms = [cfg.norm_cfg, *(head.norm_cfg for head in cfg.model.heads)]
    assert [norm.type for norm in norms] == ['BN'] * 3
    assert fit_to_devices(cfg) == []
