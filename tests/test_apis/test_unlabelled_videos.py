"""Videos without labels are predicted and not scored."""

import json
import pickle
from pathlib import Path

import pytest
import torch
from mmengine import Config
from mmengine.registry import MODELS, init_default_scope

from mmuniformer import apis
from mmuniformer.datasets.shapes import generate_videos
from mmuniformer.errors import UserError

pytest.importorskip('mmaction')
ROOT = Path(__file__).parents[2]
CONFIG = str(ROOT / 'configs/quickstart/uniformer-tiny_8x2x1_shapes.py')
NAMES = ['000001.mp4', '000002.mp4']


@pytest.fixture
def options(tmp_path, monkeypatch) -> dict:
    """Options of a test on two videos whose list has no labels."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    generate_videos('shapes', train=2, val=2)
    Path('shapes/names.txt').write_text('\n'.join(NAMES))
    init_default_scope('mmaction')
    model = MODELS.build(Config.fromfile(CONFIG).model)
    torch.save(model.state_dict(), 'model.pth')
    return {
        'test_dataloader.dataset.data_root': 'shapes',
        'test_dataloader.dataset.ann_file': 'names.txt',
        'test_dataloader.batch_size': 1,
        'test_dataloader.num_workers': 0,
        'test_dataloader.persistent_workers': False,
    }


def test_no_metrics_of_nothing(options):
    Path('work').mkdir()
    Path('work/metrics.json').write_text('{"metrics": {"acc/top1": 1.0}}')
    with pytest.raises(UserError, match='has no label, nor has any'):
        apis.test(CONFIG, 'model.pth', work_dir='work', cfg_options=options)
    written = json.loads(Path('work/metrics.json').read_text())
    assert written['metrics'] == {}
    assert 'names.txt, line 1' in written['error']


def test_predictions_by_the_way_that_the_message_names(options):
    options['test_evaluator'] = []
    metrics = apis.test(
        CONFIG,
        'model.pth',
        work_dir='work',
        out='predictions.pkl',
        show_dir='pictures',
        cfg_options=options,
    )
    assert metrics == {}
    assert json.loads(Path('work/metrics.json').read_text())['metrics'] == {}
    predictions = pickle.loads(Path('predictions.pkl').read_bytes())
    assert [len(p['pred_score']) for p in predictions] == [6, 6]
    assert len(list(Path('pictures').iterdir())) == 2


def test_they_can_be_looked_at(options):
    apis.browse(
        CONFIG, 'test', number=1, out_dir='pictures', cfg_options=options
    )
    assert len(list(Path('pictures').iterdir())) == 1
