"""Counts by shapes alone, and the rows of the paper's tables."""

import json
import math
from pathlib import Path

import pytest
import torch

from mmuniformer.analysis.complexity import measure
from mmuniformer.analysis.meta import count
from mmuniformer.models import UniFormer, UniFormer3D, UniFormerLight
from mmuniformer.reproduction.complexity import complexity_rows
from mmuniformer.reproduction.rows import (
    decimals,
    is_near,
    listed,
    models,
    rounds_to,
)

ROOT = Path(__file__).parents[2]
COUNTED = json.loads((ROOT / 'docs/reproduction/complexity.json').read_text())
TINY = dict(depths=(1, 1, 4, 1), embed_dims=(8, 16, 32, 32), head_dim=8)


@pytest.mark.parametrize(
    ('make', 'shape'),
    [
        (lambda: UniFormer(TINY, stage3='hybrid'), (3, 64, 96)),
        (lambda: UniFormerLight('xxs'), (3, 64, 64)),
        (
            lambda: UniFormer3D('small', depth=(1, 1, 1, 1)),
            (3, 4, 64, 64),
        ),
    ],
)
def test_the_counts_of_a_traced_model(make, shape):
    """Of the whole, and of each part."""
    with torch.device('meta'):
        model = make().eval()
    found, traced = count(model, shape, depth=1), measure(make(), shape)
    assert found.model == traced.model
    # The tracer leaves out a list of what is never called.
    parts = {part.name: part for part in found.parts}
    for part in traced.parts:
        assert parts[part.name] == part, part.name


def test_rows_of_the_tables():
    """At least 60; those beyond 1 % are few, and each is explained."""
    assert len(COUNTED) >= 60
    assert len({tuple(row['tables']) for row in COUNTED}) > 10
    far = []
    for row in COUNTED:
        pairs = [(row[k], row[f'{k}_paper']) for k in ('params', 'flops')]
        is_far = not all(is_near(*pair) for pair in pairs)
        assert is_far == bool(row['explained']), row['id']
        far += [row['id']] * is_far
    assert 0 < len(far) <= 12


def test_every_model_is_counted():
    """Of the tables as they are now, with the figures printed there."""
    printed = {
        (m.id, m.views, m.flops and round(1e9 * m.flops))
        for m in models()
        if m.has_config
    }
    found = {(r['id'], r['views'], r['flops_paper']) for r in COUNTED}
    assert found == printed


@pytest.mark.parametrize(
    'name',
    [
        'image_classification/token_labeling/exp/uniformer_small_tl_224',
        'video_classification/exp_light/uniformer_xxs4_128_k400',
        'uniformer-small-lllg_8xb128_in1k',
        'td-hm_uniformer-small-w14_8xb128-210e_coco-384x288',
    ],
)
def test_the_file_is_what_is_counted(name, monkeypatch, tmp_path):
    """Of each way of counting one; all of them are slow."""
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    (row,) = complexity_rows(lambda model: model.id == name)
    (counted,) = (r for r in COUNTED if r['id'] == name)
    assert row.params == counted['params']
    assert row.flops == counted['flops']
    assert row.counted == counted['counted']
    assert row.counted is not None


@pytest.mark.slow
def test_the_whole_file_is_what_is_counted(monkeypatch, tmp_path):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    from dataclasses import asdict

    assert [asdict(row) for row in complexity_rows()] == COUNTED


@pytest.mark.parametrize(
    ('value', 'printed', 'digits', 'near', 'rounds'),
    [
        (3.644, 3.6, 1, False, True),
        (2.03, 2.0, 1, False, True),
        (25.3, 25, 0, False, True),
        (0.6612, 0.67, 2, False, False),
        (41.75, 41.8, 1, True, True),
    ],
)
def test_printed_figures(value, printed, digits, near, rounds):
    assert decimals(printed) == digits
    assert is_near(value, printed) is near
    assert rounds_to(value, printed) is rounds


def test_the_list_has_all_experiments():
    found = listed()
    assert len(found) == len({entry.id for entry in found}) == 85
    for entry in found:
        assert (ROOT / entry.config).is_file()
        for metrics in entry.published.values():
            assert all(map(math.isfinite, metrics.values()))
    by_id = {entry.id.rpartition('/')[2]: entry for entry in found}
    # Of both tasks of COCO.
    cascade = by_id['cascade_mask_rcnn_3x_ms_hybrid_base'].published['COCO']
    assert (cascade['box AP'], cascade['mask AP']) == (53.8, 46.4)
    assert len(cascade) == 6
    assert by_id['xxs_160'].tables == [
        {'table': 11, 'row': 'UniFormer-XXS, size 160'},
        {
            'table': 23,
            'row': 'UniFormer-XXS_160, score_token, running_mean, '
            'shrink_ratio 0.5',
        },
    ]
    assert by_id['uniformer_base'].tables == [
        {'table': 1, 'row': 'Base, LLGG'}
    ]
