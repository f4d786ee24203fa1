"""Two processes that see other files, as on nodes that share none."""

import json
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import toy_library  # noqa: F401, the config in the files names it

from mmuniformer.apis import train
from mmuniformer.checkpoint import read_checkpoint

OPTIONS = {
    'model.type': 'ToyBackbone',
    'train_dataloader.dataset.type': 'ToyImages',
    'train_cfg.max_epochs': 2,
}
# Each process has a folder of its own, in which it trains.
PROGRAM = """
import json, os, shutil, sys, threading
from mmuniformer.apis import train
from mmuniformer.engine import starting
from mmuniformer.errors import UserError
config, folder, options = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
os.chdir(f'{folder}/node_{os.environ["RANK"]}')
if os.path.exists('late/epoch_1.pth.new'):
    wait_for = starting._wait_for
    def arrive_and_wait(path):
        if path.parent.name == 'late':
            threading.Timer(1.5, os.rename, (f'{path}.new', path)).start()
        wait_for(path)
    starting._wait_for = arrive_and_wait
for name in ('unseen', 'other', 'late'):
    starting.LATEST = 60 if name == 'late' else 1
    try:
        train(config, work_dir=name, resume='auto', cfg_options=options,
              no_validate=True, check=False, launcher='pytorch')
    except UserError as error:
        with open(f'{name}.txt', 'w') as file:
            file.write(str(error))
"""


@pytest.fixture
def saved(toy_config, tmp_path) -> list[Path]:
    """Checkpoints of one epoch, of two trainings."""
    found = []
    for seed in (1, 2):
        folder = tmp_path / f'seed_{seed}'
        options = OPTIONS | {'train_cfg.max_epochs': 1}
        train(
            toy_config,
            work_dir=str(folder),
            cfg_options=options | {'randomness': dict(seed=seed)},
            no_validate=True,
            check=False,
        )
        found.append(folder / 'epoch_1.pth')
    return found


def test_what_the_first_process_has_found(
    saved, toy_config, tmp_path, environment
):
    for source, place in (
        (saved[0], 'node_0/unseen/epoch_1.pth'),
        (saved[0], 'node_0/other/epoch_1.pth'),
        (saved[1], 'node_1/other/epoch_1.pth'),
        (saved[0], 'node_0/late/epoch_1.pth'),
        (saved[0], 'node_1/late/epoch_1.pth.new'),
    ):
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, tmp_path / place)
    program = tmp_path / 'program.py'
    program.write_text(PROGRAM)
    done = subprocess.run(
        [
            *(sys.executable, '-m', 'torch.distributed.run', '--standalone'),
            *('--nproc_per_node', '2', str(program)),
            *(toy_config, str(tmp_path), json.dumps(OPTIONS)),
        ],
        env=environment | {'CUDA_VISIBLE_DEVICES': '-1'},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    host = socket.gethostname()
    mend = (
        'the files that a run writes and goes on from have to be on a file '
        'system that all its nodes see'
    )
    told = {
        'unseen': 'the run goes on from unseen/epoch_1.pth of '
        f'{host}, which is not there for process 1 on {host}: {mend}',
        'other': f'other/epoch_1.pth is one file on {host} and another one '
        f'for process 1 on {host}: {mend}',
    }
    for node in ('node_0', 'node_1'):
        files = (tmp_path / node).glob('*.txt')
        assert {path.stem: path.read_text() for path in files} == told
    # Two steps of two processes, after four of one.
    last = read_checkpoint(str(tmp_path / 'node_0' / 'late' / 'epoch_2.pth'))
    assert last['meta']['iter'] == 6
    first = read_checkpoint(str(saved[0]))['state_dict']
    assert any(
        not torch.equal(first[key], value)
        for key, value in last['state_dict'].items()
    )
