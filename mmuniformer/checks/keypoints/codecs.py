"""Whether targets are written as the head's predictions are read."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from mmengine.config import Config

from mmuniformer.checks.data_sets import DataSet
from mmuniformer.checks.finding import Finding
from mmuniformer.checks.keypoints.numbers import wrappers
from mmuniformer.nodes import type_name, walk

# What places of keypoints depend on. Widths of Gaussians may differ.
_SIZES = ('input_size', 'heatmap_size', 'simcc_split_ratio')


def check_codecs(cfg: Config, data_set: DataSet) -> Iterator[Finding]:
    """Compares the pipeline of a data set with the decoder of the head.

    Args:
        cfg (Config): What the data set is of.
        data_set (DataSet): One of mmpose.
    """
    for path, node in walk(cfg.get('model'), 'model'):
        decoders = _list(node.get('decoder'))
        if path.rpartition('.')[2] != 'head' or not decoders:
            continue
        nodes = [*wrappers(cfg, data_set), (data_set.path, data_set.node)]
        for place, holder in nodes:
            pipeline = holder.get('pipeline')
            for inner, transform in walk(pipeline, f'{place}.pipeline'):
                name = type_name(transform)
                if name == 'TopdownAffine':
                    yield from _check_size(inner, transform, path, decoders)
                elif name == 'GenerateTarget':
                    yield from _check_encoder(inner, transform, path, decoders)


def _list(node: Any) -> list:
    if isinstance(node, (list, tuple)):
        return list(node)
    return [node] if node else []


def _check_size(
    inner: str, node: dict, path: str, decoders: list[dict]
) -> Iterator[Finding]:
    given = node.get('input_size')
    sizes = [d['input_size'] for d in decoders if 'input_size' in d]
    if given and sizes and all(tuple(given) != tuple(s) for s in sizes):
        yield Finding(
            f'{inner}.input_size is {tuple(given)}, and that of '
            f'{path}.decoder {tuple(sizes[0])}',
            'keypoints would be at other places: set both to the same '
            '(width, height)',
            entry=f'{inner}.input_size',
        )


def _check_encoder(
    inner: str, node: dict, path: str, decoders: list[dict]
) -> Iterator[Finding]:
    encoders = _list(node.get('encoder'))
    differences = [
        _differs(one, other) for one in encoders for other in decoders
    ]
    if differences and all(differences):
        key, one, other = differences[-1]
        yield Finding(
            f'{inner}.encoder has {key} {one}, and {path}.decoder {other}',
            'targets and predictions have to be of one codec',
            entry=f'{inner}.encoder.{key}',
        )


def _differs(one: dict, other: dict) -> tuple[str, Any, Any] | None:
    if type_name(one) != type_name(other):
        return 'type', type_name(one), type_name(other)
    for key in _SIZES:
        both = key in one and key in other
        # A tuple and a list of the same numbers are the same size.
        if both and not np.array_equal(one[key], other[key]):
            return key, one[key], other[key]
    return None
