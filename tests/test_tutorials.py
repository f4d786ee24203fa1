"""Tutorials run as they are printed.

That takes minutes. A usual run of the suite takes the same steps with few
samples and a training of one epoch.
"""

import json
import re
import runpy
from pathlib import Path

import numpy as np
import pytest
from mmengine import Config
from PIL import Image
from tutorial import PAGES, Step, run_as_printed, steps_of

from mmuniformer.cli.main import main
from mmuniformer.datasets.shapes import MOTIONS

LIBRARIES = dict(
    detection='mmdet', segmentation='mmseg', pose='mmpose', video='mmaction'
)
# How many samples a tutorial generates.
SAMPLES = re.compile(r'train=\d+, val=\d+')
QUICK = [
    'default_hooks.checkpoint.interval=1',
    'train_cfg.val_interval=1',
    *(
        f'{phase}_dataloader.{key}'
        for phase in ('train', 'val', 'test')
        for key in ('num_workers=0', 'persistent_workers=False')
    ),
]


def take(step: Step, ends: str) -> None:
    """Takes a step in this process, a training with as little as can be."""
    if step.file:
        Path(step.file).write_text(SAMPLES.sub('train=8, val=4', step.text))
        return
    if step.is_python:
        exec(step.text, {})
        return
    program, *words = step.words()
    if program == 'python':
        (script,) = words
        runpy.run_path(script)
        return
    assert program == 'mmuniformer', step.text
    if words[0] == 'train':
        words += ['--cfg-options', f'train_cfg.{ends}', *QUICK]
    assert main(words) == 0, step.text


@pytest.fixture(params=PAGES, ids=lambda page: page.stem)
def page(request, tmp_path, monkeypatch) -> Path:
    pytest.importorskip(LIBRARIES[request.param.stem])
    monkeypatch.chdir(tmp_path)
    return request.param


def check_what_is_written(task: str) -> None:
    """That files of a tutorial are there, and are of its classes."""
    (report,) = Path('work_dirs').glob('*/report/report.html')
    (name,) = (p.name for p in Path('work_dirs').iterdir())
    assert Path(f'{name}.png').is_file()
    assert Path(f'{name}_deploy.pth').is_file()
    CHECKS[task](Config.fromfile(f'{name}.py'), report.read_text())


def check_detection(cfg: Config, report: str) -> None:
    classes = ('star', 'circle', 'square')
    assert cfg.train_dataloader.dataset.metainfo.classes == classes
    assert all(name in report for name in classes)
    found = json.loads(Path('found/predictions.json').read_text())
    categories = [(c['id'], c['name']) for c in found['categories']]
    assert categories == list(enumerate(classes, 1))
    assert len(list(Path('found/pictures').iterdir())) == len(found['images'])


def check_segmentation(cfg: Config, report: str) -> None:
    classes = ('background', 'thing')
    assert cfg.train_dataloader.dataset.metainfo.classes == classes
    assert all(name in report for name in classes)
    maps = sorted(Path('found/label_maps').glob('*.png'))
    assert len(maps) == len(list(Path('masks/val').iterdir()))
    for file in maps:
        assert set(np.unique(np.array(Image.open(file)))) <= {0, 1}


def check_pose(cfg: Config, report: str) -> None:
    assert 'left_front_paw' in report
    found = json.loads(Path('found/predictions.json').read_text())
    truth = json.loads(Path('val.json').read_text())
    assert len(found['annotations']) == len(truth['annotations'])
    names, wanted = (c['categories'][0]['keypoints'] for c in (found, truth))
    assert names == wanted


def check_video(cfg: Config, report: str) -> None:
    assert set(cfg.classes) == set(MOTIONS)
    assert all(name in report for name in MOTIONS)
    lines = Path('found/predictions.jsonl').read_text().splitlines()
    assert len(lines) == len(list(Path('shapes/videos_val').iterdir()))


CHECKS = dict(
    detection=check_detection,
    segmentation=check_segmentation,
    pose=check_pose,
    video=check_video,
)


def test_steps_of_a_tutorial(page):
    ends = 'max_iters=2' if page.stem == 'segmentation' else 'max_epochs=1'
    for step in steps_of(page):
        take(step, ends)
    check_what_is_written(page.stem)


@pytest.mark.slow
def test_a_tutorial_as_printed(page, tmp_path):
    run_as_printed(page, tmp_path)
    check_what_is_written(page.stem)
