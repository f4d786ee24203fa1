"""The configs that docs/pose.md shows, run as a reader would."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip('mmpose')

import mmpose
from mmengine import Config

ROOT = Path(__file__).parents[2]
SNIPPETS = re.findall(
    r'```python\n(.*?)```', (ROOT / 'docs/pose.md').read_text(), re.DOTALL
)
DROP_INS = {
    head: next(s for s in SNIPPETS if f"'mmpose::body_2d_keypoint/{head}" in s)
    for head in ('topdown_heatmap', 'simcc')
}
MMPOSE_TRAIN = Path(mmpose.__file__).parent / '.mim/tools/train.py'


@pytest.fixture(params=DROP_INS)
def drop_in(request, tmp_path, reduced_estimator) -> Config:
    """A config of the document, of a size that the suite can afford."""
    path = tmp_path / 'drop_in.py'
    path.write_text(DROP_INS[request.param])
    return reduced_estimator(Config.fromfile(path))


@pytest.mark.parametrize('text', DROP_INS.values(), ids=DROP_INS)
def test_drop_in_changes_three_settings_of_mmpose(text):
    theirs = Config.fromstring(text.splitlines()[0], '.py').to_dict()
    ours = Config.fromstring(text, '.py').to_dict()
    ours.pop('pretrained')
    assert ours.pop('custom_imports')['imports'] == ['mmuniformer']
    for config in (ours, theirs):
        config['model'].pop('backbone')
        config['model']['head'].pop('in_channels')
    assert ours == theirs


def test_drop_in_trains_and_evaluates(drop_in, outcome):
    out = outcome(drop_in)
    assert out.unused == []
    assert out.scalars['train/loss_kpt'] > 0
    assert 0 <= out.scalars['val/coco/AP'] <= 1


@pytest.mark.parametrize('drop_in', ['simcc'], indirect=True)
def test_drop_in_trains_with_the_command_of_mmpose(drop_in, tmp_path):
    path = tmp_path / 'reduced.py'
    drop_in.dump(path)
    done = subprocess.run(
        [sys.executable, MMPOSE_TRAIN, path, '--work-dir', tmp_path / 'work'],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert 'coco/AP' in done.stdout + done.stderr


def test_own_data_example_names_files_that_are_generated(keypoint_data):
    text = next(s for s in SNIPPETS if 'data/shapes/' in s)
    text = text.replace("_base_ = '", f"_base_ = '{ROOT}/")
    cfg = Config.fromstring(text, '.py')
    for split, part in (('train', 'train'), ('val', 'val'), ('test', 'val')):
        dataset = cfg[f'{split}_dataloader'].dataset
        assert dataset.data_root == 'data/shapes/'
        assert dataset.ann_file == f'annotations/person_keypoints_{part}.json'
        assert dataset.data_prefix.img == f'images/{part}/'
        assert dataset.get('bbox_file') is None
    assert cfg.model.head.out_channels == 17
