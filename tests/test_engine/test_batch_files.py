"""Batches of the five libraries in files, and what a file may not do."""

from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS, init_default_scope
from mmengine.runner import Runner

from mmuniformer.checkpoint import read_checkpoint
from mmuniformer.datasets.shapes import (
    generate,
    generate_portraits,
    generate_videos,
)
from mmuniformer.engine import random_states
from mmuniformer.engine.batch_files import (
    files_of,
    from_plain,
    to_plain,
)
from mmuniformer.engine.prepare import prepare
from mmuniformer.errors import CheckpointError

ROOT = Path(__file__).parents[2]
QUICK = {
    'mmdet': 'mask-rcnn_uniformer-tiny_fpn_shapes',
    'mmseg': 'fpn_uniformer-tiny_shapes',
    'mmpose': 'td-hm_uniformer-tiny_shapes',
    'mmaction': 'uniformer-tiny_8x2x1_shapes',
    'mmpretrain': 'uniformer-tiny_shapes',
}


@pytest.fixture(scope='module')
def data(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp('shapes')
    generate(folder / 'data/shapes', train=4, val=1, size=96)
    generate_videos(folder / 'data/shapes_video', train=2, val=1)
    generate_portraits(folder / 'data/shapes_cls', train=6, val=6)
    return folder


@pytest.mark.parametrize('library', QUICK)
def test_a_batch_comes_back(library, data, tmp_path, monkeypatch):
    """With names of its files, and the same loss from it."""
    pytest.importorskip(library)
    monkeypatch.chdir(data)
    cfg = Config.fromfile(ROOT / 'configs/quickstart' / f'{QUICK[library]}.py')
    cfg.work_dir = str(tmp_path)
    cfg.train_dataloader.update(
        batch_size=2, num_workers=0, persistent_workers=False
    )
    init_default_scope(library)
    prepare(cfg)
    batch = next(iter(Runner.build_dataloader(cfg.train_dataloader, seed=0)))
    files = files_of(batch)
    # Two people may be of one image.
    assert len(files) == 2 or library == 'mmpose'
    assert files
    assert all(Path(file).is_file() for file in files)

    torch.save(dict(batch=to_plain(batch)), tmp_path / 'batch.pth')
    again = from_plain(read_checkpoint(str(tmp_path / 'batch.pth'))['batch'])
    assert files_of(again) == files
    kinds = {type(sample) for sample in batch['data_samples']}
    assert {type(sample) for sample in again['data_samples']} == kinds

    settings = cfg.model
    if cfg.get('data_preprocessor'):
        settings.setdefault('data_preprocessor', cfg.data_preprocessor)
    model = MODELS.build(settings).train()
    state = random_states.take()
    losses = []
    for each in (batch, again):
        random_states.put(state)
        inputs = model.data_preprocessor(each, True)
        losses.append(model.parse_losses(model(**inputs, mode='loss'))[0])
    assert torch.isfinite(losses[0])
    assert torch.equal(*losses)


def test_plain_values(tmp_path):
    value = dict(
        a=[1, 2.5, None, 'x', True],
        b=(np.float32(2), np.arange(3), np.array(['x'])),
        c=torch.ones(4, 5)[:2, :1],
        d=Path('x'),
    )
    torch.save(dict(batch=to_plain(value)), tmp_path / 'a.pth')
    assert (tmp_path / 'a.pth').stat().st_size < 3000
    found = from_plain(read_checkpoint(str(tmp_path / 'a.pth'))['batch'])
    assert found['a'] == value['a']
    assert found['b'][0] == 2
    assert found['b'][1].tolist() == [0, 1, 2]
    assert torch.equal(found['c'], value['c'])
    assert found['d'] is None


@pytest.mark.parametrize(
    'path',
    [
        'subprocess.Popen',
        'os.system',
        'mmengine.runner.Runner',
        'mmengine.structures.os.system',
        'mmengine.structures.BaseDataElement.clone',
        'mmdet.structures.nothing.Here',
        'structures.A',
        '',
        7,
    ],
)
def test_a_file_asks_for_nothing_else(path):
    with pytest.raises(CheckpointError, match='which is no structure'):
        from_plain({'__class__': path, 'metainfo': {}, 'data': {}})


@pytest.mark.parametrize(
    'fields',
    [
        {},
        dict(metainfo=[], data={}),
        dict(metainfo={}, data=dict(a=torch.ones(2), b=torch.ones(3))),
    ],
)
def test_a_file_with_fields_that_do_not_fit(fields):
    kind = 'mmengine.structures.instance_data.InstanceData'
    with pytest.raises(CheckpointError, match='holds no InstanceData as'):
        from_plain({'__class__': kind, **fields})


def test_random_states(tmp_path):
    import random

    def draw() -> list[float]:
        numbers = [random.random(), np.random.rand(), torch.rand(1).item()]
        return [*numbers, np.random.randn()]

    np.random.randn()
    torch.save(dict(random=random_states.take()), tmp_path / 'a.pth')
    wanted = draw()
    assert draw() != wanted
    random_states.put(read_checkpoint(str(tmp_path / 'a.pth'))['random'])
    assert draw() == wanted
