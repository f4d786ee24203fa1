"""Two processes: a fault in one of them, and what they send each other."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import toy_library  # noqa: F401, the configs in the files name it

from mmuniformer.apis.replaying import replay
from mmuniformer.checkpoint import read_checkpoint
from mmuniformer.engine.parallel import COMPRESSIONS, DistributedDataParallel
from mmuniformer.errors import UserError

TRAIN = Path(__file__).parents[2] / 'tools' / 'train.py'
# Trains with each set of options in the same two processes.
PROGRAM = """
import sys, json
from mmuniformer.apis import train
from mmuniformer.errors import UserError
config, folder, runs = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
for name, options in runs.items():
    try:
        train(config, work_dir=f'{folder}/{name}', cfg_options=options,
              no_validate=True, check=False, launcher='pytorch')
    except UserError as error:
        # Of both processes, in lines of their own.
        import os
        with open(f'{folder}/{name}_{os.environ["RANK"]}.txt', 'w') as file:
            file.write(str(error))
"""


def train_in_two(config, folder, environment, runs) -> str:
    """Trains one after another in two processes; their log."""
    import json

    with socket.socket() as listener:
        listener.bind(('127.0.0.1', 0))
        port = str(listener.getsockname()[1])
    program = folder / 'program.py'
    program.write_text(PROGRAM)
    done = subprocess.run(
        [
            *(sys.executable, '-m', 'torch.distributed.run'),
            *('--nproc_per_node', '2', '--master_port', port, str(program)),
            *(config, str(folder), json.dumps(runs)),
        ],
        env=environment | {'CUDA_VISIBLE_DEVICES': '-1'},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def weights(folder: Path, name: str = 'epoch_1.pth') -> dict:
    return read_checkpoint(str(folder / name))['state_dict']


def test_two_processes(toy_config, tmp_path, environment):
    """All in one start, which takes longer than the trainings."""
    faulty = {
        'train_cfg.max_epochs': 2,
        'model.type': 'ToyFaulty',
        'model.rank': 1,
        # Four steps in an epoch.
        'model.at': [1],
        'default_hooks.checkpoint.interval': 1,
    }
    ddp = {
        'train_cfg.max_epochs': 1,
        'model.type': 'ToyFaulty',
        'optim_wrapper.clip_grad': None,
        'optim_wrapper.accumulative_counts': 2,
    }
    wrapper = 'model_wrapper_cfg'
    ours = {f'{wrapper}.type': 'mmuniformer.DistributedDataParallel'}
    log = train_in_two(
        toy_config,
        tmp_path,
        environment,
        {
            'loss': faulty,
            'term': faulty | {'model.fault': 'term', 'model.at': [4, 5, 6]},
            'gradient': faulty
            | {'model.fault': 'gradient', 'model.at': [4, 5, 6]},
            'plain': ddp,
            'views': ddp | ours | {f'{wrapper}.gradient_as_bucket_view': True},
            'static': ddp | ours | {f'{wrapper}.static_graph': True},
            'bf16': ddp | ours | {f'{wrapper}.compress_gradients': 'bf16'},
            'hosts': ddp | {f'{wrapper}.static_graph': True},
        },
    )
    # torch says "INTERNAL ASSERT FAILED, please report a bug".
    (text,) = {path.read_text() for path in tmp_path.glob('hosts_?.txt')}
    assert 'static_graph of MMDistributedDataParallel cannot be used' in text

    # The loss of one of them: neither takes the step, and both go on.
    assert not list(tmp_path.glob('loss_?.txt'))
    said = 'Iteration 2, rank 1: loss is nan, loss_a is nan, loss_b is nan'
    assert log.count(said) == 1
    assert all(t.isfinite().all() for t in weights(tmp_path / 'loss').values())

    # A term whose gradient is zero tells the other process nothing.
    told = {path.read_text() for path in tmp_path.glob('term_?.txt')}
    assert len(told) == 1
    (text,) = told
    assert 'iteration 7, rank 1: loss is inf, loss_b is inf' in text
    assert 'rank 0' not in text
    folder = tmp_path / 'term' / 'not_finite'
    assert sorted(path.name for path in folder.iterdir()) == [
        'iter_7_rank_1.pth',
        'iter_7_weights.pth',
    ]
    state = read_checkpoint(str(folder / 'iter_7_weights.pth'))['state_dict']
    # No step after the first epoch.
    before = weights(tmp_path / 'term')
    assert all(torch.equal(state[k], before[k]) for k in before)
    assert replay(str(folder / 'iter_7_rank_1.pth')).rank == 1

    # A gradient does not say whose it was: both batches are written.
    (text,) = {path.read_text() for path in tmp_path.glob('gradient_?.txt')}
    assert 'rank 0: the loss is finite' in text
    assert 'rank 1: the loss is finite' in text
    found = list((tmp_path / 'gradient' / 'not_finite').glob('*_rank_?.pth'))
    assert len(found) == 2

    # What processes send each other, in other ways.
    plain = weights(tmp_path / 'plain')
    for name, tolerance in (('views', 0), ('static', 1e-5), ('bf16', 1e-2)):
        found = weights(tmp_path / name)
        for key, wanted in plain.items():
            torch.testing.assert_close(
                found[key], wanted, rtol=tolerance, atol=tolerance
            )
    assert any(not torch.equal(plain[key], found[key]) for key in plain)


def test_another_compression_is_named():
    with pytest.raises(UserError, match="'int4' must be one of None, 'bf16'"):
        DistributedDataParallel(torch.nn.Linear(1, 1), 'int4')
    assert set(COMPRESSIONS) == {'bf16', 'fp16'}
    assert 'RANK' not in os.environ
