"""What a run asks for and this machine does not have."""

import pytest
from mmengine.config import Config
from mmengine.registry import init_default_scope

from mmuniformer.checks import check_inputs, stop_on_errors
from mmuniformer.checks.machine import check_packages
from mmuniformer.errors import UserError


def check(**cfg: str) -> list[str]:
    return stop_on_errors(check_inputs(Config(cfg), ('train',)))


def test_device_of_the_config(monkeypatch):
    monkeypatch.setattr('mmuniformer.checks.machine.get_device', lambda: 'cpu')
    with pytest.raises(UserError, match=r"device='cuda:0'.*no CUDA"):
        check(launcher='none', device='cuda:0')


def test_packages_that_mmdet_imports_late(monkeypatch):
    pytest.importorskip('mmdet')
    init_default_scope('mmdet')
    steps = [dict(type='LoadPanopticAnnotations')]
    cfg = Config(
        dict(
            train_dataloader=dict(
                dataset=dict(
                    type='RepeatDataset',
                    dataset=dict(type='LVISV1Dataset', pipeline=steps),
                )
            ),
            val_evaluator=[dict(type='LVISMetric')],
        )
    )
    find = 'mmuniformer.checks.machine.find_spec'
    monkeypatch.setattr(find, lambda name: None)
    found = [str(f) for f in check_packages(cfg, ('train', 'val'))]
    assert len(found) == 2
    assert 'train_dataloader.dataset.dataset: LVISV1Dataset' in found[0]
    assert 'pipeline.0: LoadPanopticAnnotations needs' in found[1]
    monkeypatch.setattr(find, lambda name: name)
    assert not list(check_packages(cfg, ('train', 'val')))


@pytest.mark.parametrize('launcher', ['pytorch', 'slurm', 'mpi'])
def test_launcher_without_its_environment(launcher, monkeypatch):
    for name in ('RANK', 'SLURM_PROCID', 'OMPI_COMM_WORLD_RANK'):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(UserError, match=f'--launcher {launcher}'):
        check(launcher=launcher)
