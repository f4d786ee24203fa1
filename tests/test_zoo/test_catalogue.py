"""The catalogue, its names and what is said of them."""

import json
import re
from pathlib import Path

import modelindex
import pytest
import write_tables

from mmuniformer import zoo
from mmuniformer.cli.main import main
from mmuniformer.errors import UserError
from mmuniformer.models.backbones.settings import IMAGE_ARCHS, LIGHT_ARCHS
from mmuniformer.zoo.listing import (
    CLASS_ORDERS,
    list_weights,
    model_card,
    show_card,
)

ROOT = Path(__file__).parents[2]
RECIPES = {
    recipe_id: recipe
    for path in (ROOT / 'tests/golden').glob('recipes_*.json')
    for recipe_id, recipe in json.loads(path.read_text()).items()
}
EVERY = (*zoo.experiments(), *zoo.derived())
# A published file in a config, or one to be put into a folder.
START = re.compile(r"'((?:https:/|checkpoints)/\S+\.pth)'")
INDEX = modelindex.load(str(ROOT / 'model-index.yml')).models


def test_all_official_experiments_are_there():
    assert sorted(e.id for e in zoo.experiments()) == sorted(RECIPES)
    assert {e.config for e in EVERY} == {model.config for model in INDEX}


def test_names_are_of_one_file_each():
    names = [file.name for file in zoo.weights()]
    assert len(set(names)) == len(names)
    for file in zoo.weights():
        assert zoo.find(file.name) is file
    for experiment in zoo.experiments():
        for name in (experiment.name, experiment.id, experiment.model):
            found = zoo.find(name)
            files = experiment.weights
            assert found is (files[0] if files else None)
            assert zoo.find_experiment(name) is experiment


def test_names_of_files_do_not_mean_another_model():
    for file in zoo.weights():
        for name in (file.kept_as, file.kept_as.rpartition('.')[0]):
            assert zoo.find(name).experiment == file.experiment
        if file.url:
            assert zoo.find(file.url) is file


def test_what_tests_the_weights_of_another():
    name = 'uniformer-small-in1k-pre_upernet_8xb2-160k_ade20k-512x512_test-h32'
    assert zoo.find(name) is zoo.find('upernet_global_small')


@pytest.mark.parametrize('experiment', zoo.experiments(), ids=lambda e: e.name)
def test_architectures_are_the_official_ones(experiment):
    official = RECIPES[experiment.id]['backbone']
    light = experiment.arch in LIGHT_ARCHS
    arch = (LIGHT_ARCHS if light else IMAGE_ARCHS)[experiment.arch]
    assert experiment.head_dim == arch.head_dim == official['head_dim']
    assert list(arch.depths) == official['depth']


def test_files_are_described_in_known_words():
    for file in zoo.weights():
        assert file.place in ('openmmlab', 'huggingface', 'google_drive')
        assert (file.place == 'google_drive') == (file.drive_id is not None)
        assert (file.place == 'huggingface') == (file.repo is not None)
        assert file.class_order in {None, *CLASS_ORDERS}
        assert re.fullmatch(
            r'[0-9a-f]{8}|[0-9a-f]{64}', file.sha256 or 'a' * 8
        )
        assert re.fullmatch(r'[0-9a-f]{32}', file.md5 or 'a' * 32)
        if file.sha256 and len(file.sha256) == 8:
            assert file.sha256 in file.file


def test_checkpoints_that_configs_start_from_are_known():
    """Those of links, and those to be put into a folder."""
    starts = {
        start
        for path in (ROOT / 'configs').rglob('*.py')
        for start in re.findall(START, path.read_text())
    }
    assert len(starts) > 10
    # The ImageNet model with local stages only was not released.
    starts.remove('checkpoints/uniformer_small_llll_in1k.pth')
    for start in starts:
        assert zoo.find(start.removeprefix('checkpoints/')), start


@pytest.mark.parametrize('experiment', EVERY, ids=lambda e: e.name)
def test_a_card_says_what_is_not_known(experiment):
    card = model_card(experiment.name)
    assert experiment.config in card
    assert 'None' not in card.replace('None were published', '')
    for file in experiment.weights:
        part = card.partition(f'### {file.name}\n')[2].partition('###')[0]
        assert ('| Licence | unknown |' in part) == (file.licence is None)
        assert ('| Bytes | unknown |' in part) == (file.size is None)


def test_tables(capsys):
    list_weights(task='pose')
    shown = capsys.readouterr().out
    assert shown.count('top_down_') == 6
    list_weights(form='json')
    listed = json.loads(capsys.readouterr().out)
    assert [e['id'] for e in listed] == [e.id for e in zoo.experiments()]
    list_weights(table=5, form='json')
    assert len(json.loads(capsys.readouterr().out)) == 4
    with pytest.raises(UserError, match=r'Table 99 .* of pose; .* are 1'):
        list_weights(task='pose', table=99)
    show_card('xs_192', 'json')
    (file,) = json.loads(capsys.readouterr().out)['weights']
    assert file['kept_as'] == 'uniformer_xs_192_in1k.pth'
    with pytest.raises(UserError, match='did you mean xs_192'):
        show_card('xs_19')


def test_pages_are_what_the_catalogue_has():
    stale = [
        page for page, text in write_tables.pages() if page.read_text() != text
    ]
    assert not stale, 'run python tools/misc/write_tables.py'


def test_stale_pages_are_seen_and_written(monkeypatch, tmp_path, capsys):
    """A figure in a table, and a model that the index lost."""
    whole = {}
    for page, text in write_tables.pages():
        copy = tmp_path / page.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(text)
        whole[copy] = text
    monkeypatch.setattr(write_tables, 'ROOT', tmp_path)
    assert write_tables.main(check=True) == 0
    readme = tmp_path / 'configs/pose/topdown_heatmap/README.md'
    readme.write_text(whole[readme].replace('| 74.0 |', '| 74.1 |'))
    index = tmp_path / 'configs/video/uniformer/metafile.yml'
    index.write_text(whole[index][:1000])
    assert write_tables.main(check=True) == 1
    told = capsys.readouterr().err.splitlines()
    assert [line.partition(' is not ')[0] for line in told] == [
        'configs/pose/topdown_heatmap/README.md',
        'configs/video/uniformer/metafile.yml',
    ]
    assert write_tables.main(check=False) == 0
    assert {page: page.read_text() for page in whole} == whole


def test_counts_are_near_the_published_ones():
    """But for what the pages explain."""
    explained = {
        'fpn_hybrid_small',  # printed with the count of windows alone
        'uniformer_large_ls_tl_224',
        'uniformer_large_ls_tl_384',
    }
    for experiment in EVERY:
        flops = experiment.flops_printed or experiment.flops
        if experiment.counted and flops and experiment.name not in explained:
            counted = experiment.counted['flops']
            assert counted == pytest.approx(flops / 1e9, rel=0.035)


def test_the_command(capsys):
    assert main(['zoo', 'show', 'xxs_160']) == 0
    assert 'exp_light/xxs_160' in capsys.readouterr().out
    assert main(['zoo', 'get', 'xxs_161']) == 1
    told = capsys.readouterr().err
    assert told.startswith('error: xxs_161 is not among the weights; did you')
    assert told.count('\n') == 1
    with pytest.raises(SystemExit):
        main(['zoo', 'list', '--task', 'depth'])
