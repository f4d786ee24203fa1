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
from mmuniformer.reproduction.report import Page, is_figure, source
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


def test_a_result_is_shown_and_one_of_other_options_is_not():
    experiment = find_experiment('uniformer_small')
    entry = dict(
        id=experiment.id,
        style='as configured',
        options={},
        metrics={'Top 1 Accuracy': {'measured': 82.95}},
    )
    shown = Page(COUNTED, [entry], [])
    assert '82.9 → 82.95 (+0.05)' in shown.text()
    # In Tables 2 and 15.
    assert shown.accuracies.known == 2
    entry['options'] = {'model.backbone.depth': '1'}
    hidden = Page(COUNTED, [entry], [])
    assert '82.95' not in hidden.text()
    assert hidden.accuracies.known == 0


def test_cells_are_of_the_right_experiment():
    """A published metric of the catalogue is in the cell that prints it.

    But for those that the official release prints otherwise.
    """
    same = other = 0
    for table in paper_tables():
        for row in table.rows:
            for column, printed in row.values.items():
                if not is_figure(column) or not row.is_uniformer:
                    continue
                if column.endswith(('_M', '_G')) or 'throughput' in column:
                    continue
                found = source(row, column)
                if found is None or printed is None:
                    continue
                for trial in trials(found.experiment):
                    value = trial.published.get(found.metric)
                    if trial.style == found.style and value is not None:
                        same += value == printed
                        other += value != printed
    assert same > 200
    assert other < 12


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
    assert all('%)' in line for line in table.splitlines() if '_160' in line)


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
