"""docs/reproduction.md and its pictures are what the data say."""

import json
import shutil
from itertools import combinations
from pathlib import Path

import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from mmuniformer.apis import reproducing
from mmuniformer.reproduction import (
    figures,
    labels,
    places,
    speed_figures,
)
from mmuniformer.reproduction import results as kept
from mmuniformer.reproduction.cells import accuracies, is_figure, source
from mmuniformer.reproduction.report import Page
from mmuniformer.reproduction.trials import trials
from mmuniformer.zoo import find_experiment, paper_tables

DOCS = Path(__file__).parents[2] / 'docs'
COUNTED = json.loads((DOCS / 'reproduction/complexity.json').read_text())


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """Docs that may be written."""
    shutil.copytree(DOCS / 'reproduction', tmp_path / 'docs/reproduction')
    shutil.copy(DOCS / 'reproduction.md', tmp_path / 'docs')
    for module in (places, kept):
        monkeypatch.setattr(module, 'root', lambda: tmp_path)
    return tmp_path


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob('*')
        if path.is_file()
    }


def test_nothing_is_stale(checkout):
    """Also: writing it again changes nothing."""
    before = contents(checkout)
    reproducing.write_report()
    changed = {n for n, c in contents(checkout).items() if before.get(n) != c}
    assert changed == set(), 'run make docs-data'


def test_pictures_carry_what_they_show(tmp_path):
    data, draw = (
        speed_figures.throughput_data(None),
        speed_figures.draw_throughput,
    )
    path = tmp_path / 'picture.png'
    assert figures.save(draw, data, (8, 4), path)
    drawn = path.read_bytes()
    assert not figures.save(draw, data, (8, 4), path)
    path.unlink()
    figures.save(draw, data, (8, 4), path)
    assert path.read_bytes() == drawn
    next(iter(data.values()))[0]['accuracy'] += 1
    assert figures.save(draw, data, (8, 4), path)


def measured(**values) -> dict:
    entry = dict(
        id=find_experiment('uniformer_small').id,
        style='as configured',
        options={},
        checkpoint='x.pth',
        checkpoint_sha256='0123456789',
        weights='uniformer_small@openmmlab',
        date='2026-01-02',
        device='a CPU',
        versions={'torch': '2.0'},
    )
    beside = {
        'published': 82.9,
        'difference': 0.05,
        'spread': 0.15,
        'within': True,
    }
    metrics = {'Top 1 Accuracy': {'measured': 82.95, **beside}}
    return {**entry, 'metrics': metrics, **values}


def test_a_result_is_shown_and_one_of_other_options_is_not():
    """In the tables; the list of results has both."""
    shown = Page(COUNTED, [measured()], [])
    text = shown.text()
    assert '82.9 → 82.95 (+0.05) |' in text
    assert (
        '| `image_classification/exp/uniformer_small` | as configured | Top 1 '
        'Accuracy: 82.95 (+0.05, spread 0.15), published 82.9: as published | '
        'uniformer_small@openmmlab, sha256 01234567 | 2026-01-02<br>a '
        'CPU<br>torch 2.0 |'
    ) in text
    # In Tables 2 and 15.
    assert shown.accuracies.known == 2
    changed = measured(options={'model.backbone.depth': '1'})
    hidden = Page(COUNTED, [changed], [])
    assert '→ 82.95' not in hidden.text()
    assert 'as configured<br>`model.backbone.depth=1` | Top' in hidden.text()
    assert hidden.accuracies.known == 0
    assert '## Accuracies, measured' not in Page(COUNTED, [], []).text()


def test_the_published_file_comes_before_a_given_one():
    """And of two given ones, the one that was tested later."""
    metrics = {
        'Top 1 Accuracy': {
            'measured': 0.1,
            'published': 82.9,
            'difference': -82.8,
            'spread': 0.15,
            'within': False,
        }
    }
    given = measured(weights=None, date='2026-03-01', metrics=metrics)
    for both in ([given, measured()], [measured(), given]):
        assert '82.9 → 82.95 (+0.05) |' in Page(COUNTED, both, []).text()
    before = measured(weights=None, date='2026-02-28')
    text = Page(COUNTED, [given, before], []).text()
    assert '82.9 → 0.10 (-82.80, given file) |' in text
    assert '| x.pth (given), sha256 01234567 |' in text


def test_cells_are_of_the_right_experiment():
    """Each printed accuracy is that of a test, with its published metric.

    But for those that the official release prints otherwise.
    """
    same, other, without = 0, set(), set()
    for table in paper_tables():
        for row in table.rows:
            if not row.is_uniformer:
                continue
            for column, printed in accuracies(row):
                found = source(table, row, column)
                if found is None or column in row.unsure:
                    without.add((table.number, column))
                    continue
                (published,) = (
                    trial.published[found.metric]
                    for trial in trials(found.experiment)
                    if trial.style == found.style
                )
                same += published == printed
                if published != printed:
                    name = found.experiment.name
                    other.add((table.number, name, printed, published))
    assert same == 320
    assert other == {
        (3, 'uniformer_b32x4_k600', 84.8, 84.5),
        (4, 'uniformer_b32_sthv2_prek400', 71.2, 71.1),
        # Of the first split alone.
        (6, 'uniformer_s16x4_ucf101_prek400', 98.1, 98.3),
        (6, 'uniformer_s16x4_hmdb51_prek400', 76.9, 77.5),
        (
            21,
            'fpn_uniformer-s_8xb4-80k_ade20k-512x512_test-w32',
            45.2,
            45.6,
        ),
        (
            21,
            'fpn_uniformer-b_8xb4-80k_ade20k-512x512_test-w32',
            47.2,
            47.0,
        ),
    }
    assert {number for number, _ in without} == {15, 16, 19, 20, 23}


def test_what_is_not_readable_is_marked():
    """With what is likelier, where that is known."""
    text = Page(COUNTED, [], []).text()
    tables = text.split('## Table ')
    (of_detection,) = (t for t in tables if t.startswith('20:'))
    assert '| 50.5? → not measured |' in of_detection
    assert '| 68.7 → not measured |' in of_detection
    assert '- G: APm50_1x is printed so; 65.5 is likelier.' in of_detection
    (of_designs,) = (t for t in tables if t.startswith('23:'))
    assert '9383 is likelier' in of_designs
    (of_images,) = (t for t in tables if t.startswith('2:'))
    assert '?' not in of_images


def test_no_sign_of_a_name_is_misread():
    """An arrow as a dagger, a letter of distillation with an accent."""
    names = {
        str(row.values.get('model'))
        for table in paper_tables()
        for row in table.rows
    }
    upsilon = '\N{GREEK CAPITAL LETTER UPSILON}'
    right = {f'CaiT-S36 ↑384{upsilon}', 'CSwin-B ↑384', 'MobileViT-S'}
    assert right <= names
    signs = {sign for name in names for sign in name if ord(sign) > 127}
    assert signs == {'†', '↑', upsilon}
    assert not any('†3' in name or '†4' in name for name in names)


def test_a_metric_is_no_size():
    """AP (M) ends like a column of millions."""
    text = Page(COUNTED, [], []).text()
    table = text.partition('## Table 22')[2].partition('## ')[0]
    assert '| 68.9 → not measured |' in table
    assert is_figure('AP_M')


def test_designs_are_counted():
    """Table 23, whose designs are settings of a config."""
    designs = json.loads((DOCS / 'reproduction/designs.json').read_text())
    assert len(designs) == 7
    with_them = Page([*COUNTED, *designs], [], [])
    table = with_them.text().partition('## Table 23')[2].partition('## ')[0]
    assert '0.91 → 0.9068 (-0.4 %)' in table
    rows = [line for line in table.splitlines() if line.startswith('| Uni')]
    assert len(rows) == 8
    assert all('%)' in row for row in rows)


def test_names_cover_nothing():
    """Of two points at one place, both names are there, apart."""
    figure = Figure(figsize=(4, 3), layout='constrained')
    ax = figure.subplots()
    points = [(1, 1), (1, 1), (1.4, 1.5), (2, 2)]
    ax.scatter(*zip(*points, strict=True))
    names = [labels.Name(f'a model {x}', x, y, 'k') for x, y in points]
    assert labels.place(ax, names, points) == []
    figure.canvas.draw()
    boxes = [Text.get_window_extent(text) for text in ax.texts]
    assert len(boxes) == 4
    assert not any(a.overlaps(b) for a, b in combinations(boxes, 2))
    frame = ax.get_window_extent()
    assert all(frame.x0 <= b.x0 and b.x1 <= frame.x1 for b in boxes)
    # Where there is no room for them, they are left out.
    crowd = [labels.Name('x' * 40, 1, 1, 'k')] * 30
    assert labels.place(ax, crowd, points)
