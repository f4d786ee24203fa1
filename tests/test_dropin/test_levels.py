"""Stages of ours by the strides of the host's levels."""

import pytest

from mmuniformer.dropin.levels import Tied, stages_for
from mmuniformer.dropin.measuring import Level


def levels(*strides: int) -> list[Level]:
    return [Level(8 * (i + 1), stride) for i, stride in enumerate(strides)]


@pytest.mark.parametrize(
    ('strides', 'stages'),
    [
        ((4, 8, 16, 32), (0, 1, 2, 3)),
        ((8, 16, 32), (1, 2, 3)),
        ((8, 16), (1, 2)),
        ((16,), (2,)),
        ((32,), (3,)),
        # A vector.
        ((0,), (3,)),
    ],
)
@pytest.mark.parametrize('strict', [True, False])
def test_each_level_gets_the_stage_of_its_stride(strides, stages, strict):
    assert stages_for(levels(*strides), strict) == stages


@pytest.mark.parametrize(
    ('strides', 'stages'),
    [
        # ResNet with dilations, a plain vision transformer, MobileNetV3.
        ((4, 8, 8, 8), (0, 1, 2, 3)),
        ((16, 16, 16, 16), (0, 1, 2, 3)),
        ((2, 4, 8), (1, 2, 3)),
    ],
)
def test_of_equal_strides_the_last_stages_stand_where_heads_resize(
    strides, stages
):
    assert stages_for(levels(*strides), strict=False) == stages
    with pytest.raises(Tied, match='Start from a config'):
        stages_for(levels(*strides), strict=True)


@pytest.mark.parametrize(
    'strides', [(8, 32, 8), (16, 8, 4, 2, 1), (4, 8, 16, 32, 64), (1, 2)]
)
def test_what_is_no_pyramid_is_refused_with_the_way_out(strides):
    with pytest.raises(Tied, match='Start from a config') as told:
        stages_for(levels(*strides), strict=False)
    assert ', '.join(map(str, strides)) in str(told.value)


def test_a_map_that_is_made_of_later_ones_is_refused():
    # As BiSeNetV1 has them; a head of it would read a map of ours that
    # nothing deep is in.
    outs = [Level(256, 8), Level(128, 8), Level(128, 16)]
    with pytest.raises(Tied, match='a neck or decoder is a part of it'):
        stages_for(outs, strict=False)
    # An EfficientNet narrows from stage to stage, and fuses nothing.
    narrowing = [Level(64, 8), Level(48, 16), Level(48, 32)]
    assert stages_for(narrowing, strict=False) == (1, 2, 3)


@pytest.mark.parametrize('stride', [4, 8])
def test_a_fine_map_alone_is_not_that_of_our_first_stages(stride):
    # It is the last one of a dilated network, or of one with branches.
    assert stages_for(levels(stride), strict=False) == (3,)
    with pytest.raises(Tied, match=f'one map of stride {stride}'):
        stages_for(levels(stride), strict=True)
