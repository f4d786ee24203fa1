"""What a run asks for and this machine does not have."""

import pytest
from mmengine.config import Config

from mmuniformer.checks import check_inputs, stop_on_errors
from mmuniformer.errors import UserError


def check(**cfg: str) -> list[str]:
    return stop_on_errors(check_inputs(Config(cfg), ('train',)))


def test_device_of_the_config(monkeypatch):
    monkeypatch.setattr('mmuniformer.checks.machine.get_device', lambda: 'cpu')
    with pytest.raises(UserError, match=r"device='cuda:0'.*no CUDA"):
        check(launcher='none', device='cuda:0')


@pytest.mark.parametrize('launcher', ['pytorch', 'slurm', 'mpi'])
def test_launcher_without_its_environment(launcher, monkeypatch):
    for name in ('RANK', 'SLURM_PROCID', 'OMPI_COMM_WORLD_RANK'):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(UserError, match=f'--launcher {launcher}'):
        check(launcher=launcher)
