"""Numbers of a run over its starts, as mmengine logs them."""

import json
import math

import pytest

from mmuniformer.reports.records import (
    join_starts,
    less_is_better,
    read_records,
)


def train(step: int, **values) -> dict:
    return dict(lr=0.1, loss=1 / step, iter=step, step=step) | values


def val(step: int, value: float) -> dict:
    return {'mIoU': value, 'time': 0.1, 'data_time': 0.0, 'step': step}


def test_a_resumed_run_replaces_what_came_after_its_checkpoint():
    """The first start was killed at 90, its last checkpoint was at 60."""
    first = [train(s, loss=9.0) for s in (20, 40, 60)]
    first += [val(60, 1.0), train(80, loss=9.0), val(80, 2.0)]
    second = [train(s, loss=5.0) for s in (70, 90, 110)]
    second.insert(1, val(80, 3.0))
    curves = join_starts([first, second])
    assert curves.points('train', 'loss') == (
        [20, 40, 60, 70, 90, 110],
        [9.0, 9.0, 9.0, 5.0, 5.0, 5.0],
    )
    assert curves.points('val', 'mIoU') == ([60, 80], [1.0, 3.0])
    assert curves.best('mIoU') == (80, 3.0)


def test_a_run_that_began_anew_in_its_folder_is_the_new_one():
    curves = join_starts([[train(10), train(20)], [train(10, loss=7.0)]])
    assert curves.points('train', 'loss') == ([10], [7.0])


def test_epochs_and_iterations():
    by_epoch = [train(5, epoch=1), val(1, 0.5), train(10, epoch=2)]
    assert join_starts([by_epoch]).by_epoch
    # mmdet's logger counts passes over the data in a run by iterations.
    passes = [train(500), val(0, 0.5), train(1000), val(0, 0.7)]
    curves = join_starts([passes])
    assert not curves.by_epoch
    assert curves.points('val', 'mIoU') == ([500, 1000], [0.5, 0.7])


def test_lines_that_are_cut_or_no_records(tmp_path):
    path = tmp_path / 'scalars.json'
    whole = json.dumps(train(1, loss=math.nan))
    path.write_bytes(
        f'{whole}\n\n[1, 2]\n{{"loss": 3}}\n{{"step": NaN}}\n'.encode()
        + b'{"step": 2, "lo\xff\n'
        + b'[' * 100_000
        + b'\n{"loss": 0.5, "iter": 2, "st'
    )
    records, damaged = read_records(path)
    assert len(records) == 1
    assert math.isnan(records[0]['loss'])
    assert damaged == 6


def test_metrics_are_neither_times_nor_of_nothing():
    records = [
        train(5, epoch=1),
        {'coco/AP': 0.1, 'coco/AP (L)': -1.0, 'time': 1.0, 'step': 1},
        {'coco/AP': math.nan, 'coco/AP (L)': -1.0, 'step': 2},
    ]
    curves = join_starts([records])
    assert curves.metrics() == ['coco/AP']
    assert curves.best('coco/AP') == (1, 0.1)


@pytest.mark.parametrize(
    ('metric', 'less'),
    [('coco/bbox_mAP', False), ('NME', True), ('val/loss_cls', True)],
)
def test_which_is_better(metric, less):
    assert less_is_better(metric) is less
    curves = join_starts([[{metric: v, 'step': v} for v in (2, 1, 3)]])
    assert curves.best(metric) == ((1, 1) if less else (3, 3))
