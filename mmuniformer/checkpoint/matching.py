"""Whether a state dict fills a model."""

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from torch import Tensor, nn

from mmuniformer.checkpoint.form import check_forms

SHOWN_NAMES = 3
# Lists of blocks of a UniFormer, and one of the blocks.
STAGE = re.compile(r'(^|\.)blocks[1-4]$')
BLOCK = re.compile(r'(.*?\bblocks[1-4])\.\d+(?=\.)')
# mmpose renames these itself while it loads a file from before its version 1.
OLD_NAMES = {'keypoint_head.': 'head.'}
# Layers of heads with a row for each class or keypoint: what the rows are of,
# the key of the config that numbers them, and rows besides (the background).
HEADS = {
    'cls_head.fc_cls.weight': ('classes', 'cls_head.num_classes', 0),
    'cls_head.head.fc_cls.weight': ('classes', 'cls_head.num_classes', 0),
    'head.fc.weight': ('classes', 'head.num_classes', 0),
    'head.head.fc.weight': ('classes', 'head.num_classes', 0),
    'decode_head.conv_seg.weight': ('classes', 'decode_head.num_classes', 0),
    'roi_head.bbox_head.fc_cls.weight': (
        'classes',
        'roi_head.bbox_head.num_classes',
        1,
    ),
    'roi_head.bbox_head.0.fc_cls.weight': (
        'classes',
        'roi_head.bbox_head.0.num_classes',
        1,
    ),
    'head.final_layer.weight': ('keypoints', 'head.out_channels', 0),
}


class Mismatch(NamedTuple):
    """Names of tensors that a model and a state dict do not share.

    Attributes:
        missing (list[str]): Those of the model alone.
        reshaped (list[str]): Those of both, in different shapes.
        unknown (list[str]): Those of the state dict alone.
    """

    missing: list[str]
    reshaped: list[str]
    unknown: list[str]


def compare(
    wanted: Mapping[str, Tensor], given: Mapping[str, Tensor]
) -> Mismatch:
    """Compares names and shapes.

    Args:
        wanted (Mapping[str, Tensor]): Tensors of a model.
        given (Mapping[str, Tensor]): Tensors of a file.
    """
    return Mismatch(
        [k for k in wanted if k not in given],
        [
            k
            for k, tensor in wanted.items()
            if k in given and given[k].shape != tensor.shape
        ],
        [k for k in given if k not in wanted],
    )


def some(names: Sequence[str]) -> str:
    """The first of some names, and a sign where there are more."""
    more = ', ...' if len(names) > SHOWN_NAMES else ''
    return ', '.join(names[:SHOWN_NAMES]) + more


def describe_mismatch(
    model: nn.Module, state_dict: Mapping[str, Tensor], source: str
) -> str | None:
    """Says which parameters of a model a state dict does not fill.

    Buffers may be missing, and the state dict may hold more than the model,
    but no further blocks of its stages: UniFormer-B has all the names and
    shapes of UniFormer-S.

    Args:
        model (nn.Module): The model that is to be filled.
        state_dict (Mapping[str, Tensor]): Tensors by the names of the model,
            with or without the prefix of a parallel wrapper.
        source (str): Path or URL of the file, for the message.

    Returns:
        str or None: Counts and some names; None if every parameter is filled
        by a state dict of the same depth.

    Raises:
        CheckpointError: If one is in deployment form and the other is not.
    """
    parameters = dict(model.named_parameters())
    state = {
        _present_name(key.removeprefix('module.'), parameters): value
        for key, value in state_dict.items()
        if isinstance(value, Tensor)
    }
    check_forms(model, state, source)
    missing, reshaped, _ = compare(parameters, state)
    unknown = compare(model.state_dict(), state).unknown
    deeper = _further_blocks(model, unknown)
    if not missing and not reshaped and not deeper:
        return None
    matched = len(parameters) - len(missing) - len(reshaped)
    parts = [
        f'{source} does not fit the model of the config: '
        f'{matched} of {len(parameters)} parameters match'
    ]
    shapes = [
        f'{key} ({_shape(state[key])} in the file, '
        f'{_shape(parameters[key])} here)'
        for key in reshaped
    ]
    for words, names in (
        ('not in the file', missing),
        ('of another shape', shapes),
        ('only in the file', unknown),
    ):
        if names:
            parts.append(f'{len(names)} {words}: {some(names)}')
    if deeper:
        parts.append(
            f'the file is of a deeper backbone, with {some(deeper)}: take the '
            'config of that one'
        )
    for name, (rows, key, besides) in HEADS.items():
        # With as many, another width is that of another backbone.
        if name in reshaped and len(state[name]) != len(parameters[name]):
            parts.append(
                f'the file was trained on {len(state[name]) - besides} {rows} '
                f'and the config has {len(parameters[name]) - besides} '
                f'(model.{key}): take the config of its data set'
            )
    return '; '.join(parts)


def _further_blocks(model: nn.Module, unknown: Sequence[str]) -> list[str]:
    """Blocks behind the last one of the model's stages."""
    stages = {
        name
        for name, module in model.named_modules()
        if isinstance(module, nn.ModuleList) and STAGE.search(name)
    }
    found = (BLOCK.match(key) for key in unknown)
    return list(
        dict.fromkeys(f.group() for f in found if f and f.group(1) in stages)
    )


def _present_name(key: str, parameters: Mapping) -> str:
    for old, new in OLD_NAMES.items():
        if key not in parameters and key.startswith(old):
            return key.replace(old, new, 1)
    return key


def _shape(tensor: Tensor) -> str:
    return 'x'.join(map(str, tensor.shape)) or 'scalar'
