"""Arguments of torchrun, and of the script after them."""

import signal

import pytest

from mmuniformer.launch.torchrun import SIGNALS, _parse, launch


def test_an_option_of_the_script_is_the_scripts():
    """``--run`` could be short for two of torchrun's."""
    own = ['--run', 'uniformer_small', '--max', '3']
    args = _parse(['--standalone', '--nproc-per-node=2', 'script.py', *own])
    assert args.training_script == 'script.py'
    assert args.training_script_args == own
    assert args.nproc_per_node == '2'


ONE = '--nproc-per-node=1'


@pytest.fixture
def handlers():
    """Has signals handled afterwards as they were before."""
    before = {each: signal.getsignal(each) for each in SIGNALS}
    yield
    for each, handler in before.items():
        signal.signal(each, handler)


@pytest.mark.parametrize(
    ('options', 'variables', 'told'),
    [
        (['--nproc-per-node=--resume'], {}, "'--resume' is no number of"),
        (['--nproc-per-node=0'], {}, '0 processes (GPUS)'),
        ([ONE, '--max-restarts=no'], {}, '--max-restarts'),
        ([ONE, '--max-restarts=-1'], {}, 'MAX_RESTARTS=-1'),
        ([ONE], {'MMUNIFORMER_TIMEOUT': '1h'}, 'error: TIMEOUT=1h'),
        ([ONE], {'MMUNIFORMER_TIMEOUT': '0'}, 'error: TIMEOUT=0'),
        ([ONE], {'GRACE': '-1'}, 'GRACE=-1'),
        ([ONE, '--nnodes=0'], {}, 'NNODES=0'),
        ([ONE, '--nnodes=3:2'], {}, 'NNODES=3:2'),
        ([ONE, '--nnodes=2', '--node-rank=2'], {}, 'from 0 to 1'),
    ],
)
def test_a_mistake_is_one_line(
    options, variables, told, handlers, monkeypatch, capsys
):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    place = ['--rdzv-backend=c10d', '--rdzv-endpoint=127.0.0.1:0']
    assert launch([*place, *options, 'script.py']) == 1
    said = capsys.readouterr().err
    assert said.startswith('error: ')
    assert told in said
    assert said.count('\n') == 1
