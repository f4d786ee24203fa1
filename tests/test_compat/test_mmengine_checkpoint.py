"""Resume with weights_only on: what is read, and what is refused."""

import os
import pickle
import subprocess
import sys
import zipfile

import numpy as np
import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.evaluator import BaseMetric
from mmengine.hooks import Hook
from mmengine.model import BaseModel
from mmengine.runner import Runner
from mmengine.runner.checkpoint import CheckpointLoader, load_checkpoint
from torch.utils.data import Dataset

from mmuniformer.checkpoint import CheckpointError, read_checkpoint
from mmuniformer.compat import mmengine_checkpoint
from mmuniformer.compat.mmengine_checkpoint import UnsafeCheckpoint

pytestmark = pytest.mark.skipif(
    not hasattr(torch.serialization, 'add_safe_globals'),
    reason='torch 2.1 to 2.3 cannot allow types',
)


class Noise(Dataset):
    def __init__(self):
        self.metainfo = dict(
            classes=('a', 'b'),
            palette=np.zeros((2, 3), dtype=np.uint8),
            sigmas=np.ones(2, dtype=np.float32),
            names=np.array(['left', 'right']),
            nested=ConfigDict(swap=dict(a=1)),
        )

    def __len__(self):
        return 4

    def __getitem__(self, index):
        return dict(inputs=torch.ones(3, 4, 4) * index)


class Model(BaseModel):
    def __init__(self):
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 2, 3)
        self.norm = torch.nn.BatchNorm2d(2)

    def forward(self, inputs, data_samples=None, mode='tensor'):
        out = self.norm(self.conv(torch.stack(list(inputs)))).square().mean()
        return dict(loss=out) if mode == 'loss' else [out]


class Score(BaseMetric):
    default_prefix = 'score'

    def process(self, data_batch, data_samples):
        self.results.append(1)

    def compute_metrics(self, results):
        return dict(AP=np.float64(0.5), AR=np.float32(0.25), count=np.int64(3))


class Notes(Hook):
    """Leaves values of every numpy kind in the message hub."""

    def after_train_iter(self, runner, **kwargs):
        for kind in ('bool_', 'uint8', 'int64', 'float16', 'float32'):
            value = getattr(np, kind)(1)
            runner.message_hub.update_info(kind, value)
        runner.message_hub.update_info('array', np.arange(3))
        runner.message_hub.update_scalar('train/number', np.float32(2))


def make_runner(folder, max_epochs=2, **options):
    def loader():
        return dict(
            dataset=Noise(),
            batch_size=2,
            sampler=dict(type='DefaultSampler', shuffle=True),
        )

    return Runner(
        model=Model(),
        work_dir=str(folder),
        train_dataloader=loader(),
        val_dataloader=loader(),
        val_cfg=dict(),
        val_evaluator=[Score()],
        train_cfg=dict(by_epoch=True, max_epochs=max_epochs),
        optim_wrapper=dict(
            optimizer=dict(type='AdamW', lr=1e-3),
            clip_grad=dict(max_norm=1),
        ),
        param_scheduler=[
            dict(type='LinearLR', start_factor=0.1, by_epoch=False, end=2),
            dict(type='MultiStepLR', milestones=[1]),
            dict(type='CosineAnnealingLR', T_max=2),
            dict(type='PolyLR', power=0.9, by_epoch=False, end=4),
            dict(type='ReduceOnPlateauLR', monitor='score/AP'),
            dict(
                type='OneCycleLR',
                eta_max=0.1,
                total_steps=9,
                by_epoch=False,
            ),
            dict(type='CosineAnnealingMomentum', T_max=2),
        ],
        default_hooks=dict(
            checkpoint=dict(
                type='CheckpointHook',
                interval=1,
                save_best='score/AP',
                rule='greater',
            )
        ),
        custom_hooks=[dict(type='EMAHook'), Notes()],
        log_level='ERROR',
        default_scope='mmengine',
        experiment_name=f'{folder.name}-{max_epochs}',
        **options,
    )


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    """A folder with what a run leaves: the last checkpoint and the best."""
    folder = tmp_path_factory.mktemp('run')
    make_runner(folder).train()
    return folder


def test_the_defect_is_there_without_us(trained):
    code = (
        'import torch, mmengine.runner\n'
        f'torch.load({str(trained / "epoch_2.pth")!r}, weights_only=True)'
    )
    done = subprocess.run(
        [sys.executable, '-c', code],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert 'Weights only load failed' in done.stderr


def test_every_checkpoint_of_a_run_is_read(trained):
    files = sorted(trained.glob('*.pth'))
    assert {file.name for file in files} > {'epoch_1.pth', 'epoch_2.pth'}
    for file in files:
        CheckpointLoader.load_checkpoint(str(file), 'cpu', 'silent')


def test_resume_restores_the_loss_history(trained):
    runner = make_runner(trained, max_epochs=3, resume=True)
    runner.train()
    assert runner.iter == 6
    losses = runner.message_hub.get_scalar('train/loss')
    assert len(losses.data[0]) == 6
    assert losses.min() <= losses.mean() <= losses.statistics('max')
    assert runner.message_hub.get_info('float16') == np.float16(1)


class Shell:
    """Unpickling it makes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


class Getattr:
    def __reduce__(self):
        return getattr, (torch.Tensor, 'cpu')


@pytest.fixture
def hostile(tmp_path):
    """A checkpoint that would make the folder ``ran``."""
    path = tmp_path / 'hostile.pth'
    torch.save(
        dict(
            state_dict=Model().state_dict(),
            meta=dict(epoch=1, iter=2),
            message_hub=Shell(tmp_path / 'ran'),
        ),
        path,
    )
    return path


def test_the_hostile_file_is_one(hostile):
    torch.load(hostile, weights_only=False)
    assert (hostile.parent / 'ran').is_dir()


def test_load_checkpoint_refuses_code(hostile):
    with pytest.raises(UnsafeCheckpoint) as caught:
        load_checkpoint(Model(), str(hostile))
    assert not (hostile.parent / 'ran').exists()
    message = str(caught.value)
    assert message.startswith(f'{hostile} was refused: it holds posix.mkdir')
    assert '\n' not in message
    assert 'save its state dict alone' in message


def test_resume_refuses_code(hostile, tmp_path):
    runner = make_runner(tmp_path, resume=True, load_from=str(hostile))
    with pytest.raises(UnsafeCheckpoint, match='refused'):
        runner.load_or_resume()
    assert not (hostile.parent / 'ran').exists()


def test_getattr_reaches_mmengines_methods_only(tmp_path):
    torch.save(dict(state_dict={}, x=Getattr()), tmp_path / 'x.pth')
    with pytest.raises(UnsafeCheckpoint, match=r'builtins\.getattr'):
        CheckpointLoader.load_checkpoint(str(tmp_path / 'x.pth'))


@pytest.mark.parametrize('content', [b'', b'hello', b'<html>not found</html>'])
def test_a_damaged_file_is_named(tmp_path, content):
    path = tmp_path / 'damaged.pth'
    path.write_bytes(content)
    with pytest.raises(UnsafeCheckpoint, match=r'damaged\.pth is no checkpo'):
        CheckpointLoader.load_checkpoint(str(path))


class TestDamage:
    @pytest.fixture
    def file(self, trained, tmp_path):
        """A copy of a checkpoint."""
        path = tmp_path / 'copy.pth'
        path.write_bytes((trained / 'epoch_2.pth').read_bytes())
        return path

    @staticmethod
    def readers(path):
        yield lambda: CheckpointLoader.load_checkpoint(str(path))
        yield lambda: read_checkpoint(str(path))

    def test_a_flipped_bit_of_any_tensor(self, file):
        content = file.read_bytes()
        with zipfile.ZipFile(file) as archive:
            parts = [p for p in archive.infolist() if '/data/' in p.filename]
        assert len(parts) > 5
        for part in parts:
            damaged = bytearray(content)
            # Its header ends with names and padding: the data come last.
            at = content.index(part.filename.encode(), part.header_offset)
            extra = int.from_bytes(
                content[part.header_offset + 28 :][:2], 'little'
            )
            at += len(part.filename) + extra
            damaged[at + part.file_size // 2] ^= 8
            file.write_bytes(damaged)
            for read in self.readers(file):
                with pytest.raises(
                    (UnsafeCheckpoint, CheckpointError),
                    match=rf'copy\.pth is damaged: .*{part.filename}',
                ):
                    read()

    @pytest.mark.parametrize('tenth', range(10))
    def test_cut_off(self, file, tenth):
        content = file.read_bytes()
        file.write_bytes(content[: len(content) * tenth // 10])
        for read in self.readers(file):
            with pytest.raises(
                (UnsafeCheckpoint, CheckpointError), match=r'copy\.pth is'
            ):
                read()

    def test_an_older_file_has_no_checksums(self, tmp_path):
        path = tmp_path / 'old.pth'
        tensor = torch.arange(5.0)
        torch.save(dict(a=tensor), path, _use_new_zipfile_serialization=False)
        for read in self.readers(path):
            assert read()['a'].equal(tensor)


def test_a_missing_file_stays_missing():
    with pytest.raises(FileNotFoundError):
        CheckpointLoader.load_checkpoint('/no/such/file.pth')


def test_a_loader_that_asks_for_all_pickles_does_not_get_them(
    hostile, monkeypatch
):
    """As an mmengine would that passes weights_only=False."""
    monkeypatch.setitem(
        CheckpointLoader._schemes,
        'careless:',
        lambda path, where: torch.load(
            path.removeprefix('careless:'), where, weights_only=False
        ),
    )
    monkeypatch.setattr(
        CheckpointLoader,
        '_schemes',
        dict(sorted(CheckpointLoader._schemes.items(), reverse=True)),
    )
    with pytest.raises(UnsafeCheckpoint):
        CheckpointLoader.load_checkpoint(f'careless:{hostile}')
    assert 'TORCH_FORCE_WEIGHTS_ONLY_LOAD' not in os.environ


def test_a_file_is_read_once_and_by_our_allowance_alone(
    hostile, tmp_path, capfd, monkeypatch
):
    """As a fork reads: with names of its own, then with all pickles."""
    import mmengine.runner.checkpoint as module

    def _safe_torch_load(file, map_location=None, weights_only=None):
        try:
            with torch.serialization.safe_globals([getattr, np.ndarray]):
                return torch.load(file, map_location, weights_only=True)
        except pickle.UnpicklingError:
            print('falling back')  # noqa: T201
            return torch.load(file, map_location, weights_only=False)

    def load(path, where):
        return module._safe_torch_load(path.removeprefix('fork:'), where)

    if not hasattr(module, '_safe_torch_load'):
        monkeypatch.setattr(
            module, '_safe_torch_load', _safe_torch_load, raising=False
        )
        mmengine_checkpoint._patch(module)
        schemes = {'fork:': load, **CheckpointLoader._schemes}
        monkeypatch.setattr(
            CheckpointLoader,
            '_schemes',
            dict(sorted(schemes.items(), reverse=True)),
        )
        prefix = 'fork:'
    else:
        prefix = ''
    with pytest.raises(UnsafeCheckpoint, match=r'posix\.mkdir'):
        CheckpointLoader.load_checkpoint(f'{prefix}{hostile}')
    torch.save(dict(state_dict={}, x=Getattr()), tmp_path / 'x.pth')
    with pytest.raises(UnsafeCheckpoint, match=r'builtins\.getattr'):
        CheckpointLoader.load_checkpoint(f'{prefix}{tmp_path / "x.pth"}')
    assert not (hostile.parent / 'ran').exists()
    said = ''.join(capfd.readouterr()).lower()
    assert 'falling back' not in said


def test_torchs_own_switch_turns_it_off(hostile, monkeypatch):
    monkeypatch.setenv('TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD', '1')
    CheckpointLoader.load_checkpoint(str(hostile))
    assert (hostile.parent / 'ran').is_dir()


def test_a_loader_is_wrapped_once():
    before = CheckpointLoader.load_checkpoint.__func__
    import mmengine.runner.checkpoint as module

    mmengine_checkpoint._patch(module)
    assert CheckpointLoader.load_checkpoint.__func__ is before


def test_numpy_pickles_of_either_naming_are_read(tmp_path):
    """A file of numpy 1 names ``numpy.core``, one of numpy 2 ``_core``."""
    path = tmp_path / 'scalar.pth'
    torch.save(np.float64(3), path, _use_new_zipfile_serialization=False)
    content = path.read_bytes()
    old, new = b'cnumpy.core.multiarray', b'cnumpy._core.multiarray'
    assert (old in content) != (new in content)
    for wanted, other in ((old, new), (new, old)):
        path.write_bytes(content.replace(other, wanted))
        found = CheckpointLoader.load_checkpoint(str(path), logger='silent')
        assert found == 3


def test_status():
    assert mmengine_checkpoint.status().state == 'active'
    assert issubclass(UnsafeCheckpoint, pickle.UnpicklingError)


@pytest.mark.parametrize(
    ('torch_version', 'state', 'cve'),
    [
        ('2.1.0', 'broken', 'CVE-2025-32434'),
        ('2.5.1+cu124', 'broken', 'CVE-2025-32434'),
        ('2.6.0', 'outdated', 'CVE-2026-24747'),
        ('2.9.1', 'outdated', 'CVE-2026-24747'),
        ('2.10.0', 'active', ''),
        ('3.0.0', 'active', ''),
    ],
)
def test_holes_of_torch_itself_are_told(
    monkeypatch, torch_version, state, cve
):
    monkeypatch.setattr(
        mmengine_checkpoint, 'installed', lambda name: torch_version
    )
    status = mmengine_checkpoint.status()
    assert status.state == state
    assert cve in status.message
    assert status.remedy == ('pip install "torch>=2.10"' if cve else '')


def test_a_file_without_checksums_is_whole(tmp_path):
    options = torch.serialization.get_crc32_options()
    torch.serialization.set_crc32_options(False)
    try:
        torch.save({'state_dict': {'a': torch.ones(2)}}, tmp_path / 'a.pth')
    finally:
        torch.serialization.set_crc32_options(options)
    read = read_checkpoint(str(tmp_path / 'a.pth'))
    assert read['state_dict']['a'].tolist() == [1, 1]


def test_a_small_file_does_not_fill_the_memory(tmp_path):
    path = str(tmp_path / 'a.pth')
    with zipfile.ZipFile(path, 'w', zipfile.ZIP_DEFLATED) as archive:
        archive.writestr('a/data.pkl', bytes(1 << 20))
    with pytest.raises(CheckpointError, match=r'a\.pth is no .* 20 times'):
        read_checkpoint(path)


def test_damage_in_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv('HOME', str(tmp_path))
    values = torch.arange(100.0)
    torch.save({'state_dict': {'a': values}}, tmp_path / 'a.pth')
    content = (tmp_path / 'a.pth').read_bytes()
    start = content.index(values.numpy().tobytes())
    damaged = bytearray(content)
    damaged[start + 41] ^= 16
    (tmp_path / 'a.pth').write_bytes(damaged)
    with pytest.raises(UnsafeCheckpoint, match='checksum'):
        CheckpointLoader.load_checkpoint('~/a.pth', logger='silent')
