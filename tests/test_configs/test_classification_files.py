"""Files of published classifiers in their leaves, and files of ours beyond."""

import json
from copy import deepcopy
from dataclasses import asdict
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
from golden_data import FOLDER, fill_values
from mmengine import Config
from mmengine.logging import MMLogger
from mmengine.registry import MODELS, DefaultScope
from mmpretrain import ImageClassificationInferencer, get_model
from recipe_values import ROOT, entries_of
from reduction import IMAGE

from mmuniformer import apis
from mmuniformer.checkpoint import read_checkpoint
from mmuniformer.checkpoint.classifier import name_officially
from mmuniformer.models.backbones.settings import IMAGE_ARCHS, LIGHT_ARCHS

STATE_DICTS = json.loads((FOLDER / 'state_dicts.json').read_text())
ENTRIES = [
    e for e in entries_of('classification') if 'Official' in e.metadata.data
]
AUX = {'aux_head.weight': [1000, 512], 'aux_head.bias': [1000]}
PLAIN = ROOT / 'configs/classification/uniformer'
LABELED = ROOT / 'configs/classification/uniformer_tl'
LIGHT = ROOT / 'configs/classification/uniformer_light'
ABLATIONS = ROOT / 'configs/classification/ablations'
LEAVES = {
    'plain': PLAIN / 'uniformer-small_8xb128_in1k.py',
    'token labels': LABELED / 'uniformer-base-dim32_8xb64-tl_in1k-384px.py',
    'light': LIGHT / 'uniformer-xxs_8xb512_in1k-128px.py',
}


def published_shapes(arch: str, labeled: bool) -> dict[str, list[int]]:
    """Names and shapes of a published file, by recorded ones.

    The number of channels of a head shows in none of them.
    """
    if arch == 'large':
        return STATE_DICTS['tokenlabel_uniformer_large_ls']
    name = arch.removesuffix('_dim32').removesuffix('_dim64')
    shapes = STATE_DICTS.get(f'image_uniformer_{name}')
    if name == 'base':
        # Without Layer Scale.
        shapes = {
            key: shape
            for key, shape in STATE_DICTS['image_uniformer_base_ls'].items()
            if 'gamma_' not in key
        }
    return shapes | (AUX if labeled else {})


@pytest.mark.parametrize('entry', ENTRIES, ids=lambda entry: entry.name)
def test_leaves_have_the_tensors_of_the_published_files(entry):
    """All of them and no other, classifiers included."""
    cfg = Config.fromfile(ROOT / entry.config)
    with (
        torch.device('meta'),
        DefaultScope.overwrite_default_scope('mmpretrain'),
    ):
        cfg.model.data_preprocessor = None
        model = MODELS.build(cfg.model)
    found = {
        name: [*tensor.shape]
        for name, tensor in name_officially(model.state_dict()).items()
    }
    arch = cfg.model.backbone.arch
    assert found == published_shapes(arch, '-tl_' in entry.name)


FORMS = {
    'flat': lambda tensors: tensors,
    'model': lambda tensors: dict(model=tensors, epoch=300),
    'averaged': lambda tensors: dict(
        state_dict=tensors,
        state_dict_ema={k: torch.zeros_like(v) for k, v in tensors.items()},
        arch='uniformer_small',
    ),
}


@pytest.mark.parametrize(
    ('leaf', 'form'),
    [
        ('plain', 'flat'),
        ('plain', 'model'),
        ('token labels', 'averaged'),
        ('light', 'model'),
    ],
)
def test_every_door_takes_a_file_as_it_is(
    leaf, form, reduced_classifier, tmp_path
):
    """The command line, `get_model` and the Inferencer, with its head."""
    cfg = reduced_classifier(Config.fromfile(LEAVES[leaf]))
    config, file = str(tmp_path / 'leaf.py'), str(tmp_path / 'file.pth')
    cfg.dump(config)
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        model = MODELS.build(deepcopy(cfg.model)).eval()
    torch.manual_seed(0)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    official = name_officially(model.state_dict())
    torch.save(FORMS[form](official), file)

    loaded = get_model(config, pretrained=file)
    for name, value in model.state_dict().items():
        assert loaded.state_dict()[name].equal(value), name
    image = next(
        (Path(cfg.train_dataloader.dataset.data_root) / 'val').glob('*/*.*')
    )
    inferencer = ImageClassificationInferencer(config, pretrained=file)
    (result,) = inferencer(str(image))
    assert result['pred_score'] == result['pred_scores'].max()
    out = tmp_path / 'scores.pkl'
    metrics = apis.test(config, file, str(tmp_path / 'work'), out=str(out))
    (first, *_) = np.load(out, allow_pickle=True)
    np.testing.assert_allclose(
        first['pred_score'].numpy(), result['pred_scores'], atol=2e-2
    )
    assert 0 <= metrics['accuracy/top1'] <= 100


def test_head_dim_and_names_of_classes(tmp_path, caplog):
    """At full depth: what is assumed is told, and ImageNet's names come."""
    config = LABELED / 'uniformer-small-dim32_8xb128-tl_in1k.py'
    shapes = published_shapes('small_dim32', labeled=True)
    tensors = {
        name: torch.from_numpy(np.asarray(fill_values(name, tuple(shape))))
        for name, shape in shapes.items()
    }
    torch.save(tensors, tmp_path / 'uniformer_small_tl_224.pth')
    logger = MMLogger.get_current_instance()
    handler = caplog.handler
    logger.addHandler(handler)
    try:
        inferencer = ImageClassificationInferencer(
            str(config),
            pretrained=str(tmp_path / 'uniformer_small_tl_224.pth'),
        )
    finally:
        logger.removeHandler(handler)
    told = [r.getMessage() for r in caplog.records]
    assert any('head_dim is 32' in line for line in told)
    (result,) = inferencer(np.zeros((300, 400, 3), np.uint8))
    assert len(inferencer.classes) == 1000
    names = inferencer.classes[result['pred_label']]
    assert result['pred_class'] == names
    assert inferencer.classes[207] == 'golden retriever'


def test_the_command_line_tells_head_dim(reduced_classifier, tmp_path, capfd):
    """As the other doors do, and with the name of the file."""
    leaf = Config.fromfile(LABELED / 'uniformer-small-dim32_8xb128-tl_in1k.py')
    cfg = reduced_classifier(deepcopy(leaf))
    cfg.model.backbone.arch = 'small_dim32'
    cfg.model.head.in_channels = 512
    config, file = str(tmp_path / 'leaf.py'), str(tmp_path / 'file.pth')
    cfg.dump(config)
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        model = MODELS.build(cfg.model)
    torch.save(name_officially(model.state_dict()), file)
    apis.test(config, file, str(tmp_path / 'work'))
    assert f'{file}: head_dim is 32' in ''.join(capfd.readouterr())


def test_fine_tuning_starts_with_both_classifiers(
    reduced_classifier, tmp_path
):
    """From an official file; a rate of 0 leaves what was read."""
    cfg = reduced_classifier(Config.fromfile(LEAVES['token labels']))
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        model = MODELS.build(deepcopy(cfg.model))
    torch.manual_seed(0)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    torch.save(
        dict(state_dict=name_officially(model.state_dict())),
        tmp_path / 'uniformer_tl_224.pth',
    )
    cfg.load_from = str(tmp_path / 'uniformer_tl_224.pth')
    cfg.optim_wrapper.optimizer.lr = 0.0
    config, work = str(tmp_path / 'leaf.py'), tmp_path / 'work'
    cfg.dump(config)
    apis.train(config, str(work))
    trained = read_checkpoint(str(work / 'epoch_1.pth'))['state_dict']
    for name, value in model.named_parameters():
        assert trained[name].equal(value), name
    assert 'head.aux_fc.weight' in trained


def starts() -> dict[str, list]:
    """Leaves and backbones of other tasks, by the classifier they need.

    Of those that differ in rates, sizes of windows and so on, one.
    """
    found, seen = {kind: [] for kind in RUNS}, set()
    for task in ('detection', 'segmentation', 'pose', 'video'):
        for entry in entries_of(task):
            backbone = Config.fromfile(ROOT / entry.config).model.backbone
            assert backbone.init_cfg.type == 'Pretrained'
            light = 'Light' in backbone.type
            archs = LIGHT_ARCHS if light else IMAGE_ARCHS
            backbone.arch = asdict(archs[backbone.arch]) | IMAGE
            backbone.update(with_cp=False, drop_path_rate=0.0)
            for key in ('window_size', 'test_stage3', 'keep_ratio'):
                backbone.pop(key, None)
            backbone.init_cfg.pop('checkpoint')
            if str(backbone) in seen:
                continue
            seen.add(str(backbone))
            local = backbone.get('stage_types') == 'LLLL'
            kind = 'light' if light else 'local' if local else 'plain'
            found[kind].append((entry.name, backbone))
    return found


RUNS = {
    'plain': LEAVES['plain'],
    'light': LEAVES['light'],
    'local': ABLATIONS / 'uniformer-small-llll_8xb128_in1k.py',
}


def test_a_run_here_starts_every_other_task(reduced_classifier, tmp_path):
    """Its checkpoint as `init_cfg`, as it is and published."""
    for kind, backbones in starts().items():
        config, work = tmp_path / f'{kind}.py', tmp_path / kind
        reduced_classifier(Config.fromfile(RUNS[kind])).dump(config)
        apis.train(str(config), str(work))
        own = work / 'epoch_1.pth'
        files = {own: name_officially(read_checkpoint(str(own))['state_dict'])}
        path = apis.publish(str(own), str(work / 'out.pth'), 'trained')
        content = read_checkpoint(str(path))
        files[path] = content.get('model', content)
        assert backbones
        for (leaf, backbone), path in product(backbones, files):
            backbone.init_cfg.checkpoint = str(path)
            model = MODELS.build(deepcopy(backbone))
            model.init_weights()
            taken = 0
            for name, value in model.state_dict().items():
                expected = files[path].get(name)
                if expected is None or name.startswith('norm.'):
                    continue
                if value.ndim > expected.ndim:
                    # An image's kernel, spread over time.
                    value = value.sum(2)
                torch.testing.assert_close(
                    value, expected, msg=f'{leaf}: {name}'
                )
                taken += 1
            assert taken > 90, leaf
