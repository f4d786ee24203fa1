"""Two nodes as two network namespaces of this machine, with a cable."""

import os
import shutil
import subprocess
import uuid

import pytest

PORT = 29500
FIRST, SECOND = '10.77.13.1', '10.77.13.2'
# Processes that talk by gloo until they lose each other.
TALK = """
from datetime import timedelta
import torch
import torch.distributed as dist
dist.init_process_group('gloo', timeout=timedelta(seconds=8))
count = 0
while True:
    numbers = torch.ones(1)
    try:
        dist.all_reduce(numbers)
    except RuntimeError as error:
        print('lost:', str(error).partition('\\n')[0][:200], flush=True)
        os._exit(1)
    count += 1
    if count == 3:
        print('together', int(numbers), flush=True)
    time.sleep(0.2)
"""


def ip(*words: str) -> None:
    subprocess.run(['ip', *words], check=True, capture_output=True)


@pytest.fixture
def namespaces():
    """Two, whose only way out is a cable to each other."""
    if shutil.which('ip') is None or os.geteuid() != 0:
        pytest.skip('needs ip and the rights of root')
    mark = uuid.uuid4().hex[:6]
    names = [f'mmu-{mark}-a', f'mmu-{mark}-b']
    made = []
    try:
        try:
            for name in names:
                ip('netns', 'add', name)
                made.append(name)
            ends = [f'a{mark}', f'b{mark}']
            ip('link', 'add', ends[0], 'type', 'veth', 'peer', 'name', ends[1])
            for name, end, address in zip(
                names, ends, (FIRST, SECOND), strict=True
            ):
                ip('link', 'set', end, 'netns', name)
                ip('-n', name, 'addr', 'add', f'{address}/24', 'dev', end)
                ip('-n', name, 'link', 'set', end, 'up')
                ip('-n', name, 'link', 'set', 'lo', 'up')
        except subprocess.CalledProcessError as error:
            pytest.skip(f'no network namespaces here: {error.stderr}')
        yield names, lambda: ip('-n', names[0], 'link', 'set', ends[0], 'down')
    finally:
        for name in made:
            subprocess.run(['ip', 'netns', 'del', name], check=False)


def test_a_cable_that_is_cut(start, namespaces):
    """Both nodes end in time, and say what they miss."""
    (here, there), cut = namespaces
    options = [
        '--nnodes=2',
        '--max-restarts=1',
        f'--rdzv-endpoint={FIRST}:{PORT}',
        '--rdzv-conf=keep_alive_interval=1,keep_alive_max_attempt=6',
    ]
    limit = dict(MMUNIFORMER_TIMEOUT='20')
    second = start(TALK, *options, '--node-rank=1', namespace=there, **limit)
    first = start(TALK, *options, '--node-rank=0', namespace=here, **limit)
    for launcher in (first, second):
        launcher.wait_for('together 2')
    cut()
    assert first.wait(120) == second.wait(120) == 1
    for launcher in (first, second):
        assert 'lost:' in launcher.text
        assert 'Traceback' not in launcher.text
    (error,) = first.lines('error: ')
    assert f'fewer than 2 nodes came to {FIRST}:{PORT} within 20 s' in error
    (error,) = second.lines('error: ')
    assert f'the first node, at {FIRST}:{PORT}, is gone' in error
