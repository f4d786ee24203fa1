"""What pre-training is worth: the configs, and how results become a table."""

import importlib.util
import json
import sys
from pathlib import Path

import pytest
from mmengine.config import Config
from PIL import Image

from mmuniformer.datasets.shapes import generate, generate_portraits

ROOT = Path(__file__).resolve().parents[2]
HOSTS = {
    'cls': 'mmpretrain',
    'det': 'mmdet',
    'seg': 'mmseg',
    'pose': 'mmpose',
    'video': 'mmaction',
}


@pytest.fixture(scope='module')
def transfer():
    path = ROOT / 'tools/misc/transfer.py'
    spec = importlib.util.spec_from_file_location('transfer', path)
    module = importlib.util.module_from_spec(spec)
    sys.modules['transfer'] = module
    spec.loader.exec_module(module)
    return module


def publish_something(transfer, out: Path, run) -> str:
    folder = out / 'runs' / run.name
    folder.mkdir(parents=True)
    path = folder / 'published-01234567.pth'
    path.touch()
    return str(path)


def test_every_training_is_once_and_after_what_it_needs(transfer):
    stages = list(transfer.stages(3))
    runs = [run for stage in stages for run in stage]
    assert len({run.name for run in runs}) == len(runs) == 1 + 3 * (3 + 4 * 3)
    done = set()
    for stage in stages:
        for run in stage:
            needed = {transfer.Run('cls', run.start, run.seed)}
            if run.start == transfer.SCRATCH:
                needed = set()
            elif run.task == 'cls':
                # The teacher learns from classes, as these do.
                needed = {transfer.Run('cls', transfer.TEACHER, 0)}
                if run.start in (transfer.CLASSES, transfer.TEACHER):
                    needed = set()
            assert needed <= done
        done |= set(stage)


@pytest.mark.parametrize('name', HOSTS)
def test_starts_differ_in_the_start_alone(transfer, tmp_path, name):
    """All else is equal: model, data, steps, rate and seed."""
    pytest.importorskip(HOSTS[name])
    task = transfer.TASKS[name]
    if name == 'cls':
        all_changes = {
            order: transfer.token_labeling(tmp_path, swap_axes=order)
            for order in (True, False)
        }
    else:
        run = transfer.Run('cls', transfer.CLASSES, 2)
        file = publish_something(transfer, tmp_path, run)
        all_changes = {
            start: transfer.starting_from(
                transfer.Run(name, start, 2), tmp_path
            )
            for start in (transfer.SCRATCH, transfer.CLASSES)
        }
    configs = []
    for number, changes in enumerate(all_changes.values()):
        path = tmp_path / f'{number}.py'
        transfer.write_config(path, task, changes, 40, 2, tmp_path)
        configs.append(Config.fromfile(path))
    first, second = (cfg._cfg_dict.to_dict() for cfg in configs)
    if name == 'cls':
        assert first['model']['head'].pop('swap_axes')
        assert not second['model']['head'].pop('swap_axes')
    else:
        init = second['model']['backbone'].pop('init_cfg')
        assert init == dict(type='Pretrained', checkpoint=file)
    assert first == second
    assert first['train_cfg']['max_iters'] == 40
    assert first['randomness']['seed'] == 2
    assert first['optim_wrapper']['optimizer']['lr'] == task.rate
    arch = first['model']['backbone']['arch']
    assert arch == transfer.ARCH
    data = str(tmp_path / 'data' / task.data)
    assert first['train_dataloader']['dataset']['data_root'] == f'{data}/'
    if task.evaluator:
        assert first['val_evaluator']['ann_file'].startswith(data)


def test_trainings_of_one_process_keep_their_results_apart(
    transfer, tmp_path, monkeypatch
):
    """A few steps of each, then again without a step."""
    pytest.importorskip('mmpretrain')
    pytest.importorskip('mmseg')
    generate_portraits(tmp_path / 'data' / 'shapes_cls', train=36, val=6)
    generate(tmp_path / 'data' / 'shapes', train=4, val=2)
    runs = [
        transfer.Run(task, start, 0)
        for task, start in (
            ('cls', transfer.TEACHER),
            ('cls', transfer.TOKENS),
            ('seg', transfer.SCRATCH),
            ('seg', transfer.TOKENS),
        )
    ]
    for run in runs:
        transfer.run_once(run, tmp_path, scale=0.0)
    assert len(list(transfer.labels_of(tmp_path).rglob('*.pt'))) == 36
    results = transfer.read_results(tmp_path)
    for run in runs:
        (result,) = results[run.task, run.start]
        assert result['steps'] == [1, 2, 3, 4]
        assert all(0 <= value <= 1 for value in result['values'])
    for run in runs[:2]:
        assert Path(transfer.weights_of(run, tmp_path)).stat().st_size > 1e5
    monkeypatch.setattr(
        transfer, 'write_config', lambda *_: pytest.fail('trained again')
    )
    for run in runs:
        transfer.run_once(run, tmp_path, 1.0)


def test_table_and_curves(transfer, tmp_path):
    ends = {transfer.SCRATCH: (0.1, 0.3), transfer.CLASSES: (0.5, 0.5)}
    for start, values in ends.items():
        for seed, value in enumerate(values):
            run = transfer.Run('seg', start, seed)
            folder = tmp_path / 'runs' / run.name
            folder.mkdir(parents=True)
            result = dict(
                task='seg',
                start=start,
                seed=seed,
                steps=[10, 20],
                values=[0.0, value],
                seconds=30,
            )
            (folder / 'result.json').write_text(json.dumps(result))
    transfer.report(tmp_path)
    (row,) = (
        line
        for line in (tmp_path / 'transfer.md').read_text().splitlines()
        if line.startswith('| Semantic FPN')
    )
    # Mean and standard deviation of the seeds at the last step.
    assert row.split(' | ')[1:4] == ['20', '20.0 ± 14.1', '50.0 ± 0.0']
    assert len(json.loads((tmp_path / 'transfer.json').read_text())) == 4
    assert Image.open(tmp_path / 'transfer.png').size[0] > 900
