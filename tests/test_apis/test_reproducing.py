"""mmuniformer reproduce: a test of each task from its data to its result."""

import json

import pytest
import torch
from published_data import SMALL, make_data, options, weights

from mmuniformer.apis.reproducing import reproduce
from mmuniformer.errors import CheckpointError, UserError
from mmuniformer.reproduction import results as kept
from mmuniformer.reproduction.trials import compare, spread, trials
from mmuniformer.zoo import experiments, find_experiment

SCOPES = {
    'classification': 'mmpretrain',
    'detection': 'mmdet',
    'segmentation': 'mmseg',
    'pose': 'mmpose',
    'video': 'mmaction',
}


@pytest.mark.parametrize('task', SMALL)
def test_from_data_to_result(task, tmp_path, capsys, monkeypatch):
    pytest.importorskip(SCOPES[task])
    monkeypatch.chdir(tmp_path)
    data = make_data(task, tmp_path)
    name, file = SMALL[task][0], weights(task, tmp_path / 'seeded.pth')
    path = tmp_path / 'results.json'

    def run(root=data, checkpoint=file):
        return reproduce(
            name,
            str(root),
            checkpoint,
            results=str(path),
            work_dir=str(tmp_path / 'work'),
            cfg_options=options(task),
        )

    entries = run()
    experiment = find_experiment(name)
    assert [e['style'] for e in entries] == [
        t.style for t in trials(experiment)
    ]
    assert kept.read(path) == sorted(
        entries, key=lambda e: json.dumps(kept.key(e))
    )
    for entry, trial in zip(entries, trials(experiment), strict=True):
        assert entry['id'] == experiment.id
        assert entry['checkpoint_sha256'] == kept.file_digest(
            tmp_path / 'seeded.pth'
        )
        assert torch.__version__.startswith(entry['versions']['torch'])
        assert all(entry[key] for key in ('device', 'date', 'options'))
        assert list(entry['metrics']) == list(trial.published)
        for metric in entry['metrics'].values():
            # Weights that have learned nothing are not as published.
            assert not metric['within']
            measured = metric['measured']
            assert measured is None or 0 <= measured < metric['published']
        # Of COCO's metrics, those of sizes that the data lack are none.
        first = next(iter(entry['metrics'].values()))
        assert first['measured'] is not None or task == 'detection'
    assert 'NOT as published' in capsys.readouterr().out

    # What was measured is not measured again; another file is.
    before = path.read_bytes()
    assert run() == entries
    assert path.read_bytes() == before
    assert 'measured before' in capsys.readouterr().out

    # Mistakes, a line each.
    with pytest.raises(UserError, match=r'data root .* does not exist'):
        run(tmp_path / 'nowhere')
    (tmp_path / 'empty').mkdir()
    with pytest.raises(UserError, match='is not laid out as') as error:
        run(tmp_path / 'empty')
    assert str(tmp_path / 'empty') in str(error.value)
    with pytest.raises(CheckpointError, match=r'absent\.pth is not a file'):
        run(checkpoint=str(tmp_path / 'absent.pth'))
    other = 'video' if task != 'video' else 'classification'
    if pytest.importorskip(SCOPES[other]):
        wrong = weights(other, tmp_path / 'other.pth')
        with pytest.raises((UserError, CheckpointError)) as error:
            run(checkpoint=wrong)
        assert 'other.pth' in str(error.value)
        assert '\n' not in str(error.value)
    assert path.read_bytes() == before


def test_every_published_metric_is_of_a_test():
    """Also those of other views, and of several scales."""
    for experiment in experiments():
        published = sum(len(r.metrics) for r in experiment.results)
        assert sum(len(t.published) for t in trials(experiment)) == published
        for trial in trials(experiment):
            compare(experiment.task, trial.published, {})


def test_results_within_the_spread():
    """Of hosts' own tests where those are further apart than rounding."""
    assert spread('classification', 'Top 1 Accuracy').points == pytest.approx(
        0.15
    )
    assert spread('pose', 'AR').points == pytest.approx(0.45)
    assert 'by their host' in spread('pose', 'AR').source
    published = {'Top 1 Accuracy': 82.9}
    for value, within in ((82.75, True), (83.05, True), (82.7, False)):
        found = compare('classification', published, {'accuracy/top1': value})[
            'Top 1 Accuracy'
        ]
        assert found['within'] is within
        assert found['difference'] == pytest.approx(value - 82.9)
    nothing = compare('classification', published, {})['Top 1 Accuracy']
    assert nothing['measured'] is None
    assert nothing['within'] is False


def test_a_file_that_is_none_of_results(tmp_path):
    path = tmp_path / 'results.json'
    path.write_text('{"a": 1}')
    with pytest.raises(UserError, match='no file of results'):
        kept.read(path)


def test_what_nothing_is_called():
    with pytest.raises(UserError, match='uniformer_smal is no experiment'):
        reproduce('uniformer_smal', 'data')
