"""Command lines run as a user runs them, on a model of milliseconds."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parent
TOOLS = ROOT / 'tools'

TOY_CONFIG = """
custom_imports = dict(imports=['toy_library'], allow_failed_imports=False)
data_root = {root!r}
dataset = dict(type='ToyDataset', data_root=data_root)
model = dict(type='ToyModel')
train_dataloader = dict(
    batch_size=2,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=True),
    collate_fn=dict(type='default_collate'),
    dataset=dataset,
)
val_dataloader = dict(
    batch_size=2,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    collate_fn=dict(type='default_collate'),
    dataset=dataset,
)
test_dataloader = val_dataloader
val_evaluator = dict(type='ToyMetric')
test_evaluator = val_evaluator
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=4, val_interval=4)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='SGD', lr=0.01, momentum=0.9),
    clip_grad=dict(max_norm=1.0),
)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, by_epoch=False, end=10)
]
default_hooks = dict(
    logger=dict(type='LoggerHook', interval=1),
    checkpoint=dict(type='CheckpointHook', interval=1, max_keep_ckpts=2),
)
randomness = dict(seed=0)
"""


@pytest.fixture
def toy_config(tmp_path: Path) -> str:
    """Path of a config that trains 4 epochs of 8 iterations."""
    data = tmp_path / 'data'
    data.mkdir()
    (data / 'points.txt').write_text('3.0')
    # mmengine keeps loggers by the config's name and the second it runs in.
    path = tmp_path / f'{tmp_path.name}.py'
    path.write_text(TOY_CONFIG.format(root=f'{data}/'))
    return str(path)


@pytest.fixture
def environment() -> dict[str, str]:
    """Environment in which the command lines find package and toys."""
    paths = [str(HERE), str(ROOT), os.environ.get('PYTHONPATH', '')]
    return os.environ | {
        'PYTHONPATH': os.pathsep.join(filter(None, paths)),
        'PYTHON': sys.executable,
        'CUDA_VISIBLE_DEVICES': '-1',
        'OMP_NUM_THREADS': '1',
    }


@pytest.fixture
def run_tool(
    tmp_path: Path, environment: dict[str, str]
) -> Callable[..., subprocess.CompletedProcess]:
    """Runs a file of ``tools/`` in an empty folder."""

    def run(
        name: str, *arguments: object, **variables: str
    ) -> subprocess.CompletedProcess:
        tool = str(TOOLS / name)
        command = [tool] if name.endswith('.sh') else [sys.executable, tool]
        return subprocess.run(
            [*command, *map(str, arguments)],
            cwd=tmp_path,
            env=environment | variables,
            capture_output=True,
            text=True,
            timeout=240,
        )

    return run


class Running:
    """A command line that runs."""

    def __init__(self, process: subprocess.Popen, log: Path) -> None:
        self.process = process
        self.log = log

    @property
    def text(self) -> str:
        return self.log.read_text()

    def wait_until(self, condition: Callable[[], bool]) -> None:
        end = time.monotonic() + 120
        while not condition():
            assert self.process.poll() is None, self.text
            assert time.monotonic() < end, self.text
            time.sleep(0.05)

    def wait(self) -> int:
        return self.process.wait(240)


@pytest.fixture
def start_tool(
    tmp_path: Path, environment: dict[str, str]
) -> Iterator[Callable[..., Running]]:
    """Starts a script of ``tools/``, with all its output in one file."""
    started = []

    def start(name: str, *arguments: object, **variables: str) -> Running:
        log = tmp_path / f'log{len(started)}.txt'
        with open(log, 'w') as file:
            process = subprocess.Popen(
                [str(TOOLS / name), *map(str, arguments)],
                cwd=tmp_path,
                env=environment | variables,
                stdout=file,
                stderr=file,
                start_new_session=True,
            )
        started.append(process)
        return Running(process, log)

    yield start
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
