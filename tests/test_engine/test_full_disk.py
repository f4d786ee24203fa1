"""A disk that takes no more, and what stays of a run."""

import os
import resource
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.registry import HOOKS

from mmuniformer.apis import train
from mmuniformer.checkpoint import read_checkpoint
from mmuniformer.engine.backends import AtomicLocalBackend
from mmuniformer.engine.explain import readable_errors
from mmuniformer.errors import UserError

OPTIONS = {
    'model.type': 'ToyBackbone',
    'train_dataloader.dataset.type': 'ToyImages',
    'train_cfg.max_epochs': 2,
    'default_hooks.checkpoint.max_keep_ckpts': 1,
}


@pytest.fixture
def small_disk(tmp_path) -> Iterator[Path]:
    """A file system of 4 MB, in memory."""
    folder = tmp_path / 'disk'
    folder.mkdir()
    mount = ['mount', '-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', str(folder)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip('needs the right to mount')
    yield folder
    subprocess.run(['umount', '--lazy', str(folder)], check=True)


@HOOKS.register_module()
class FillDisk(Hook):
    """Leaves room for half of a checkpoint after the first epoch."""

    def before_train_epoch(self, runner) -> None:
        folder = Path(runner.work_dir)
        if runner.epoch == 1 and not (folder / 'others.bin').exists():
            status = os.statvfs(folder)
            free = status.f_bavail * status.f_frsize
            half = (folder / 'epoch_1.pth').stat().st_size // 2
            (folder / 'others.bin').write_bytes(b'x' * (free - half))


def test_it_is_one_line_and_the_last_checkpoint_stays(toy_config, small_disk):
    folder = small_disk / 'run'
    options = OPTIONS | {'custom_hooks': [dict(type='FillDisk')]}

    def go_on(resume: str | None) -> None:
        train(
            toy_config,
            work_dir=str(folder),
            resume=resume,
            cfg_options=options,
            no_validate=True,
        )

    with pytest.raises(UserError) as caught:
        go_on(None)
    assert str(caught.value) == (
        f'cannot write {folder}/epoch_2.pth: No space left on device; '
        f'{folder}/epoch_1.pth is whole: make room, and go on with --resume'
    )
    assert [path.name for path in folder.glob('*.pth')] == ['epoch_1.pth']
    assert not list(folder.glob('.*'))
    (folder / 'others.bin').write_bytes(b'')
    go_on('auto')
    assert [path.name for path in folder.glob('*.pth')] == ['epoch_2.pth']
    assert read_checkpoint(str(folder / 'epoch_2.pth'))['meta']['epoch'] == 2


def test_a_limit_of_the_size_of_files(tmp_path):
    """What a quota looks like; here it needs no rights."""
    path, limits = tmp_path / 'iter_2.pth', resource.RLIMIT_FSIZE
    soft, hard = resource.getrlimit(limits)
    cfg = Config(dict(work_dir=str(tmp_path)))
    resource.setrlimit(limits, (4096, hard))
    try:
        with pytest.raises(UserError) as caught, readable_errors(cfg):
            AtomicLocalBackend().put(b'x' * 9999, path)
    finally:
        resource.setrlimit(limits, (soft, hard))
    assert str(caught.value) == (
        f'cannot write {path}: File too large; make room, and go on with '
        '--resume'
    )
    assert not list(tmp_path.iterdir())
