"""The configs that docs/segmentation.md shows, run as a reader would."""

import re
from pathlib import Path

import pytest
from mmengine import Config
from mmengine.registry import DefaultScope
from mmseg.registry import DATASETS

from mmuniformer.datasets.shapes import CLASSES, generate

ROOT = Path(__file__).parents[2]
SNIPPETS = re.findall(
    r'```python\n(.*?)```',
    (ROOT / 'docs/segmentation.md').read_text(),
    re.DOTALL,
)
DROP_INS = {
    method: next(s for s in SNIPPETS if f"'mmseg::{method}/" in s)
    for method in ('upernet', 'segformer', 'deeplabv3plus')
}
# What a swap may change in a head: what it reads.
CHANNELS = ('in_channels', 'c1_in_channels')


@pytest.mark.parametrize('text', DROP_INS.values(), ids=DROP_INS)
def test_drop_in_changes_backbone_and_channels_of_mmseg(text):
    theirs = Config.fromstring(text.splitlines()[0], '.py').to_dict()
    ours = Config.fromstring(text, '.py').to_dict()
    ours.pop('pretrained')
    assert ours.pop('custom_imports')['imports'] == ['mmuniformer']
    for config in (ours, theirs):
        model = config['model']
        model.pop('backbone')
        model.pop('pretrained', None)
        for head in ('decode_head', 'auxiliary_head'):
            for key in CHANNELS:
                model.get(head, {}).pop(key, None)
    # The weights of SegFormer's own backbone.
    theirs.pop('checkpoint', None)
    ours.pop('checkpoint', None)
    assert ours == theirs


@pytest.mark.parametrize('name', DROP_INS)
def test_drop_in_trains_and_evaluates(
    name, reduced_segmentor, outcome, tmp_path
):
    path = tmp_path / f'{name}.py'
    path.write_text(DROP_INS[name])
    out = outcome(reduced_segmentor(Config.fromfile(path)))
    # Also of DeepLabV3+, which does not read the second level.
    assert out.unused == []
    assert out.scalars['train/loss'] > 0
    assert 0 <= out.scalars['val/mIoU'] <= 100


def test_own_data_example_reads_the_generated_data(tmp_path):
    text = next(s for s in SNIPPETS if 'data/shapes/' in s)
    text = text.replace("_base_ = '", f"_base_ = '{ROOT}/")
    cfg = Config.fromstring(text, '.py')
    assert cfg.classes == ('background', *CLASSES)
    assert cfg.model.decode_head.num_classes == len(cfg.classes)
    generate(tmp_path / 'shapes', train=2, val=1, size=64)
    for split, count in {'train': 2, 'val': 1, 'test': 1}.items():
        node = cfg[f'{split}_dataloader'].dataset
        assert node.data_root == 'data/shapes/'
        node.data_root = str(tmp_path / 'shapes')
        with DefaultScope.overwrite_default_scope('mmseg'):
            dataset = DATASETS.build(node)
        assert len(dataset) == count
        labels = dataset[0]['data_samples'].gt_sem_seg.data
        assert set(labels.unique().tolist()) <= {*range(7), 255}
        assert labels.unique().numel() > 1
