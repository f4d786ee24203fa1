"""Which stages of ours stand for the levels of the host's backbone."""

from collections.abc import Sequence
from itertools import pairwise

from mmuniformer.dropin.measuring import Level

STRIDES = (4, 8, 16, 32)
# Of our maps as fine as these, little is known of a picture.
FINE = {4, 8}


class Tied(Exception):
    """A model that works with its own backbone only: why, and the way out."""


def stages_for(levels: Sequence[Level], strict: bool) -> tuple[int, ...]:
    """A stage for each level, from fine to coarse.

    Each level gets the stage of its stride. Where several have the same
    stride, as those of a dilated ResNet, the last stages stand for them, if
    the host's heads bring maps to one size themselves. So does the last one
    for a fine map alone, which dilations or branches make of a whole network.

    Args:
        levels (Sequence[Level]): What the host's backbone gives.
        strict (bool): Whether anchors or keypoints depend on the strides.

    Raises:
        Tied: If they are no pyramid.
    """
    strides = [level.stride for level in levels]
    if all(stride == 0 for stride in strides):
        return (len(STRIDES) - 1,)
    told = ', '.join(map(str, strides))
    if len(levels) == 1 and set(strides) <= FINE:
        if strict:
            raise Tied(
                f'its backbone gives one map of stride {told}, and UniFormer '
                'one as fine from its first stages alone. Start from a config '
                'of the same task with a ResNet, whose last map is of stride '
                '32'
            )
        return (len(STRIDES) - 1,)
    if set(strides) <= set(STRIDES) and _rising(strides):
        return tuple(STRIDES.index(stride) for stride in strides)
    falling = any(a > b for a, b in pairwise(strides))
    if len(levels) > len(STRIDES) or falling or _fused(levels):
        raise Tied(
            f'its backbone gives maps of strides {told}, which are no pyramid '
            'from fine to coarse: a neck or decoder is a part of it. Start '
            'from a config with a neck or head that decodes, such as FPN, '
            'UperNet or Semantic FPN'
        )
    if strict or min(strides) < STRIDES[0] // 2:
        raise Tied(
            f'its backbone gives maps of strides {told}, and UniFormer of 4, '
            '8, 16 and 32, once each. Start from a config of the same task '
            'with a ResNet and a neck'
        )
    return tuple(range(len(STRIDES) - len(levels), len(STRIDES)))


def _rising(strides: Sequence[int]) -> bool:
    return all(a < b for a, b in pairwise(strides))


def _fused(levels: Sequence[Level]) -> bool:
    """Whether one of several maps of a size is made of those behind it.

    Decoders give first what they decode, in more channels than what that is
    made of. Of a backbone's own layers, later ones have no fewer.
    """
    return any(
        one.stride == other.stride and one.channels > other.channels
        for one, other in pairwise(levels)
    )
