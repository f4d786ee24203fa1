"""What models and hooks of the libraries keep outside of their state dicts.

A value that training changes and that changes training, in an attribute that
no library saves: the present size of images in several sizes, say. A row for
each class, by its name.
"""

from collections.abc import Iterable
from numbers import Integral, Real
from operator import attrgetter
from typing import Any

ATTRIBUTES: dict[str, tuple[str, ...]] = {
    # mmdet and mmpose: the size until the next one is drawn.
    'BatchSyncRandomResize': ('_input_size',),
    # mmdet: thresholds that follow the training.
    'DropBlock': ('iter_cnt',),
    'DynamicRoIHead': (
        'iou_history',
        'beta_history',
        'bbox_assigner.pos_iou_thr',
        'bbox_assigner.neg_iou_thr',
        'bbox_assigner.min_pos_iou',
        'bbox_head.loss_bbox.beta',
    ),
    # mmengine
    'EarlyStoppingHook': ('wait_count', 'best_score'),
}


def take(named: Iterable[tuple[str, Any]]) -> dict[str, dict[str, Any]]:
    """The attributes of all objects that have some, as plain values.

    Args:
        named (Iterable[tuple[str, Any]]): Objects by name.
    """
    return {
        name: {
            path: plain(attrgetter(path)(each))
            for path in ATTRIBUTES[type(each).__name__]
        }
        for name, each in named
        if type(each).__name__ in ATTRIBUTES
    }


def put(
    named: Iterable[tuple[str, Any]], values: dict[str, dict[str, Any]]
) -> None:
    """Sets what :func:`take` gave on objects of the same names.

    Args:
        named (Iterable[tuple[str, Any]]): Objects by name.
        values (dict): Attributes that are not in :data:`ATTRIBUTES` are left
            out: they come from a file.
    """
    for name, each in named:
        allowed = ATTRIBUTES.get(type(each).__name__, ())
        for path, value in values.get(name, {}).items():
            if path in allowed:
                owner, _, attribute = path.rpartition('.')
                target = attrgetter(owner)(each) if owner else each
                setattr(target, attribute, value)


def plain(value: Any) -> Any:
    """Numbers of numpy as those of Python, which every reader knows."""
    if isinstance(value, list | tuple):
        return type(value)(plain(each) for each in value)
    if isinstance(value, Integral):
        return int(value)
    return float(value) if isinstance(value, Real) else value
