"""The backbone of every leaf as it is published: depth, weights and input."""

import hashlib
import json
import re
from pathlib import Path

import pytest
import torch
from golden_data import FOLDER, fill, fill_values
from mmengine import Config
from mmengine.registry import DefaultScope
from programs import once
from recipe_values import MODELS as INDEX
from recipe_values import ROOT
from torch.utils._pytree import tree_leaves

from mmuniformer.registry import MODELS

# Classifiers start from nothing; test_classification_files.py loads theirs.
ENTRIES = [e for e in INDEX if '/classification/' not in e.config]
STATE_DICTS = json.loads((FOLDER / 'state_dicts.json').read_text())
# Recorded with layer scale, and published without it as well.
STATE_DICTS['image_uniformer_base'] = {
    name: shape
    for name, shape in STATE_DICTS['image_uniformer_base_ls'].items()
    if 'gamma_' not in name
}
# The names in the files that leaves start from, by what the file is called.
PUBLISHED = {
    r'uniformer_small_in1k': 'image_uniformer_small',
    r'uniformer_base_in1k': 'image_uniformer_base',
    r'uniformer_xxs_\d+_in1k': 'image_uniformer_xxs',
    r'uniformer_xs_\d+_in1k': 'image_uniformer_xs',
    r'uniformer.small_.*(kinetics400|k600).*': 'video_small',
    r'uniformer.base_.*(kinetics400|k600).*': 'video_base',
}
# What is not in them: norms between stages, attention in time, layer scale.
FRESH = re.compile(r'norm\d\.|.*\.(t_attn\.|t_norm\.|gamma_)')


def published_names(checkpoint: str) -> str | None:
    """The list of a public file's names, None for one that is to be made."""
    if checkpoint.startswith('work_dirs'):
        return None
    stem = Path(checkpoint).stem
    for pattern, name in PUBLISHED.items():
        if re.fullmatch(pattern, stem):
            return name
    assert 'llll' in stem
    return None


def input_shape(cfg: Config) -> tuple[int, ...]:
    """One image as it is tested, or one clip."""
    scope = cfg.default_scope
    if scope == 'mmdet':
        return 1, 3, 800, 1344
    if scope == 'mmseg':
        return 1, 3, *cfg.model.data_preprocessor.size
    if scope == 'mmpose':
        width, height = cfg.model.head.decoder.input_size
        return 1, 3, height, width
    pipeline = cfg.test_dataloader.dataset.pipeline
    (frames,) = (t.clip_len for t in pipeline if 'clip_len' in t)
    (side,) = (t.crop_size for t in pipeline if 'crop_size' in t)
    return 1, 3, frames, side, side


def check(
    backbone: Config, names: str | None, shape: tuple[int, ...], path: Path
) -> None:
    """Loads what the published file holds and looks at a forward pass."""
    content = {
        name: torch.from_numpy(fill_values(name, tuple(size)))
        for name, size in STATE_DICTS.get(names, {}).items()
    }
    if names is None:
        model = fill(MODELS.build(backbone))
    else:
        torch.save(content, path)
        backbone.init_cfg = dict(type='Pretrained', checkpoint=str(path))
        model = MODELS.build(backbone)
        model.init_weights()
        for name, tensor in model.state_dict().items():
            if name not in content:
                assert FRESH.match(name), name
                continue
            expected = content[name]
            if tensor.ndim > expected.ndim:
                # An image's kernel, spread over time.
                tensor = tensor.sum(2)
            torch.testing.assert_close(tensor, expected, msg=name)
    torch.manual_seed(0)
    with torch.no_grad():
        outs = tree_leaves(model.eval()(torch.randn(shape)))
    # The light video models give their score token beside the map, 1 x 1.
    maps = [out for out in outs if out.shape[-1] > 1]
    assert maps
    assert all(out.isfinite().all() for out in outs)
    sides = [shape[-1] // out.shape[-1] for out in maps]
    assert sides == [4, 8, 16, 32][-len(maps) :]


@pytest.mark.slow
@pytest.mark.parametrize('entry', ENTRIES, ids=lambda entry: entry.name)
def test_published_weights_at_the_published_size(entry, shared, tmp_path):
    cfg = Config.fromfile(ROOT / entry.config)
    backbone, shape = cfg.model.backbone, input_shape(cfg)
    names = published_names(backbone.pop('init_cfg').checkpoint)
    # Of no effect here: test_*_recipes.py compare it.
    backbone.drop_path_rate = 0.0
    text = f'{backbone} {names} {shape}'
    key = hashlib.sha256(text.encode()).hexdigest()[:16]
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        once(
            shared / f'full_size_{key}',
            lambda: check(backbone, names, shape, tmp_path / 'published.pth'),
        )
