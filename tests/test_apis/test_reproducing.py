"""mmuniformer reproduce: a test of each task from its data to its result."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from mmengine.registry import MODELS
from published_data import LOADER, SMALL, make_data, options, weights

from mmuniformer.apis import reproducing
from mmuniformer.apis.reproducing import reproduce, reproduce_all
from mmuniformer.engine.config import load_config
from mmuniformer.errors import CheckpointError, UserError
from mmuniformer.reproduction import results as kept
from mmuniformer.reproduction.places import root
from mmuniformer.reproduction.trials import (
    compare,
    data_options,
    spread,
    trials,
    view_options,
)
from mmuniformer.zoo import experiments, find_experiment

TOOLS = Path(__file__).parents[2] / 'tools'
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
        # From whichever package it comes.
        assert {'mmengine', 'mmcv', SCOPES[task]} <= entry['versions'].keys()
        assert entry['weights'] is None
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

    # Of other data it is another test, whose result replaces that one.
    assert not kept.same_test(entries, {**entries[0], 'data_sha256': 'other'})
    # These few are not what the published figures are of.
    whole = task in ('pose', 'video')
    assert [kept.is_whole(entry) for entry in entries] == [whole] * len(
        entries
    )
    assert len(kept.chosen([{**e, 'options': {}} for e in entries])) == (
        len(entries) if whole else 0
    )

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


@pytest.mark.slow
def test_all_goes_on_where_it_was_ended(tmp_path, capsys, monkeypatch):
    """Killed in the second of three, of which one has no weights."""
    pytest.importorskip('mmpretrain')
    monkeypatch.chdir(tmp_path)
    data = make_data('classification', tmp_path)
    some = [
        find_experiment(name)
        for name in ('xxs_128', 'xxs_160', 'uniformer_base')
    ]
    monkeypatch.setattr(reproducing, 'experiments', lambda: some)
    file = tmp_path / 'xxs.pth'
    model = MODELS.build(load_config(root() / some[0].config).model)
    torch.save({'state_dict': model.state_dict()}, file)
    got = []

    def get(weights):
        got.append(weights.name)
        if len(got) == 2:
            raise KeyboardInterrupt
        if 'base' in weights.name:
            raise CheckpointError(f'{weights.name} cannot be got')
        return file

    monkeypatch.setattr(reproducing, 'get', get)
    path = tmp_path / 'results.json'
    with pytest.raises(KeyboardInterrupt):
        reproduce_all(str(data), results=str(path))
    (first,) = kept.read(path)
    assert first['id'] == some[0].id
    assert first['options'] == {}
    with pytest.raises(UserError, match='1 of 3 experiments could not be'):
        reproduce_all(str(data), results=str(path))
    captured = capsys.readouterr()
    assert f'{first["id"]}, as configured: measured before' in captured.out
    assert f'{some[2].id}: {got[-1]} cannot be got' in captured.err
    assert [e['id'] for e in kept.read(path)] == [e.id for e in some[:2]]
    assert kept.read(path)[0] == first


@pytest.mark.slow
def test_two_processes(tmp_path, run_tool):
    """Each has half of the data; one of them says and writes what comes."""
    pytest.importorskip('mmpretrain')
    data = make_data('classification', tmp_path)
    name, chosen = 'xxs_128', {**LOADER}
    del chosen['test_dataloader.persistent_workers']
    model = MODELS.build(
        load_config(root() / find_experiment(name).config).model
    )
    torch.save({'state_dict': model.state_dict()}, tmp_path / 'xxs.pth')
    done = run_tool(
        'launch.py',
        *('--standalone', '--nproc-per-node=2'),
        TOOLS / 'analysis_tools/reproduce.py',
        *('--run', name, '--data-root', data, '--launcher', 'pytorch'),
        *('--checkpoint', tmp_path / 'xxs.pth'),
        *('--results', tmp_path / 'results.json'),
        *('--cfg-options', *(f'{k}={v}' for k, v in chosen.items())),
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count('published 76.8: NOT as published') == 1
    (entry,) = kept.read(tmp_path / 'results.json')
    assert entry['device'].startswith('2 x ')


def test_every_published_metric_is_of_a_test():
    """Also those of other views, and of several scales."""
    of_paper = 0
    for experiment in experiments():
        published = sum(len(r.metrics) for r in experiment.results)
        tested = sum(len(t.published) for t in trials(experiment))
        assert tested >= published
        of_paper += tested - published
        cfg = load_config(root() / experiment.config)
        for trial in trials(experiment):
            compare(experiment.task, trial.published, {})
            views = view_options(cfg, trial.style)
            assert ('x' in trial.style) == bool(views)
    # Of UniFormer-B: K600 with 32 frames, SSV2 pre-trained on K400.
    assert of_paper == 4
    (one, three) = trials(find_experiment('uniformer_b32x4_k600'))
    assert one.published == {'Top 1 Accuracy': 84.5, 'Top 5 Accuracy': 96.7}
    assert three.style == '32x3x4'
    assert three.published == {'Top 1 Accuracy': 84.9, 'Top 5 Accuracy': 96.7}


def test_models_of_ours_are_tested_as_configured():
    """Those of the paper alone as it has them; else all is measured."""
    llll = 'uniformer-small-llll_k400-pre_8xb4-u16-60e_sthv1-rgb'
    (trial,) = trials(find_experiment(llll))
    assert trial.style == '16x1x1'
    assert trial.published == {'Top 1 Accuracy': 49.2, 'Top 5 Accuracy': 77.6}
    windows = find_experiment('mask-rcnn_uniformer-s-w14_fpn_amp-1x_coco')
    (trial,) = trials(windows)
    assert (trial.style, trial.published) == ('as configured', {})
    found = compare('detection', {}, {'coco/bbox_mAP': 0.45})
    assert found['box AP']['measured'] == 45.0
    assert found['box AP']['within'] is None
    entry = {'metrics': {'box AP': found['box AP']}}
    assert list(kept.lines(entry)) == ['box AP: 45.00, none published']


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


def test_nothing_but_json_is_on_stdout(tmp_path, run_tool):
    """Also where nothing was counted before, so that models are built."""
    pytest.importorskip('mmpretrain')
    done = run_tool(
        'analysis_tools/reproduce.py',
        *('--complexity', '--designs', '--format', 'json'),
        XDG_CACHE_HOME=str(tmp_path),
    )
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)
    path = TOOLS.parent / 'docs/reproduction/designs.json'
    assert rows == json.loads(path.read_text())
    # It is in the log that such a line would come.
    assert 'batch augmentations' in done.stderr


def test_data_are_told_apart(tmp_path):
    """By lists and names; not by where they are."""
    data = make_data('classification', tmp_path)
    path = root() / find_experiment('xxs_128').config
    cfg = load_config(path)

    def digest(folder=data):
        return kept.data_digest(
            load_config(path, data_options(cfg, str(folder)))
        )

    found = {digest()}
    (image, *_) = sorted((data / 'imagenet/val').glob('*/*'))
    image.rename(tmp_path / image.name)
    found.add(digest())
    (data / 'imagenet/meta').mkdir()
    lines = data / 'imagenet/meta/val.txt'
    for text in ('a.jpg 0\n', 'a.jpg 1\n'):
        lines.write_text(text)
        found.add(digest())
    assert len(found) == 4
    data.rename(tmp_path / 'elsewhere')
    assert digest(tmp_path / 'elsewhere') in found


def test_a_file_in_the_place_of_a_folder(tmp_path):
    """And the other way round."""
    (tmp_path / 'imagenet').mkdir()
    val = tmp_path / 'imagenet/val'
    val.touch()
    with pytest.raises(UserError) as error:
        reproduce('xxs_128', str(tmp_path))
    assert str(error.value) == (
        f'{val} is a file, not a folder; docs/classification.md shows the '
        'layout'
    )
    listed = tmp_path / 'kinetics400/kinetics400_val_list_videos.txt'
    listed.mkdir(parents=True)
    (tmp_path / 'kinetics400/videos_val').mkdir()
    with pytest.raises(UserError, match=r'list_videos\.txt is a folder; docs'):
        reproduce('uniformer_s16x4_k400', str(tmp_path))


def test_what_nothing_is_called():
    for name, meant in (
        ('uniformer_smal', 'uniformer_small'),
        (
            'image_classification/exp/uniformer_smll',
            'image_classification/exp/uniformer_small',
        ),
    ):
        with pytest.raises(UserError, match='is no experiment') as error:
            reproduce(name, 'data')
        assert f'did you mean {meant}' in str(error.value)
    with pytest.raises(UserError, match=r"'' is no experiment; .*--list"):
        reproduce('', 'data')


def test_a_file_is_known_as_the_published_one(tmp_path, monkeypatch):
    """By its digest, or by the name that it was asked for."""
    known = find_experiment('uniformer_small').weights
    file = tmp_path / 'renamed.pth'
    file.write_bytes(b'PK\x03\x04 weights')
    digest = kept.file_digest(file)
    published = [
        replace(known[0], sha256=None),
        replace(known[1], sha256=digest[:8]),
    ]
    experiment = replace(
        find_experiment('uniformer_small'), weights=tuple(published)
    )
    found = reproducing._weights(experiment, str(file))
    assert found.published == known[1].name
    assert found.sha256 == digest
    other = replace(experiment, weights=tuple(published[:1]))
    assert reproducing._weights(other, str(file)).published is None
    # The catalogue's own file by its name, from the user's folder.
    drive = find_experiment('xxs_128').weights[0]
    monkeypatch.setenv('MMUNIFORMER_WEIGHTS', str(tmp_path))
    file.rename(tmp_path / drive.kept_as)
    found = reproducing._weights(find_experiment('xxs_128'), drive.name)
    assert found.published == drive.name
    # Names and shapes are those of other sizes, too.
    with pytest.raises(CheckpointError) as error:
        reproducing._weights(find_experiment('xxs_160'), drive.name)
    assert str(error.value) == (
        f'{drive.name} is the published file of '
        'image_classification/exp_light/xxs_128, not of '
        'image_classification/exp_light/xxs_160: --run that one'
    )


def test_what_is_wrong_for_all_is_told_once(tmp_path):
    (tmp_path / 'data').mkdir()
    with pytest.raises(UserError, match=r'data root .* is no folder'):
        reproduce_all(str(tmp_path / 'nowhere'))
    (tmp_path / 'file').touch()
    with pytest.raises(UserError, match='cannot be written'):
        reproduce_all(
            str(tmp_path / 'data'), results=str(tmp_path / 'file/results.json')
        )
    with pytest.raises(UserError, match='no results to report'):
        reproducing.write_report(str(tmp_path / 'absent.json'))


def test_a_defect_in_one_is_told_and_the_next_one_is_tested(
    tmp_path, monkeypatch, capsys
):
    some = experiments()[:3]
    monkeypatch.setattr(reproducing, 'experiments', lambda: some)
    asked = []

    def fails(name, *args, **kwargs):
        asked.append(name)
        raise (ZeroDivisionError if len(asked) == 2 else UserError)('why')

    monkeypatch.setattr(reproducing, 'reproduce', fails)
    results = str(tmp_path / 'results.json')
    with pytest.raises(UserError, match='3 of 3 experiments could not be'):
        reproduce_all(str(tmp_path), results=results)
    assert asked == [experiment.id for experiment in some]
    told = capsys.readouterr().err
    assert f'{some[0].id}: why\n' in told
    assert 'ZeroDivisionError: why' in told
    # Others would wait for a process that goes on alone.
    asked[:] = ['first']
    with pytest.raises(ZeroDivisionError):
        reproduce_all(str(tmp_path), results=results, launcher='pytorch')


def test_the_folder_of_one_data_set_is_not_that_of_all(tmp_path, monkeypatch):
    folder = tmp_path / 'data/imagenet/val'
    folder.mkdir(parents=True)
    monkeypatch.setenv('HOME', str(tmp_path))
    for root_of_one in (str(tmp_path / 'data/imagenet'), '~/data/imagenet'):
        with pytest.raises(UserError) as error:
            reproduce('uniformer_small', root_of_one)
        assert str(error.value).endswith(
            f'; {tmp_path}/data is: give the folder of all data sets'
        )
    with pytest.raises(UserError, match=r'docs/classification\.md shows'):
        reproduce('uniformer_small', str(tmp_path))
