"""Which config a word of the command line means."""

import inspect
from pathlib import Path

import mmengine.config.utils
import pytest
from mmengine.config import Config

from mmuniformer.apis import get_flops
from mmuniformer.config_files import config_files, find_config
from mmuniformer.engine.config import load_config
from mmuniformer.errors import UserError

ROOT = Path(__file__).parents[1]
CONFIGS = ROOT / 'configs'
PLAIN = 'mask-rcnn_uniformer-s-h14_fpn_amp-1x_coco'
FOLDER = CONFIGS / 'detection' / 'mask_rcnn'


def refusal(word) -> str:
    with pytest.raises(UserError) as caught:
        find_config(word)
    return str(caught.value)


def test_every_experiment_is_found_by_its_name(tmp_path, monkeypatch):
    """From anywhere, with or without its ending."""
    monkeypatch.chdir(tmp_path)
    files = [f for f in CONFIGS.rglob('*.py') if '_base_' not in f.parts]
    # Two of one name could not be told apart.
    assert len(config_files()) == len(files) > 100
    for file in files:
        assert find_config(file.stem) == find_config(file.name) == file


@pytest.mark.parametrize(
    'word',
    [
        'mask-rcnn_uniformer-s-h14*1x',
        'mask-rcnn_uniformer-s-h14*1x_coco',
        'Mask-RCNN_UniFormer-S-H14*1x',
        'mask-rcnn_uniformer-s-h14_fpn_amp-1x',
        f'detection/mask_rcnn/{PLAIN}.py',
        f'configs/detection/mask_rcnn/{PLAIN}.py',
        'mask_rcnn/*s-h14*1x',
    ],
)
def test_parts_and_patterns(word, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert find_config(word) == FOLDER / f'{PLAIN}.py'


def test_a_variant_is_found_by_what_it_has_besides():
    word = 'mask-rcnn_uniformer-s-h14*frozen-bn'
    assert 'frozen-bn' in find_config(word).name
    assert find_config('fpn_uniformer-s_8xb4').stem.endswith('512x512')


def test_a_path_that_exists_wins(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / PLAIN).write_text('')
    (tmp_path / f'{PLAIN}.py').write_text('')
    for word in (PLAIN, f'{PLAIN}.py', tmp_path / PLAIN):
        assert find_config(word) == Path(word)


def test_a_folder_of_that_name_is_no_config(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / PLAIN).mkdir()
    assert find_config(PLAIN).is_file()
    (tmp_path / 'mine').mkdir()
    assert refusal('mine') == 'config mine is a folder'


def test_of_many_ten_are_listed():
    first, *lines = refusal('mask-rcnn').splitlines()
    assert first.startswith('config mask-rcnn may be any of ')
    assert len(lines) == 11
    assert lines[0] == '  mask-rcnn_uniformer-xs_fpn_1x_coco'
    assert lines[-1] == f'  and {int(first.split()[6][:-1]) - 10} more'


def test_the_nearest_comes_first(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for word in ('mask-rcnn_unifromer-s-h14*1x', PLAIN.replace('1x_', 'x_')):
        first, *lines = refusal(word).splitlines()
        assert first == f'config {word} does not exist; did you mean:'
        assert lines[0] == f'  {PLAIN}'
        assert len(lines) <= 10


def test_a_mistyped_file_is_no_part_of_a_name():
    assert refusal('uniformer.py').startswith('config uniformer.py does not')
    assert refusal('nothing') == 'config nothing does not exist'


def test_a_file_beside_it_is_named_by_its_path(tmp_path):
    (tmp_path / 'mine').mkdir()
    (tmp_path / 'mine' / 'retinanet.py').write_text('')
    for word in ('mine/retinanat.py', 'retinanet.py', 'other/retinanet.py'):
        told = refusal(tmp_path / word)
        assert told.endswith(f'mean {tmp_path}/mine/retinanet.py?')


def test_a_config_of_another_project_inherits_one(tmp_path):
    """As if it stood beside it, and in no scope but its own."""
    path = 'quickstart/uniformer-tiny_shapes.py'
    config = tmp_path / 'mine.py'
    config.write_text(f"_base_ = 'mmuniformer::{path}'\nseed = 1\n")
    found = load_config(config).to_dict()
    assert found.pop('seed') == 1
    assert found == load_config(CONFIGS / path).to_dict()
    config.write_text("_base_ = 'mmuniformer::no_such.py'\n")
    with pytest.raises(UserError, match=r'configs/no_such\.py'):
        load_config(config)


def test_bases_of_one_package_are_found_without_its_metafiles(monkeypatch):
    """All but the first; where they are not, mmengine says so."""
    pytest.importorskip('mmdet')
    get_cfg_path = Config._get_cfg_path
    original = inspect.unwrap(get_cfg_path)
    names = [
        f'mmdet::{name}'
        for name in (
            'retinanet/retinanet_r50_fpn_1x_coco.py',
            '_base_/default_runtime.py',
            'gn+ws/mask-rcnn_r50_fpn_gn-ws-all_2x_coco.py',
        )
    ]
    expected = [original(name, '') for name in names]
    get_cfg_path(names[0], '')
    read = []
    monkeypatch.setattr(mmengine.config.utils, 'load', read.append)
    assert [get_cfg_path(name, '') for name in names] == expected
    assert not read
    monkeypatch.undo()
    with pytest.raises(FileNotFoundError, match=r'no_such\.py'):
        get_cfg_path('mmdet::retinanet/no_such.py', '')


def test_what_is_written_names_the_file(tmp_path):
    get_flops('uniformer-tiny_shapes', [64], out=str(tmp_path / 'out.json'))
    path = CONFIGS / 'quickstart' / 'uniformer-tiny_shapes.py'
    assert f'"config": "{path}"' in (tmp_path / 'out.json').read_text()
