"""Throughput of the benchmark's files, beside what the paper prints."""

import json
from pathlib import Path

import pytest

from mmuniformer.errors import UserError
from mmuniformer.reproduction.report import Page
from mmuniformer.reproduction.speed_figures import growth, sweep_data
from mmuniformer.reproduction.speed_section import (
    beside,
    speed_section,
    summary,
)
from mmuniformer.reproduction.speeds import (
    COMPILED,
    DESIGNS,
    EAGER,
    exponent,
    published_accuracy,
    read_run,
)

DOCS = Path(__file__).parents[2] / 'docs'


def result(name: str, *times: float, compiled: bool = False, **values) -> dict:
    return {
        'variant': {'name': name, 'dtype': 'fp32', 'compiled': compiled},
        'times': times,
        'memory': 8_000_000,
        'macs': 800_000_000,
        'note': '',
        **values,
    }


def comparison(model: str, size: list[int], batch: int, *results) -> dict:
    workload = dict(model=model, size=size, batch=batch, mode='inference')
    return {'workload': workload, 'results': results}


@pytest.fixture
def run(tmp_path):
    content = {
        'environment': {'device': 'here', 'command': 'python x'},
        'ceilings': {'fp32': 4e10},
        'left_out': ['B, 224x224, batch 8, inference: ours'],
        'comparisons': [
            comparison(
                'XXS',
                [160, 160],
                8,
                result('ours', 0.08, 0.1, 0.1),
                result('deploy', 0.05, 0.08, 0.1),
                result('EfficientNet-B1@240', 0.2, 0.4, 0.2),
                result('MobileViT-S@256', note='not installed: x'),
            ),
            comparison(
                'XXS',
                [160, 160],
                8,
                result('ours', 0.1, 0.1),
                result('keep-0.25', 0.05, 0.05),
                result('no-score-token', 0.08, 0.08),
            ),
            comparison(
                'video XXS',
                [16, 128, 128],
                1,
                result('ours', 0.1, 0.1),
                result('X3D-S@13x182x182', 0.05, 0.05),
            ),
            comparison(
                'XXS',
                [160, 160],
                8,
                result('deploy', 0.04, 0.04, compiled=True),
                result('EfficientNet-B1@240', 0.1, 0.1, compiled=True),
            ),
        ],
    }
    path = tmp_path / 'tables.json'
    path.write_text(json.dumps(content))
    return read_run(path)


def test_accuracies_are_those_of_the_paper():
    assert published_accuracy('UniFormer-XXS', (160, 160)) == 79.1
    assert published_accuracy('UniFormer-XXS', (16, 128, 128)) == 73.3
    # Not those of token labeling.
    assert published_accuracy('UniFormer-S', (224, 224)) == 82.9
    assert published_accuracy('UniFormer-B', (224, 224)) == 83.9
    assert published_accuracy('MobileViT-XS', (256, 256)) == 74.6
    assert published_accuracy('X3D-S', (13, 182, 182)) == 73.3
    assert published_accuracy('EfficientNet-B1', (224, 224)) is None


def test_eager_and_compiled_are_of_one_model(run):
    images, designs, video = run.comparisons
    ours, net, absent = images
    assert ours.forms.keys() == {EAGER, 'deployed', COMPILED}
    assert ours.rate(EAGER) == 80
    assert ours.best == COMPILED
    # The median of quotients, not the quotient of medians.
    assert ours.times_as_fast(net, compiled=False) == 4
    assert ours.times_as_fast(net, compiled=True) == 2.5
    assert absent.why_not == {EAGER: 'not installed: x'}
    assert ours.times_as_fast(absent, compiled=False) is None
    assert [speed.settings for speed in designs] == [
        {},
        {'keep_ratio': 0.25},
        {'score_token': False},
    ]
    # As Table 23 prints them.
    assert [speed.accuracy for speed in designs] == [79.1, 76.8, 78.7]
    # A video is 30 views of X3D.
    assert video[1].rate(EAGER) == pytest.approx(20 / 30)
    assert video[0].times_as_fast(video[1], compiled=False) == 15


def test_pairs_beside_the_printed_ones(run):
    efficient, x3d = beside(run)
    assert efficient.printed == pytest.approx(9382 / 5820)
    assert (efficient.plain, efficient.compiled) == (4, 2.5)
    assert efficient.gain == 0
    assert x3d.printed == pytest.approx(591 / 18)
    assert x3d.compiled is None
    printed, plain, compiled = summary([efficient, x3d])
    assert 'in 1 of 2 pairs' in printed
    assert 'in 2 of 2 pairs' in plain
    assert plain.endswith('4.00 to 15.00')
    assert 'in 1 of 1 pairs' in compiled
    # A model that is better is no fair competitor.
    better = run.comparisons[2][0]
    assert list(
        summary([type(efficient)(better, efficient.other, 9, 9, 9)])
    ) == ([])


def test_the_section(run):
    text = '\n'.join(speed_section(run))
    assert (
        '| EfficientNet-B1 | 240x240 | 79.1 | 0.10 | 40 | - | 80 | 4.00 | '
        '2.50 | 8 | 20% |'
    ) in text
    assert '| not installed: x | - | not measured | not measured |' in text
    assert '- B, 224x224, batch 8, inference: ours\n' in text
    # Of designs there is one form.
    assert '| UniFormer-XXS, score_token=False | 160x160 | 78.7 |' in text
    assert '| 100 | 0.80 | 8 | 25% |' in text
    assert 'UniFormer-XXS, keep_ratio=0.25' in text
    absent = '\n'.join(speed_section(None))
    assert 'Not measured' in absent
    assert '--preset tables' in absent


def test_cells_of_the_tables(run):
    text = Page([], [], [], run).text()
    assert '| 9382 → 200 (CPU) |' in text
    # Of the designs, the published one is what was timed beside the others.
    assert '| 9382 → 80 (CPU) |' in text
    assert '| 10162 → 160 (CPU) |' in text
    assert '| 9395 → 100 (CPU) |' in text
    assert '| 12886 → not measured |' in text


def test_designs_are_those_of_the_benchmark():
    from benchmarking import workloads

    assert {'ours': {}, **workloads.DESIGNS} == DESIGNS


def test_growth_over_tokens(tmp_path):
    results = [
        comparison(
            model,
            [side, side],
            1,
            result('deploy', side**power, memory=3 * side**2),
        )
        for model, power in (('S', 3), ('S-w14', 2))
        for side in (224, 384, 1024)
    ]
    path = tmp_path / 'sweep.json'
    content = dict(environment={}, ceilings={}, comparisons=results)
    path.write_text(json.dumps(content))
    lines = sweep_data(read_run(path))
    assert lines['video'] == []
    whole, windows = lines['images']
    assert (whole['style'], windows['style']) == ('global', 'window, 14')
    assert growth('images', whole, 1, 0) == pytest.approx(1.5)
    assert growth('images', windows, 1, 2) == pytest.approx(1)
    assert growth('images', windows, 2, 0) == pytest.approx(1)
    assert exponent((1, 2, 4), (5, 20, 80)) == pytest.approx(2)


@pytest.mark.parametrize('content', ['{}', '[]', '{', '{"comparisons": 1}'])
def test_what_no_benchmark_has_written(tmp_path, content):
    path = tmp_path / 'tables.json'
    path.write_text(content)
    with pytest.raises(UserError, match=r'is not what .*benchmark\.py writes'):
        read_run(path)
    assert read_run(tmp_path / 'absent.json') is None
