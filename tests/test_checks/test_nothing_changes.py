"""What checks are given is afterwards as it was: configs, classes, files."""

import copy
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import DATASETS, TRANSFORMS

from mmuniformer.checks import Finding, check_inputs
from mmuniformer.checks.label_maps import check_label_map
from mmuniformer.checks.options import check_options
from mmuniformer.datasets.shapes import (
    generate,
    generate_portraits,
    generate_videos,
)
from mmuniformer.engine.config import load_config
from mmuniformer.hosts import HOSTS

QUICKSTART = Path(__file__).parents[2] / 'configs' / 'quickstart'
PHASES = ('train', 'val', 'test')
# A config of each library, and the folder of its generated data.
CONFIGS = {
    'mmdet': ('mask-rcnn_uniformer-tiny_fpn_shapes.py', 'images'),
    'mmseg': ('fpn_uniformer-tiny_shapes.py', 'images'),
    'mmpose': ('td-hm_uniformer-tiny_shapes.py', 'images'),
    'mmaction': ('uniformer-tiny_8x2x1_shapes.py', 'videos'),
    'mmpretrain': ('uniformer-tiny_shapes.py', 'portraits'),
}


@pytest.fixture(scope='module')
def data(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp('data')
    generate(root / 'images', train=2, val=1, size=64)
    generate_portraits(root / 'portraits', train=6, val=6)
    generate_videos(root / 'videos', train=6, val=6)
    return root


def host_classes() -> dict[str, dict]:
    """The attributes of every class of the libraries that is imported."""
    hosts = ('mmengine', 'mmcv', 'torch.utils.data', *HOSTS)
    found = {}
    for name, module in list(sys.modules.items()):
        if not name.startswith(hosts):
            continue
        for attribute, value in list(vars(module).items()):
            if isinstance(value, type) and value.__module__ == name:
                found[f'{name}.{attribute}'] = dict(vars(value))
    return found


def registered() -> dict[str, type]:
    found = {}
    for registry in (DATASETS, TRANSFORMS):
        for child in (registry, *registry.children.values()):
            found |= {
                f'{child.scope}.{child.name}.{name}': module
                for name, module in child.module_dict.items()
            }
    return found


def files(folder: Path) -> dict[Path, tuple[int, int]]:
    return {
        path: (path.stat().st_size, path.stat().st_mtime_ns)
        for path in folder.rglob('*')
    }


def read(scope: str, data: Path, tmp_path: Path) -> Config:
    """A config with something wrong for each check that it can have."""
    name, folder = CONFIGS[scope]
    cfg = load_config(
        QUICKSTART / name,
        launcher='none',
        work_dir=str(tmp_path / 'work'),
        resume=True,
        load_from=str(tmp_path / 'weights.pth'),
    )
    for phase in PHASES:
        cfg[f'{phase}_dataloader'].dataset.data_root = str(data / folder)
    torch.save(dict(state_dict={'a': torch.ones(1)}), tmp_path / 'weights.pth')
    if scope == 'mmpose':
        metainfo = dict(
            dataset_name='three',
            keypoint_info={
                i: dict(name=str(i), id=i, color=[0] * 3, swap='')
                for i in range(3)
            },
            skeleton_info={},
            joint_weights=[1.0] * 3,
            sigmas=[0.1] * 3,
        )
        cfg.train_dataloader.dataset.metainfo = metainfo
    if scope == 'mmaction':
        cfg.model.cls_head.num_classes = 2
    return cfg


@pytest.mark.parametrize('scope', list(CONFIGS))
def test_config_classes_and_files(scope, data, tmp_path):
    pytest.importorskip(scope)
    cfg = read(scope, data, tmp_path)
    for package in ('datasets', 'models'):
        import_module(f'{scope}.{package}')
    before = copy.deepcopy(cfg._cfg_dict), host_classes(), registered()
    on_disk = files(data), files(tmp_path)

    findings = list(check_inputs(cfg, PHASES))

    # The checks have looked: what is wrong is found.
    assert any('cannot resume from' in str(f) for f in findings)
    assert all(isinstance(finding, Finding) for finding in findings)
    wrong = {'mmpose': 'not 9 ', 'mmaction': 'the model has 2 classes'}
    assert wrong.get(scope, '') in ' '.join(map(str, findings))
    assert cfg._cfg_dict == before[0]
    assert list(cfg._cfg_dict) == list(before[0])
    after = host_classes()
    for name, attributes in before[1].items():
        changed = [
            key
            for key, value in attributes.items()
            if after[name].get(key) is not value
            # What Python itself keeps there.
            and key not in ('__abstractmethods__', '_abc_impl')
        ]
        assert not changed, f'{name}: {changed}'
        assert set(after[name]) == set(attributes), name
    assert registered().items() >= before[2].items()
    assert (files(data), files(tmp_path)) == on_disk


def test_options_and_maps_of_labels():
    cfg = Config(dict(train_cfg=dict(max_epochs=2), lr=0.1, model=dict(a=1)))
    options = {'model.b': 1, 'lrr': 2, 'train_cfg.max_epoch': [3]}
    before = copy.deepcopy(cfg._cfg_dict), copy.deepcopy(options)
    assert len(list(check_options(cfg, options))) == len(options)
    assert (cfg._cfg_dict, options) == before

    labels = np.full((2, 3), 7, np.uint8)
    (finding,) = check_label_map(labels, 'a.png', (2, 3), 5, 255)
    assert 'the label 7' in str(finding)
    assert (labels == 7).all()


def test_a_patched_class_would_be_seen(monkeypatch):
    from mmengine.dataset import BaseDataset

    before = host_classes()
    monkeypatch.setattr(BaseDataset, 'full_init', lambda self: None)
    after = host_classes()
    name = 'mmengine.dataset.base_dataset.BaseDataset'
    assert before[name]['full_init'] is not after[name]['full_init']


def test_every_library_is_here():
    assert set(CONFIGS) == set(HOSTS)
