"""docs/reproduction.md and its pictures are what the data say."""

import json
import shutil
from pathlib import Path

import pytest

from mmuniformer.apis import reproducing
from mmuniformer.reproduction import figures, places
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
    data = figures.throughput_data()
    path = tmp_path / 'picture.png'
    assert figures.save(figures.draw_throughput, data, (4, 3), path)
    drawn = path.read_bytes()
    assert not figures.save(figures.draw_throughput, data, (4, 3), path)
    path.unlink()
    figures.save(figures.draw_throughput, data, (4, 3), path)
    assert path.read_bytes() == drawn
    data['ImageNet-1K, images/s'][0]['accuracy'] += 1
    assert figures.save(figures.draw_throughput, data, (4, 3), path)


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
