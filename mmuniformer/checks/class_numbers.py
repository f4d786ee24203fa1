"""Whether the parts of a model have as many classes as the data."""

import inspect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from mmengine.config import Config
from mmengine.registry import MODELS

from mmuniformer.checks.class_lists import (
    classes_of,
    given_classes,
    head_classes,
    is_open,
    listed,
    model_of,
)
from mmuniformer.checks.data_sets import DataSet
from mmuniformer.checks.finding import Finding
from mmuniformer.nodes import type_name, walk

# What has a number of classes of its own: objects or not, stuff, people.
_OWN_CLASSES = {
    'backbone',
    'data_preprocessor',
    'neck',
    'reid',
    'rpn_head',
    'semantic_head',
}


@dataclass(frozen=True)
class Head:
    """A part of a model that tells classes apart.

    Attributes:
        path (str): Its number, ``'model.roi_head.bbox_head.num_classes'``.
        number (int): As it is, or as the class has it by default.
        given (bool): Whether the config says so.
        things (bool): Whether it knows nothing of stuff.
        node (dict): Its part of the config.
    """

    path: str
    number: int
    given: bool
    things: bool
    node: dict


def check_class_numbers(
    cfg: Config,
    host: str,
    sets: Sequence[tuple[DataSet, list[str]]],
    trains: bool,
) -> Iterator[Finding]:
    """Looks at the number of classes of every head.

    Args:
        cfg (Config): Its default scope is active.
        host (str): The library of its model.
        sets (Sequence[tuple[DataSet, list[str]]]): Data sets and classes of
            each. That others have the same classes is looked at elsewhere.
        trains (bool): Whether losses are computed.
    """
    heads = list(heads_of(cfg, host))
    if sets:
        yield from _check_heads(heads, *sets[0], _may_have_more(cfg, sets))
    if trains:
        yield from _check_weights(host, heads)
        yield from _check_labels_of_batches(cfg, host)
    if host == 'mmaction':
        yield from _check_videos(cfg)


def heads_of(cfg: Config, host: str) -> Iterator[Head]:
    """The parts of a model whose classes are those of the data."""
    look = _HOSTS.get(host)
    model = model_of(cfg)
    if look is None or is_open(cfg):
        return
    root = 'model' if model is cfg.get('model') else 'model.module'
    for path, node in walk(model, root):
        parts = path.split('.')
        if not _OWN_CLASSES.intersection(parts) and 'type' in node:
            yield from look(path, node)


def _detector(path: str, node: dict) -> Iterator[Head]:
    if node.get('class_agnostic'):
        return
    if 'num_things_classes' in node:
        stuff = node.get('num_stuff_classes', 0)
        number = node['num_things_classes'] + stuff
        entry = f'{path}.num_things_classes'
        yield Head(entry, number, given=True, things=not stuff, node=node)
    elif _is_head(path) and (
        'bbox_head' in path or 'mask' in path or 'track_head' in path
    ):
        yield from _numbered(path, node, things='roi_head' in path)


def _segmentor(path: str, node: dict) -> Iterator[Head]:
    # Heads that find boundaries have two classes, whatever the data have.
    if not _is_head(path) or 'boundary_threshold' in node:
        return
    for head in _numbered(path, node, things=False):
        # One channel tells two classes apart.
        if node.get('out_channels') == 1 or head.number == 1:
            number = 2 if head.given else head.number
            yield Head(head.path, number, head.given, False, node)
        else:
            yield head


def _classifier(path: str, node: dict) -> Iterator[Head]:
    if path.split('.')[1:2] == ['head'] and 'num_classes' in node:
        yield from _numbered(path, node, things=False)


def _is_head(path: str) -> bool:
    keys = [part for part in path.split('.') if not part.isdigit()]
    return keys[-1].endswith('head')


def _numbered(path: str, node: dict, things: bool) -> Iterator[Head]:
    given = 'num_classes' in node
    number = node['num_classes'] if given else _default(node['type'])
    if isinstance(number, int):
        yield Head(f'{path}.num_classes', number, given, things, node)


_HOSTS: dict[str, Callable[[str, dict], Iterator[Head]]] = {
    'mmdet': _detector,
    'mmseg': _segmentor,
    'mmpretrain': _classifier,
}


def _default(kind: Any) -> int | None:
    """The number of classes that a class has if the config gives none."""
    if isinstance(kind, str):
        with MODELS.switch_scope_and_registry(None) as registry:
            kind = registry.get(kind)
    for cls in getattr(kind, '__mro__', ()):
        init = vars(cls).get('__init__')
        if init is None:
            continue
        parameters = inspect.signature(init).parameters
        if 'num_classes' in parameters:
            default = parameters['num_classes'].default
            return default if isinstance(default, int) else None
        if not any(p.kind == p.VAR_KEYWORD for p in parameters.values()):
            return None
    return None


def _may_have_more(
    cfg: Config, sets: Sequence[tuple[DataSet, list[str]]]
) -> bool:
    """Whether a run goes on with a head that has classes without a name.

    Their labels are in no image. What is predicted is told by its name, and
    mmdet has a hook that compares the numbers.
    """
    hooks = {type_name(hook) for hook in cfg.get('custom_hooks') or []}
    if 'NumClassCheckHook' in hooks:
        return False
    return all(
        data_set.phase == 'train' or data_set.host == 'mmpretrain'
        for data_set, _ in sets
    )


def _check_heads(
    heads: Sequence[Head],
    data_set: DataSet,
    classes: list[str],
    may_have_more: bool,
) -> Iterator[Finding]:
    wrong: dict[tuple[int, int], list[Head]] = {}
    things = data_set.metainfo.get('thing_classes')
    for head in heads:
        number = len(things if head.things and things else classes)
        if head.number != number:
            wrong.setdefault((head.number, number), []).append(head)
    for (number, wanted), those in wrong.items():
        paths = [head.path for head in those]
        has = 'is' if len(those) == 1 else 'are'
        default = ''
        if not any(head.given for head in those):
            default = ', by default,'
        yield Finding(
            f'{listed(paths)} {has}{default} {number}, and '
            f'{data_set.path} has {wanted} classes: '
            f'{listed(classes[:wanted])}',
            _mend_number(data_set, wanted),
            entry=paths[0],
            level='warning' if may_have_more and number > wanted else 'error',
        )


def _mend_number(data_set: DataSet, wanted: int) -> str:
    if given_classes(data_set)[1] is None:
        return (
            f'the config gives no classes, so those of {data_set.name} are in '
            f'force: set {data_set.path}.metainfo=dict(classes=(...)), or '
            f'num_classes={wanted}'
        )
    return f'set num_classes={wanted}, or name the classes that are missing'


def _check_weights(host: str, heads: Sequence[Head]) -> Iterator[Finding]:
    """Looks at the weights of classes in losses: one for each class."""
    for head in heads:
        place = head.path.rpartition('.')[0]
        numbers = {head.number}
        if host != 'mmpretrain':
            # Detectors have a weight for the background.
            numbers.add(head.number + 1)
        if host == 'mmseg' and not _of_queries(head.node):
            numbers = {head.number}
        for path, loss in walk(head.node, place):
            weights = loss.get('class_weight')
            if not isinstance(weights, (list, tuple)) or (
                head.node.get('out_channels') == 1
            ):
                continue
            if len(weights) not in numbers:
                entry = f'{path}.class_weight'
                yield Finding(
                    f'{entry} has {len(weights)} weights, and {head.path} is '
                    f'{head.number}',
                    'give each class one'
                    + (' and the background one' if len(numbers) > 1 else ''),
                    entry=entry,
                )


def _of_queries(node: dict) -> bool:
    """Whether a head has a class for 'nothing', as those of queries do."""
    return any('num_queries' in n or 'loss_cls' in n for _, n in walk(node))


def _check_labels_of_batches(cfg: Config, host: str) -> Iterator[Finding]:
    """Looks at what mixes images or videos: it makes labels to numbers."""
    model = model_of(cfg)
    if host == 'mmaction':
        number, head = head_classes(cfg), 'model.cls_head.num_classes'
        where = 'in the lists'
    elif host == 'mmpretrain' and 'head' in model:
        head_node = model['head']
        if not isinstance(head_node, dict):
            return
        number, head = head_node.get('num_classes'), 'model.head.num_classes'
        where = 'of the data'
    else:
        return
    for place, node in (
        ('model.data_preprocessor', model.get('data_preprocessor')),
        ('data_preprocessor', cfg.get('data_preprocessor')),
    ):
        if place == 'data_preprocessor' and model.get('data_preprocessor'):
            continue
        for path, part in walk(node, place):
            own = part.get('num_classes')
            if number is not None and own is not None and own != number:
                entry = f'{path}.num_classes'
                yield Finding(
                    f'{head} is {number}, and {entry} is {own}: set both to '
                    f'the number of classes {where}',
                    entry=entry,
                )


def _check_videos(cfg: Config) -> Iterator[Finding]:
    """Looks at data sets of mmaction2 that have a number of classes."""
    roi_head = model_of(cfg).get('roi_head') or {}
    box_head = roi_head.get('bbox_head') or {}
    head, place = head_classes(cfg), 'model.cls_head'
    if box_head:
        head = box_head.get('num_classes', _default(box_head.get('type')))
        place = 'model.roi_head.bbox_head'
    seen = set()
    for phase in ('train', 'val', 'test'):
        key = f'{phase}_dataloader'
        for path, node in walk(cfg.get(key), key):
            number = node.get('num_classes')
            if 'ann_file' not in node or number in (None, head, *seen):
                continue
            if head is not None:
                seen.add(number)
                yield Finding(
                    f'{path}.num_classes is {number} ({type_name(node)}), '
                    f'and {place}.num_classes is {head}',
                    'set both to the same number',
                    entry=f'{path}.num_classes',
                )


def classes_of_all(
    sets: Sequence[DataSet],
) -> Iterator[tuple[DataSet, list[str]]]:
    """Data sets with their classes, without those that files name."""
    for data_set in sets:
        classes = classes_of(data_set)
        if classes is not None:
            yield data_set, classes
