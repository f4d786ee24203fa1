"""tools/analysis_tools/get_flops.py: the published numbers of video."""

import functools
from pathlib import Path

import pytest
import torch

from mmuniformer.analysis.complexity import measure, measure_config
from mmuniformer.apis import get_flops
from mmuniformer.engine.config import load_config
from mmuniformer.errors import UserError
from mmuniformer.models import UniFormer, UniFormer3D

VIDEO = Path(__file__).parents[2] / 'configs' / 'video' / 'uniformer'
SMALL = 'uniformer-small_imagenet1k-pre_8xb4-16x4x1-110e_kinetics400-rgb.py'
DIVIDED = (
    'uniformer-small-divided_imagenet1k-pre_8xb4-16x4x1-110e_kinetics400'
    '-rgb.py'
)
SIDE = 224
# A clip that is quick to count: 2 x 2 x 2 tokens in the last stage.
REDUCED = (4, 64, 64)

# Settings, frames, and G of a view: a table's total by its number of views.
TABLE_3 = [
    (dict(arch='small'), 16, 167 / 4),
    (dict(arch='base'), 16, 389 / 4),
    (dict(arch='base'), 32, 1036 / 4),
    (dict(arch='base'), 32, 3108 / 12),
]
TABLE_4 = [
    (dict(arch='small'), 16, 42),
    (dict(arch='small'), 16, 125 / 3),
    (dict(arch='base'), 16, 290 / 3),
    (dict(arch='base'), 32, 777 / 3),
    (dict(arch='base'), 32, 1554 / 6),
]
# The depths of the last four rows are not published, nor how their keys are
# reduced. Those of the first two are the only ones that give the published
# parameters and FLOPs; of the last two they are guesses that do.
TABLE_15 = [
    (dict(), 16, 41.8),
    (dict(local_ffn=False), 16, 41.0),
    (dict(use_dpe=False), 16, 41.4),
    (dict(local_size=3), 16, 41.0),
    (dict(local_size=7), 16, 43.5),
    (dict(local_size=9), 16, 46.6),
    (dict(stage_types='LLLL', depth=(3, 5, 10, 4)), 16, 31.6),
    (dict(stage_types='LLLG', depth=(3, 5, 10, 3)), 16, 31.6),
    (
        dict(stage_types='LGGG', depth=(2, 4, 8, 3), kv_strides=(1, 2, 2, 1)),
        16,
        39.0,
    ),
    (
        dict(stage_types='GGGG', depth=(5, 5, 9, 2), kv_strides=(4, 2, 2, 1)),
        16,
        72.0,
    ),
]
TABLE_16 = [(dict(stage_types='LLLL'), 16, 26.1), (dict(), 16, 41.8)]
TABLE_18 = [
    (dict(arch='small'), 16, 41.8),
    (dict(arch='small'), 16, 167.2 / 4),
    (dict(arch='base'), 16, 96.7),
    (dict(arch='base'), 16, 386.8 / 4),
    (dict(arch='small'), 32, 109.6),
    (dict(arch='small'), 32, 438.4 / 4),
]
# The README of the official code, 4 views.
EIGHT_FRAMES = [
    (dict(arch='small'), 8, 70 / 4),
    (dict(arch='base'), 8, 161 / 4),
]


@functools.cache
def reduced(**settings):
    """Multiply-accumulates of a reduced clip, by kind."""
    with torch.device('meta'):
        model = UniFormer3D(**settings)
    model.to_empty(device='cpu')
    return measure(model, (3, *REDUCED)).model.flops


def scale(flops, frames):
    """Of a whole clip: attention grows with the square of the tokens.

    Exact where every stage divides the clip evenly, as here.
    """
    ratio = (frames * SIDE * SIDE) / (REDUCED[0] * REDUCED[1] * REDUCED[2])
    powers = dict.fromkeys(flops, ratio) | {'attention': ratio**2}
    return sum(flops[kind] * powers[kind] for kind in flops)


@pytest.mark.parametrize(
    ('settings', 'frames', 'published'),
    [
        *TABLE_3,
        *TABLE_4,
        *TABLE_15,
        *TABLE_16,
        *TABLE_18,
        *EIGHT_FRAMES,
    ],
)
def test_published_numbers(settings, frames, published):
    total = scale(reduced(**{'arch': 'small', **settings}), frames)
    assert total / 1e9 == pytest.approx(published, rel=0.01)


@pytest.mark.parametrize(
    ('depth', 'stage_types', 'published'),
    [
        ((3, 5, 10, 4), 'LLLL', 23.3),
        ((3, 5, 10, 3), 'LLLG', 22.2),
        ((2, 4, 8, 3), 'LGGG', 21.6),
        ((5, 5, 9, 2), 'GGGG', 20.1),
    ],
)
def test_parameters_of_table_15(depth, stage_types, published):
    """Those of the image models with the depths assumed above."""
    arch = dict(depths=depth, embed_dims=(64, 128, 320, 512))
    with torch.device('meta'):
        model = UniFormer(arch, stage_types=stage_types, out_indices=(3,))
    params = sum(p.numel() for p in model.parameters()) + 513 * 1000
    assert params / 1e6 == pytest.approx(published, abs=0.05)


class TestWholeClips:
    @pytest.fixture(autouse=True)
    def mmaction(self):
        pytest.importorskip('mmaction')

    def test_recognizer(self):
        """The official model at 8 frames, counted by fvcore."""
        complexity = measure_config(
            load_config(VIDEO / SMALL), (8, SIDE, SIDE)
        )
        assert complexity.model.params == 21_400_400
        backbone, head = complexity.parts
        assert (backbone.name, head.name) == ('backbone', 'cls_head')
        assert head.total == 512 * 400
        assert complexity.model.total == 17_613_435_904
        # And the reduced clips that stand in for whole ones above.
        assert backbone.total == scale(reduced(arch='small'), 8)

    def test_divided_of_table_16(self):
        complexity = measure_config(
            load_config(VIDEO / DIVIDED), (16, SIDE, SIDE)
        )
        assert complexity.model.params == 27_847_504
        assert complexity.model.total == 36_797_175_808
        assert complexity.model.total / 1e9 == pytest.approx(36.8, rel=0.01)

    @pytest.mark.parametrize(
        ('shape', 'options', 'message'),
        [
            ([64, 64], {}, r'--shape 64 64: .*B x C x T x H x W.*1 x 3 x 64'),
            ([8, 16, 64], {}, '--shape 8 16 64: .*16 x 64 pixels is too'),
            (
                [8, 64, 64],
                {'model.backbone.attention': 'separate'},
                "model.backbone: attention must be one of .*'separate'",
            ),
        ],
    )
    def test_mistakes(self, shape, options, message):
        options['model.backbone.depth'] = (1, 1, 1, 1)
        with pytest.raises(UserError, match=message):
            get_flops(str(VIDEO / SMALL), shape, cfg_options=options)
