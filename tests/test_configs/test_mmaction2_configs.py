"""mmaction2's own UniFormer configs with our backbone and nothing else new."""

import json
from pathlib import Path

import pytest
import torch
from golden_data import FOLDER as GOLDEN
from golden_data import fill
from mmengine import Config
from mmengine.registry import MODELS, init_default_scope

from mmuniformer import apis
from mmuniformer.models import UniFormer3D

mmaction = pytest.importorskip('mmaction')
FOLDER = Path(mmaction.__file__).parent / '.mim/configs/recognition/uniformer'
CONFIGS = sorted(FOLDER.glob('uniformer-*.py'))
SMALL = FOLDER / 'uniformer-small_imagenet1k-pre_16x4x1_kinetics400-rgb.py'
OURS = 'mmuniformer.UniFormer3D'


def test_there_are_three():
    assert len(CONFIGS) == 3


@pytest.mark.parametrize('path', CONFIGS, ids=lambda path: path.stem)
def test_builds_the_published_model(path):
    cfg = Config.fromfile(path)
    cfg.model.backbone.type = OURS
    init_default_scope('mmaction')
    with torch.device('meta'):
        model = MODELS.build(cfg.model)
    size = 'base' if 'base' in path.stem else 'small'
    state_dicts = json.loads((GOLDEN / 'state_dicts.json').read_text())
    shapes = state_dicts[f'video_{size}']
    own = {k: list(v.shape) for k, v in model.backbone.state_dict().items()}
    assert own.items() <= shapes.items()
    assert shapes.keys() - own.keys() == {'head.weight', 'head.bias'}
    assert type(model.backbone) is UniFormer3D


def test_logits_are_theirs():
    """In float64, with the published epsilon in place of theirs."""
    cfg = Config.fromfile(SMALL)
    init_default_scope('mmaction')
    outputs = []
    clip = torch.rand(1, 1, 3, 4, 64, 64, dtype=torch.float64)
    for kind in ('UniFormer', OURS):
        cfg.model.backbone.type = kind
        model = fill(MODELS.build(cfg.model)).double().eval()
        changed = 0
        for name, module in model.named_modules():
            if type(module) is torch.nn.LayerNorm and 'blocks' in name:
                assert module.eps == 1e-5
                module.eps = 1e-6
                changed += 1
        assert changed == (0 if kind == OURS else 2 * (8 + 3))
        with torch.no_grad():
            features, _ = model.extract_feat(clip, test_mode=True)
            outputs.append(model.cls_head(features))
    assert outputs[0].shape == (1, 400)
    torch.testing.assert_close(*outputs, rtol=1e-10, atol=1e-12)


def test_official_file_in_their_config(video_data, tmp_path, monkeypatch):
    """`tools/test.py CONFIG OFFICIAL.pth`, on two clips of a video."""
    monkeypatch.chdir(tmp_path)
    model = UniFormer3D('small').state_dict()
    model['head.weight'] = torch.zeros(400, 512)
    model['head.bias'] = torch.arange(400.0)
    torch.save({'model_state': model, 'epoch': 109}, 'official.pth')
    name = (video_data.root / video_data.video_list).read_text().split()[0]
    # The classifier knows one class: the last.
    Path('val.csv').write_text(f'{name},399\n')
    options = {
        'model.backbone.type': OURS,
        'test_dataloader.batch_size': 1,
        'test_dataloader.num_workers': 0,
        'test_dataloader.persistent_workers': False,
        'test_dataloader.dataset.ann_file': 'val.csv',
        'test_dataloader.dataset.data_prefix.video': '',
        'test_dataloader.dataset.pipeline.1.clip_len': 4,
        'test_dataloader.dataset.pipeline.1.num_clips': 2,
        'test_dataloader.dataset.pipeline.3.scale': (-1, 64),
        'test_dataloader.dataset.pipeline.4.crop_size': 64,
    }
    metrics = apis.test(
        str(SMALL), 'official.pth', work_dir='work', cfg_options=options
    )
    assert metrics['acc/top1'] == 1
    written = json.loads(Path('work/metrics.json').read_text())
    assert written['metrics'] == metrics
    (log,) = Path('work').rglob('*.log')
    assert 'official classifier: its 400 classes' in log.read_text()
