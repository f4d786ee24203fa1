"""The configs that docs/detection.md shows, run as a reader would."""

import re
import runpy
import subprocess
import sys
from pathlib import Path

import mmdet
import pytest
from mmengine import Config

from mmuniformer.datasets.shapes import CLASSES

ROOT = Path(__file__).parents[2]
SNIPPETS = re.findall(
    r'```python\n(.*?)```', (ROOT / 'docs/detection.md').read_text(), re.DOTALL
)
DROP_INS = {
    method: next(s for s in SNIPPETS if f"'mmdet::{method}/" in s)
    for method in ('mask_rcnn', 'retinanet')
}
TRAIN_TOOLS = {
    'ours': ROOT / 'tools/train.py',
    'mmdet': Path(mmdet.__file__).parent / '.mim/tools/train.py',
}


@pytest.fixture(params=DROP_INS)
def drop_in(request, tmp_path, reduced) -> Config:
    """A config of the document, of a size that the suite can afford."""
    path = tmp_path / 'drop_in.py'
    path.write_text(DROP_INS[request.param])
    return reduced(Config.fromfile(path))


def test_drop_in_changes_three_settings_of_mmdet():
    for text in DROP_INS.values():
        theirs = Config.fromstring(text.splitlines()[0], '.py').to_dict()
        ours = Config.fromstring(text, '.py').to_dict()
        ours.pop('pretrained')
        assert ours.pop('custom_imports')['imports'] == ['mmuniformer']
        for config in (ours, theirs):
            config['model'].pop('backbone')
            config['model']['neck'].pop('in_channels')
        assert ours == theirs


def test_drop_in_uses_every_parameter(drop_in, outcome):
    # Also RetinaNet, whose FPN does not read the first level.
    assert outcome(drop_in).unused == []


def exit_code(tool: str) -> int | str | None:
    """Runs a tool with the arguments of this process."""
    try:
        runpy.run_path(tool, run_name='__main__')
    except SystemExit as done:
        return done.code
    return 0


@pytest.mark.parametrize('tool', TRAIN_TOOLS)
def test_drop_in_trains_from_the_command_line(
    drop_in, tool, tmp_path, monkeypatch
):
    # mmengine keeps loggers by the config's name and the second it runs in.
    path, work = tmp_path / f'{tmp_path.name}.py', tmp_path / 'work'
    drop_in.dump(path)
    command = [str(TRAIN_TOOLS[tool]), str(path), '--work-dir', str(work)]
    monkeypatch.setattr(sys, 'argv', command)
    monkeypatch.chdir(ROOT)
    assert not exit_code(command[0])
    (log,) = work.rglob('*.log')
    assert 'coco/bbox_mAP' in log.read_text()


@pytest.mark.parametrize('drop_in', ['mask_rcnn'], indirect=True)
def test_drop_in_brings_all_that_mmdet_needs(drop_in, tmp_path):
    """In a process that has not imported anything of ours before."""
    path = tmp_path / 'reduced.py'
    drop_in.dump(path)
    command = [sys.executable, str(TRAIN_TOOLS['mmdet']), str(path)]
    done = subprocess.run(
        [*command, '--work-dir', str(tmp_path / 'work')],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert 'coco/bbox_mAP' in done.stdout + done.stderr


def test_own_data_example_fits_the_generated_data():
    text = next(s for s in SNIPPETS if 'data/shapes/' in s)
    text = text.replace("_base_ = '", f"_base_ = '{ROOT}/")
    cfg = Config.fromstring(text, '.py')
    assert cfg.classes == CLASSES
    heads = cfg.model.roi_head
    assert heads.bbox_head.num_classes == heads.mask_head.num_classes == 6
    for split in ('train', 'val', 'test'):
        dataset = cfg[f'{split}_dataloader'].dataset
        assert dataset.metainfo.classes == CLASSES
        assert dataset.data_root == 'data/shapes/'
