"""The demo's steps, on a data set too small to learn from."""

import importlib.util
import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
from mmengine.config import Config
from PIL import Image

from mmuniformer.datasets.shapes import (
    generate,
    generate_portraits,
    generate_videos,
)
from mmuniformer.errors import UserError

ROOT = Path(__file__).resolve().parents[2]
METRICS = {
    f'coco/{kind}_{name}': 0.6
    for kind in ('bbox', 'segm')
    for name in ('mAP', 'mAP_50', 'mAP_75')
}
REDUCED = [
    'train_cfg.val_interval=1',
    'default_hooks.checkpoint.interval=1',
    'default_hooks.logger.interval=1',
    'train_dataloader.batch_size=2',
    'train_dataloader.num_workers=0',
    'train_dataloader.persistent_workers=False',
    'val_dataloader.num_workers=0',
    'val_dataloader.persistent_workers=False',
    'test_dataloader.num_workers=0',
    'test_dataloader.persistent_workers=False',
]


@pytest.fixture(scope='module')
def demo():
    spec = importlib.util.spec_from_file_location(
        'demo', ROOT / 'tools/demo.py'
    )
    module = importlib.util.module_from_spec(spec)
    sys.modules['demo'] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ('name', 'host', 'length', 'expected'),
    [
        ('det', 'mmdet', 'train_cfg.max_epochs=1', 'error: box AP50 is'),
        ('seg', 'mmseg', 'train_cfg.max_iters=2', 'of classes IoU is'),
    ],
)
def test_every_step_runs_and_an_unlearned_model_fails_the_demo(
    tmp_path, name, host, length, expected
):
    pytest.importorskip(host)
    generate(tmp_path / 'data/shapes', train=4, val=3, size=96)
    result = subprocess.run(
        [
            sys.executable,
            str(ROOT / 'tools/demo.py'),
            '--task',
            name,
            '--cfg-options',
            length,
            *REDUCED,
        ],
        cwd=tmp_path,
        env=os.environ | {'COLUMNS': '200', 'PYTHONPATH': str(ROOT)},
        capture_output=True,
        text=True,
    )
    work_dir = tmp_path / 'work_dirs' / f'quickstart-{name}'
    assert result.returncode == 1, result.stdout + result.stderr
    assert expected in result.stderr
    assert 'Traceback' not in result.stderr
    assert '1/2]' in result.stdout
    assert 'demo.png' in result.stdout
    assert Image.open(work_dir / 'demo.png').size[0] > 400
    pictures = [*(work_dir / 'pictures').rglob('*.*g')]
    assert len(pictures) == 3


@pytest.fixture
def titles(demo, tmp_path, monkeypatch) -> list[str]:
    """Steps are run here: importing a library for each takes long."""
    done = []

    def run_here(title: str, log: Path, command: list[str]) -> None:
        monkeypatch.setattr(sys, 'argv', command)
        with pytest.raises(SystemExit) as ended:
            runpy.run_path(str(ROOT / command[0]), run_name='__main__')
        assert ended.value.code == 0
        done.append(title)

    monkeypatch.setattr(demo, 'run', run_here)
    monkeypatch.chdir(tmp_path)
    return done


def test_the_demo_of_classification(demo, tmp_path, titles):
    pytest.importorskip('mmpretrain')
    generate_portraits(tmp_path / 'data/shapes_cls', train=12, val=6)
    with pytest.raises(UserError, match=r'top-1 is .*, below 90: '):
        demo.main('cls', None, ['train_cfg.max_epochs=1', *REDUCED])
    assert titles == ['Training', 'Testing']
    work_dir = tmp_path / 'work_dirs/quickstart-cls'
    assert Image.open(work_dir / 'demo.png').size[0] > 400
    assert len([*(work_dir / 'pictures').rglob('*.*g')]) == 6


def test_the_video_demo_compares_with_shuffled_frames(
    demo, tmp_path, titles, capfd
):
    pytest.importorskip('mmaction')
    generate_videos(tmp_path / 'data/shapes_video', train=4, val=3)
    with pytest.raises(UserError, match='frames in order top-1 is'):
        demo.main('video', None, ['train_cfg.max_epochs=1', *REDUCED])
    assert titles == ['Training', 'Testing', 'Control']
    work_dir = tmp_path / 'work_dirs/quickstart-video'
    control = Config.fromfile(
        next((work_dir / 'control').glob('*_test-shuffled.py'))
    )
    steps = [step.type for step in control.test_dataloader.dataset.pipeline]
    assert steps[2:4] == ['OpenCVDecode', 'mmuniformer.ShuffleFrames']
    assert Image.open(work_dir / 'demo.png').size[0] > 400
    assert len([*(work_dir / 'pictures').rglob('*.*g')]) == 3
    shown = capfd.readouterr().out
    assert 'frames in order' in shown
    assert 'frames shuffled' in shown


def test_a_failed_step_ends_the_demo_with_one_line(
    demo, tmp_path, capfd, monkeypatch
):
    monkeypatch.setenv('PYTHONPATH', str(ROOT))
    log = tmp_path / 'demo.log'
    command = ['tools/train.py', 'no-such-config.py']
    with pytest.raises(UserError, match=r'training failed: .*no-such-config'):
        demo.run('Training', log, command)
    assert 'no-such-config.py' in log.read_text()
    assert 'Traceback' not in capfd.readouterr().out


def test_of_an_unforeseen_error_the_end_is_shown(demo, tmp_path, capfd):
    script = tmp_path / 'broken.py'
    script.write_text('1 / 0')
    log = tmp_path / 'demo.log'
    with pytest.raises(UserError, match=r'testing failed: exit code 1, see'):
        demo.run('Testing', log, [str(script)])
    assert 'ZeroDivisionError' in capfd.readouterr().out


def test_progress_is_read_from_the_log_of_either_loop(demo):
    line = (
        '11/23 18:20:47 - mmengine - INFO - {} lr: 9.8e-04  eta: 0:08:09  '
        'time: 1.2  grad_norm: 3.9  loss: 2.0969  loss_cls: 0.8646\n'
    )
    epoch = demo.progress_of(line.format('Epoch(train)  [2][50/75]'))
    assert epoch == '[2][50/75]     loss 2.0969   0:08:09 left'
    assert '[ 50/400]' in demo.progress_of(
        line.format('Iter(train) [ 50/400]')
    )
    assert demo.progress_of('Epoch(val) [2][50/75]  eta: 0:00:01') is None


def test_threads_spin_only_where_cores_are_free(demo, monkeypatch):
    name = 'GOMP_SPINCOUNT'
    monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(demo, 'cores_are_busy', lambda: False)
    assert name not in demo.environment()
    monkeypatch.setattr(demo, 'cores_are_busy', lambda: True)
    assert demo.environment()[name] == '1000'
    monkeypatch.setenv(name, '7')
    assert demo.environment()[name] == '7'


def test_a_process_that_runs_makes_the_cores_busy(demo):
    burn = [sys.executable, '-c', 'while True: pass']
    others = [subprocess.Popen(burn) for _ in range(2)]
    try:
        assert demo.cores_are_busy()
    finally:
        for other in others:
            other.kill()
            other.wait()


@pytest.mark.parametrize('missed', ['coco/bbox_mAP_50', 'coco/segm_mAP_50'])
def test_boxes_and_masks_are_both_judged(demo, tmp_path, missed):
    task = demo.TASKS['det']
    demo.judge(task, METRICS, tmp_path / 'log')
    for bad in (0.49, None):
        with pytest.raises(UserError, match=r'AP50 is .*has not learned'):
            demo.judge(task, METRICS | {missed: bad}, tmp_path / 'log')


def test_the_files_that_the_tasks_name_exist(demo):
    for task in demo.TASKS.values():
        assert task.generate in demo.OPTIONS
        assert (ROOT / task.config).is_file()
        assert (ROOT / task.recipe).is_file()
        assert task.control is None or (ROOT / task.control).is_file()


def test_percentages_are_judged_as_shares_are(demo, tmp_path):
    task = demo.TASKS['seg']
    demo.judge(task, {'mIoU': 60.5}, tmp_path / 'log')
    with pytest.raises(UserError, match=r'IoU is 59\.5, below 60:'):
        demo.judge(task, {'mIoU': 59.5}, tmp_path / 'log')


def test_what_shuffled_frames_tell_is_judged_the_other_way(demo, tmp_path):
    task = demo.TASKS['video']
    good = {'acc/top1': 0.81, 'control/acc/top1': 0.5}
    demo.judge(task, good, tmp_path / 'log')
    for name, bad in (('acc/top1', 0.79), ('control/acc/top1', 0.61)):
        with pytest.raises(UserError, match=r'frames .* the model has'):
            demo.judge(task, good | {name: bad}, tmp_path / 'log')
