"""Label maps that a config names are looked for before a run."""

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from PIL import Image

from mmuniformer.checks import data_checks
from mmuniformer.checks.token_labels import check_token_labels

pytest.importorskip('mmpretrain')


@pytest.fixture
def cfg(tmp_path) -> Config:
    """Two images of each of two classes, with a label map each."""
    init_default_scope('mmpretrain')
    for name in ('cat', 'dog'):
        for kind in ('images', 'labels'):
            (tmp_path / kind / name).mkdir(parents=True)
        for index in range(2):
            image = tmp_path / 'images' / name / f'{index}.x.jpg'
            Image.new('RGB', (8, 8)).save(image)
            torch.save(
                torch.zeros(2, 1, 2, 2),
                tmp_path / 'labels' / name / f'{index}.pt',
            )
    load = dict(
        type='mmuniformer.LoadTokenLabel',
        label_root=str(tmp_path / 'labels'),
        num_classes=2,
    )
    return Config(
        dict(
            default_scope='mmpretrain',
            model=dict(
                type='ImageClassifier',
                head=dict(
                    type='mmuniformer.TokenLabelHead',
                    num_classes=2,
                    in_channels=8,
                ),
            ),
            train_dataloader=dict(
                dataset=dict(
                    type='RepeatDataset',
                    times=2,
                    dataset=dict(
                        type='CustomDataset',
                        data_root=str(tmp_path / 'images'),
                        pipeline=[dict(type='LoadImageFromFile'), load],
                    ),
                )
            ),
        )
    )


def found(cfg: Config) -> list[str]:
    return [str(finding) for finding in check_token_labels(cfg, ('train',))]


def test_what_is_right(cfg):
    assert not found(cfg)
    assert not list(check_token_labels(cfg, ('val',)))


def test_maps_that_are_missing(cfg, tmp_path):
    (tmp_path / 'labels' / 'dog' / '1.pt').unlink()
    (told,) = found(cfg)
    assert 'dog/1.x.jpg has no label map: ' in told
    assert 'labels/dog/1.pt does not exist' in told
    assert 'more' not in told
    (tmp_path / 'labels' / 'dog' / '0.pt').unlink()
    (tmp_path / 'labels' / 'dog').rmdir()
    (told,) = found(cfg)
    assert '1 more of 4 have none' in told


def test_a_folder_that_is_missing(cfg, tmp_path):
    (tmp_path / 'labels').rename(tmp_path / 'elsewhere')
    (told,) = found(cfg)
    assert 'labels does not exist' in told
    assert 'train_dataloader.dataset.dataset.pipeline.1.label_root' in told
    assert 'make_token_labels.py' in told


def test_another_number_of_classes(cfg):
    cfg.model.head.num_classes = 3
    told = [
        str(finding)
        for check in data_checks(cfg, ('train',))
        for finding in check
    ]
    assert any(
        'model.head.num_classes is 3, and train_dataloader.dataset.dataset.'
        'pipeline.1.num_classes is 2' in one
        for one in told
    )


def test_images_that_are_missing_are_told_elsewhere(cfg, tmp_path):
    (tmp_path / 'images').rename(tmp_path / 'elsewhere')
    assert not found(cfg)
