"""Reports on trainings of each task, with the predictions of a checkpoint."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from report_pages import Page
from small_runs import TASKS, Small
from tensorboard.backend.event_processing.event_accumulator import (
    EventAccumulator,
)

from mmuniformer.apis import report, train
from mmuniformer.apis.reporting import predictions_of
from mmuniformer.datasets.shapes import generate, generate_videos
from mmuniformer.errors import UserError
from mmuniformer.reports.content import number
from mmuniformer.reports.runs import read_runs
from mmuniformer.reports.samples import Samples

SHORT = """
train_cfg.update({ends})
default_hooks['checkpoint'].update(interval=1)
"""
LIBRARIES = dict(det='mmdet', seg='mmseg', pose='mmpose', video='mmaction')
# A metric, where the page has its own sum of it, and its scale.
SUMS = {
    'det': ('coco/bbox_mAP', 'All classes', 'AP', 1),
    'seg': ('mIoU', 'All classes', 'mean IoU (%)', 1),
    'pose': ('coco/AP', 'Average precision', 'AP', 1),
    'video': ('acc/top1', 'All classes', 'top-1 (%)', 100),
}


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    root = tmp_path_factory.mktemp('data')
    generate(root / 'images', train=4, val=3, size=64)
    generate_videos(root / 'videos', train=4, val=3, size=64, frames=16)
    return root


def trained(task: str, data, folder, **options) -> str:
    ends = 'max_iters=2' if task == 'seg' else 'max_epochs=1'
    more = SHORT.format(ends=f'{ends}, val_interval=1')
    small = Small(task, data, folder, more=more)
    work_dir = str(folder / 'run')
    train(small.config(), work_dir=work_dir, check=False, **options)
    return work_dir


@pytest.mark.parametrize('task', sorted(TASKS))
def test_predictions_are_those_of_the_test(task, data, tmp_path):
    pytest.importorskip(LIBRARIES[task])
    log_to = ['tensorboard'] if task == 'seg' else []
    work_dir = trained(task, data, tmp_path, log_to=log_to)
    path = report([work_dir], checkpoint='last', pictures=1)
    page = Page(path)
    samples = Samples(path.parent / 'predictions-val')
    metrics = samples.result['metrics']
    told = page.column('As the library measures', 'value')
    assert told == {name: number(value) for name, value in metrics.items()}
    # What the training measured last, with the same weights.
    metric, table, column, scale = SUMS[task]
    last = page.column('Metrics', 'last')[metric]
    assert float(last) == pytest.approx(metrics[metric], abs=1e-3)
    head, row = page.tables[table][:2]
    own = row[head.index(column)]
    assert float(own) == pytest.approx(scale * metrics[metric], abs=6e-3)
    assert all(entry['path'] for entry in samples.entries)
    pictures = {p.name for p in path.parent.glob('*.png')}
    assert any(name.startswith('worst-1') for name in pictures)

    if task == 'seg':
        # The same again takes what was kept; anything else does not.
        (run,) = read_runs([work_dir])
        assert predictions_of(run, 'last', 'val').result == samples.result
        assert count_tests(samples.folder) == 1
        options = {'val_dataloader.batch_size': 1}
        other = predictions_of(run, 'last', 'val', options)
        assert other.result['key'] != samples.result['key']
        assert other.result['metrics'] == metrics
        check_corrected_labels(run, data / 'images', tmp_path)
        with pytest.raises(UserError, match='gone'):
            report([work_dir], checkpoint='gone.pth')
        check_tensorboard(tmp_path / 'run')


def check_corrected_labels(run, data, tmp_path) -> None:
    """They are tested with; where they are gone, what was kept is shown."""
    before = predictions_of(run, 'last', 'val').result
    (maps,) = {
        Path(place) for place in before['key']['labels'] if 'val' in place
    }
    one = min(maps.iterdir())
    Image.fromarray(np.asarray(Image.open(one)) * 0).save(one)
    after = predictions_of(run, 'last', 'val').result
    assert after['metrics'] != before['metrics']
    maps.rename(tmp_path / 'away')
    assert predictions_of(run, 'last', 'val').result == after
    (tmp_path / 'away').rename(maps)


def count_tests(folder) -> int:
    return len(list(folder.glob('2*_*')))


def check_tensorboard(work_dir) -> None:
    """The numbers are there, and the config that others run has no word."""
    (start,) = work_dir.glob('2*_*')
    (file,) = start.glob('vis_data/events.*')
    events = EventAccumulator(str(file))
    events.Reload()
    steps = [event.step for event in events.Scalars('loss')]
    assert steps == [1, 2]
    assert 'mIoU' in events.Tags()['scalars']
    assert 'Tensorboard' not in (start / 'vis_data/config.py').read_text()


def test_a_tracker_that_is_not_there(data, tmp_path):
    pytest.importorskip('mmseg')
    if find_spec('mlflow') is not None:
        pytest.skip('mlflow is installed')
    with pytest.raises(UserError, match='pip install mlflow'):
        trained('seg', data, tmp_path, log_to=['mlflow'])
    assert not (tmp_path / 'run').exists()
