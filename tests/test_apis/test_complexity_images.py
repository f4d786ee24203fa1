"""tools/analysis_tools/get_flops.py: the published numbers of images."""

import json
from pathlib import Path

import pytest
import torch
from mmengine import Config
from mmengine.registry import MODELS, DefaultScope
from test_complexity_video import reduced, scale

from mmuniformer.apis import get_flops

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / 'configs/classification'
RECIPES = json.loads(
    (ROOT / 'tests/golden/recipes_classification.json').read_text()
)
P = 'image_classification/'
# Tables 1, 2 and 11. Others are slow.
QUICK = [
    ('uniformer/uniformer-small_8xb128_in1k', 'exp/uniformer_small'),
    ('uniformer/uniformer-small-plus_8xb128_in1k', 'exp/uniformer_small_plus'),
    (
        'uniformer_tl/uniformer-small-dim32_8xb128-tl_in1k',
        'token_labeling/exp/uniformer_small_tl_224',
    ),
    ('uniformer_light/uniformer-xxs_8xb512_in1k-128px', 'exp_light/xxs_128'),
]
SLOW = [
    ('uniformer/uniformer-base-ls_8xb128_in1k', 'exp/uniformer_base_ls'),
    *(
        (
            f'uniformer_light/uniformer-{name}_8xb512_in1k-{side}px',
            f'exp_light/{name}_{side}',
        )
        for name, side in (
            ('xxs', 160),
            ('xxs', 192),
            ('xxs', 224),
            ('xs', 192),
            ('xs', 224),
        )
    ),
    *(
        (
            f'uniformer_tl/uniformer-{name}-tl_in1k{side}',
            f'token_labeling/exp/uniformer_{official}',
        )
        for name, side, official in (
            ('small-plus_8xb128', '', 'small_plus_tl_224'),
            ('base-dim32_8xb128', '', 'base_tl_224'),
            ('small-dim32_8xb64', '-384px', 'small_tl_384'),
            ('small-plus_8xb64', '-384px', 'small_plus_tl_384'),
            ('base-dim32_8xb64', '-384px', 'base_tl_384'),
        )
    ),
]
# The official code's own numbers, which are not the published ones.
LARGE = [
    ('uniformer-large-ls_8xb128-tl_in1k', 224, 19_755_081_728, 12.6),
    ('uniformer-large-ls_8xb32-tl_in1k-384px', 384, 62_883_877_888, 39.2),
]
# Structures, parameters (M) of the image model, G of a clip of 16 frames.
TABLE_15 = [
    ('no-ffn', 21.3, 41.0),
    ('no-dpe', 21.5, 41.4),
    ('local3', 21.5, 41.0),
    ('local7', 21.6, 43.5),
    ('local9', 21.6, 46.6),
    ('llll', 23.3, 31.6),
    ('lllg', 22.2, 31.6),
    ('lggg', 21.6, 39.0),
    ('gggg', 20.1, 72.0),
]


def is_published(found: float, printed: float, rel: float) -> bool:
    """Within a share, or the same when rounded to the digits that are."""
    digits = len(str(printed).rpartition('.')[2])
    return abs(found - printed) <= rel * printed or (
        round(found, digits) == printed
    )


def without_tokens(complexity) -> tuple[int, int]:
    """Parameters and FLOPs without the classifier of tokens.

    Neither is in the printed numbers of token labeling.
    """
    model = complexity.model
    for part in complexity.parts:
        if part.name == 'head.aux_fc':
            return model.params - part.params, model.total - part.total
    return model.params, model.total


@pytest.fixture(autouse=True)
def mmpretrain():
    pytest.importorskip('mmpretrain')


@pytest.mark.parametrize(
    ('leaf', 'official'),
    [*QUICK, *(pytest.param(*case, marks=pytest.mark.slow) for case in SLOW)],
)
def test_published_numbers(leaf, official):
    recipe = RECIPES[P + official]
    published, side = recipe['published'], recipe['eval']['crop']
    complexity = get_flops(str(FOLDER / f'{leaf}.py'), [side], depth=2)
    params, total = without_tokens(complexity)
    rel = 0.03 if 'light' in leaf else 0.01
    assert is_published(params / 1e6, published['Parameters'] / 1e6, 0.01) or (
        # Millions without digits.
        round(params / 1e6) == published['Parameters'] / 1e6
    )
    assert is_published(total / 1e9, published['FLOPs'] / 1e9, rel)


@pytest.mark.slow
@pytest.mark.parametrize(('leaf', 'side', 'counted', 'printed'), LARGE)
def test_large_has_the_printed_parameters_and_more_flops(
    leaf, side, counted, printed
):
    """So has the official code, counted by fvcore; docs tell of it."""
    path = FOLDER / f'uniformer_tl/{leaf}.py'
    complexity = get_flops(str(path), [side])
    assert complexity.model.params == 100_103_888
    assert complexity.model.total == counted
    assert counted / 1e9 > 1.5 * printed
    page = (path.parent / 'README.md').read_text()
    assert '19.8 and 62.9 G FLOPs, not 12.6 and\n  39.2' in page


@pytest.mark.parametrize(('name', 'params', 'flops'), TABLE_15)
def test_structures_of_table_15(name, params, flops):
    """Parameters of the leaf, and FLOPs of the same structure for video."""
    path = FOLDER / f'ablations/uniformer-small-{name}_8xb128_in1k.py'
    cfg = Config.fromfile(path)
    cfg.model.data_preprocessor = None
    with (
        torch.device('meta'),
        DefaultScope.overwrite_default_scope('mmpretrain'),
    ):
        model = MODELS.build(cfg.model)
    found = sum(p.numel() for p in model.parameters())
    assert round(found / 1e6, 1) == params
    settings = {
        key: value
        for key, value in cfg.model.backbone.items()
        if key
        in ('stage_types', 'kv_strides', 'local_size', 'use_dpe', 'local_ffn')
    }
    arch = cfg.model.backbone.arch
    if isinstance(arch, dict):
        settings['depth'] = tuple(arch.depths)
    total = scale(reduced(arch='small', **settings), 16)
    assert total / 1e9 == pytest.approx(flops, rel=0.01)
