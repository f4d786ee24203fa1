"""Two trainings in one work dir, and what killed ones leave in it."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from mmengine.config import Config

from mmuniformer.apis import train
from mmuniformer.engine import claims
from mmuniformer.engine.backends import (
    AtomicLocalBackend,
    remove_partial_files,
)
from mmuniformer.engine.claims import NAME, claimed
from mmuniformer.engine.processes import Process, this_host
from mmuniformer.errors import UserError

ONE_EPOCH = {'train_cfg.max_epochs': 1}


@pytest.fixture
def sleeper():
    """A process that runs, and none of ours."""
    process = subprocess.Popen([sys.executable, '-c', 'input()'], stdin=-1)
    yield process
    process.kill()
    process.wait()


@pytest.fixture
def dead() -> int:
    process = subprocess.Popen([sys.executable, '-c', ''])
    process.wait()
    return process.pid


def of(number: int, host: str | None = None) -> Process:
    """A process as it would name itself."""
    started = Process.this().started.partition('+')[0]
    try:
        stat = Path(f'/proc/{number}/stat').read_text()
        started += '+' + stat.rpartition(')')[2].split()[19]
    except OSError:
        started += '+1'
    return Process(host or this_host(), number, started)


def write_claim(folder: Path, process: Process) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / NAME
    path.write_text(json.dumps(dict(process.to_dict(), since='noon')))
    return path


def config(folder: Path, **keys) -> Config:
    return Config(dict(work_dir=str(folder), **keys))


def told(folder: Path) -> str:
    """What the second training is told."""
    with pytest.raises(UserError) as caught, claimed(config(folder)):
        raise AssertionError
    return str(caught.value)


class TestProcesses:
    def test_this_one_and_others(self, sleeper, dead):
        assert Process.this().is_running() is True
        assert of(sleeper.pid).is_running() is True
        assert of(dead).is_running() is False
        assert of(sleeper.pid, 'elsewhere').is_running() is None

    def test_a_number_that_was_given_again(self, sleeper):
        boot, _, ticks = of(sleeper.pid).started.partition('+')
        earlier = Process(this_host(), sleeper.pid, f'{boot}+{int(ticks) - 9}')
        assert earlier.is_running() is False

    def test_another_machine_of_the_same_name(self, dead):
        other = Process(this_host(), dead, 'another boot+7')
        assert other.is_running() is None

    def test_one_that_nobody_has_waited_for(self):
        process = subprocess.Popen([sys.executable, '-c', ''])
        while Path(f'/proc/{process.pid}/stat').read_text().split()[2] != 'Z':
            time.sleep(0.05)
        assert of(process.pid).is_running() is False
        process.wait()


class TestClaims:
    def test_the_second_one_is_told(self, tmp_path):
        with claimed(config(tmp_path)):
            said = told(tmp_path)
            assert f'{tmp_path} is in use: process {os.getpid()} on ' in said
            assert '--work-dir' in said
            # The first one still has it.
            assert json.loads((tmp_path / NAME).read_text())
        assert not list(tmp_path.iterdir())

    def test_a_training_is_told(self, toy_config, tmp_path, sleeper):
        folder = tmp_path / 'run'
        held = write_claim(folder, of(sleeper.pid))
        with pytest.raises(UserError, match='is in use: process'):
            train(toy_config, work_dir=str(folder), cfg_options=ONE_EPOCH)
        assert list(folder.iterdir()) == [held]
        sleeper.kill()
        sleeper.wait()
        train(
            toy_config,
            work_dir=str(folder),
            cfg_options=ONE_EPOCH,
            no_validate=True,
        )
        assert (folder / 'epoch_1.pth').is_file()
        assert not held.exists()

    @pytest.mark.parametrize(
        'text', [b'', b'[1]', b'{"number": 3}', b'x', b'\xff\xfe']
    )
    def test_half_a_file_of_long_ago(self, tmp_path, text):
        (tmp_path / NAME).write_bytes(text)
        os.utime(tmp_path / NAME, (0, 0))
        with claimed(config(tmp_path)):
            assert json.loads((tmp_path / NAME).read_text())

    def test_another_host_that_has_been_quiet(self, tmp_path):
        """As when Slurm puts a job that it requeues on another node."""
        held = write_claim(tmp_path, of(1, 'elsewhere'))
        os.utime(held, (time.time() - 60,) * 2)
        with claimed(config(tmp_path)):
            assert 'elsewhere' not in held.read_text()

    def test_another_host_that_shows_a_sign(self, tmp_path, monkeypatch):
        held = write_claim(tmp_path, of(1, 'elsewhere'))
        os.utime(held, (time.time() - 20,) * 2)
        monkeypatch.setattr(time, 'sleep', lambda _: os.utime(held))
        assert 'process 1 on elsewhere' in told(tmp_path)
        assert 'elsewhere' in held.read_text()

    def test_another_host_that_falls_quiet(self, tmp_path, monkeypatch):
        held = write_claim(tmp_path, of(1, 'elsewhere'))
        monkeypatch.setattr(claims, 'QUIET', 2.5)
        start = time.monotonic()
        with claimed(config(tmp_path)):
            assert time.monotonic() - start > 2
            assert 'elsewhere' not in held.read_text()

    def test_it_shows_signs(self, tmp_path, monkeypatch):
        monkeypatch.setattr(claims, 'BEAT', 0.05)
        with claimed(config(tmp_path)):
            os.utime(tmp_path / NAME, (0, 0))
            deadline = time.monotonic() + 20
            while (tmp_path / NAME).stat().st_mtime == 0:
                assert time.monotonic() < deadline
                time.sleep(0.05)

    def test_one_that_was_taken_over_takes_nothing_back(self, tmp_path):
        with claimed(config(tmp_path)):
            write_claim(tmp_path, of(1, 'elsewhere'))
        assert 'elsewhere' in (tmp_path / NAME).read_text()

    @pytest.mark.parametrize(
        ('launcher', 'variable'),
        [('pytorch', 'RANK'), ('slurm', 'SLURM_PROCID')],
    )
    def test_one_process_holds_it_for_its_job(
        self, tmp_path, monkeypatch, launcher, variable
    ):
        cfg = config(tmp_path, launcher=launcher)
        monkeypatch.setenv(variable, '0')
        with claimed(cfg):
            monkeypatch.setenv(variable, '1')
            with claimed(cfg):
                pass
            assert (tmp_path / NAME).exists()


class TestPartialFiles:
    @pytest.fixture(autouse=True)
    def folder(self, tmp_path) -> Path:
        self.path = tmp_path
        return tmp_path

    def partial(self, writer: str, age: float = 0) -> Path:
        path = self.path / f'.epoch_1.pth.{writer}.partial'
        path.write_text('half')
        os.utime(path, (time.time() - age,) * 2)
        return path

    def test_of_a_process_that_was_killed(self):
        """A real one, in the middle of writing."""
        code = (
            'import os\n'
            'from mmuniformer.engine import backends\n'
            'os.fsync = lambda _: os.kill(os.getpid(), 9)\n'
            f'backends.AtomicLocalBackend().put(b"x", "{self.path}/a.pth")'
        )
        subprocess.run([sys.executable, '-c', code], check=False)
        (left,) = self.path.iterdir()
        assert left.name.endswith('.partial')
        assert remove_partial_files(self.path) == [left]
        assert not list(self.path.iterdir())

    def test_those_of_the_living_stay(self, sleeper, dead):
        host = this_host()
        stay = [
            self.partial(f'{host}.{sleeper.pid}', age=9999),
            self.partial(f'elsewhere.{dead}', age=60),
            # Of a release that wrote no host.
            self.partial(f'{dead}', age=60),
        ]
        go = [
            self.partial(f'{host}.{dead}'),
            self.partial(f'elsewhere.{sleeper.pid}', age=9999),
        ]
        (self.path / '.notes.partial').write_text('')
        assert sorted(remove_partial_files(self.path)) == sorted(go)
        assert all(path.exists() for path in stay)
        assert (self.path / '.notes.partial').exists()

    def test_a_training_removes_them_where_it_saves(
        self, toy_config, dead, tmp_path
    ):
        folders = [tmp_path / 'run', tmp_path / 'saved' / 'run']
        for folder in folders:
            folder.mkdir(parents=True)
            self.path = folder
            self.partial(f'{this_host()}.{dead}')
        train(
            toy_config,
            work_dir=str(folders[0]),
            cfg_options=ONE_EPOCH
            | {'default_hooks.checkpoint.out_dir': str(tmp_path / 'saved')},
            no_validate=True,
        )
        assert not list(tmp_path.rglob('*.partial'))
        assert (folders[1] / 'epoch_1.pth').is_file()

    def test_nothing_is_left_of_a_whole_file(self):
        AtomicLocalBackend().put(b'x', self.path / 'a.pth')
        assert [path.name for path in self.path.iterdir()] == ['a.pth']
        assert remove_partial_files(self.path / 'missing') == []
