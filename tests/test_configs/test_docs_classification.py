"""What docs/classification.md shows, as a reader would run it."""

import re
from pathlib import Path

import pytest
from mmengine import Config
from mmengine.config import DictAction

from mmuniformer import apis
from mmuniformer.engine.config import load_config

ROOT = Path(__file__).parents[2]
PAGES = [
    ROOT / 'docs/classification.md',
    *sorted((ROOT / 'configs/classification').glob('*/README.md')),
]
TEXT = '\n'.join(page.read_text() for page in PAGES)
FOLDER = ROOT / 'configs/classification'
PLAIN = FOLDER / 'uniformer/uniformer-small_8xb128_in1k.py'
LABELED = FOLDER / 'uniformer_tl/uniformer-small-dim32_8xb128-tl_in1k.py'


def options() -> list[dict]:
    """Every --cfg-options of the pages, by what follows it."""
    found = []
    for text in re.findall(r'--cfg-options ([^`\n]+)', TEXT):
        pairs = (pair.split('=', 1) for pair in text.split() if '=' in pair)
        found.append(
            {key: DictAction._parse_iterable(value) for key, value in pairs}
        )
    return found


@pytest.mark.parametrize('given', options(), ids=lambda given: ' '.join(given))
def test_options_change_what_is_there(given):
    """Each names a value of a config, and no new one."""
    optional = {'optim_wrapper.dtype'}
    detector = 'model.backbone.init_cfg.checkpoint' in given
    config = PLAIN
    if detector:
        folder = ROOT / 'configs/detection/mask_rcnn'
        config = folder / 'mask-rcnn_uniformer-s-h14_fpn_amp-1x_coco.py'
    elif any('label_root' in k or 'swap_axes' in k for k in given):
        config = LABELED
    elif any('arch.depths' in key for key in given):
        config = FOLDER / 'ablations/uniformer-small-llll_8xb128_in1k.py'
    cfg = Config.fromfile(config)
    for key in given:
        node = cfg
        for part in key.split('.'):
            if key in optional or key.startswith('custom_hooks'):
                break
            node = node[int(part) if part.isdigit() else part]
    cfg.merge_from_dict(given)
    for key, value in given.items():
        node = cfg
        for part in key.split('.'):
            node = node[int(part) if part.isdigit() else part]
        assert node == value


def test_configs_of_commands_exist():
    configs = set(re.findall(r'configs/\S+?\.py', TEXT))
    assert len(configs) >= 5
    for config in configs:
        assert (ROOT / config).is_file(), config
    for run in re.findall(r'work_dirs/([^/\s]+)/', TEXT):
        assert [*FOLDER.rglob(f'{run}.py')] or run == 'NAME', run


def test_own_data_trains(reduced_classifier, class_data, tmp_path):
    """The config of the page, on folders of images; the average is tested."""
    (snippet,) = (
        text
        for text in re.findall(r'```python\n(.*?)```', TEXT, re.DOTALL)
        if 'data/own' in text
    )
    assert '../uniformer/' in snippet
    snippet = snippet.replace("'../uniformer/", f"'{FOLDER}/uniformer/")
    snippet = snippet.replace('data/own', str(class_data.root))
    path = tmp_path / 'own.py'
    path.write_text(snippet)
    cfg = load_config(path)
    assert cfg.model.head.num_classes == class_data.number
    for split in ('train', 'val', 'test'):
        dataset = cfg[f'{split}_dataloader'].dataset
        assert dataset.type == 'CustomDataset'
        dataset.split = dataset.pop('data_prefix')
    assert cfg.model.backbone.init_cfg.type == 'Pretrained'
    cfg.model.backbone.pop('init_cfg')
    cfg = reduced_classifier(cfg)
    cfg.merge_from_dict(
        {
            'custom_hooks.0.evaluate_on_ema': True,
            'custom_hooks.0.evaluate_on_origin': False,
        }
    )
    cfg.dump(path)
    apis.train(str(path), str(tmp_path / 'work'))
    metrics = apis.test(
        str(path), str(tmp_path / 'work/epoch_1.pth'), str(tmp_path / 'work')
    )
    assert 0 <= metrics['accuracy/top1'] <= metrics['accuracy/top5'] == 100
