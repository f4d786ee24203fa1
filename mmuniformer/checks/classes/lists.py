"""Lists of classes: what a config writes, and what its data sets agree on."""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from mmengine.config import Config

from mmuniformer.checks.data_sets import DataSet
from mmuniformer.checks.finding import Finding, suggest
from mmuniformer.nodes import walk

SHOWN_NAMES = 5
# What classes were called in the 2.x and 0.x releases, and by other programs.
_OTHER_KEYS = {'CLASSES', 'class', 'class_names', 'names', 'categories'}


def listed(names: Sequence[str]) -> str:
    """The first few names and how many more there are."""
    more = len(names) - SHOWN_NAMES
    text = ', '.join(map(str, names[:SHOWN_NAMES]))
    return f'{text} and {more} more' if more > 0 else text


def model_of(cfg: Config) -> dict:
    """The model of a config, within that of test-time augmentation."""
    model = cfg.get('model') or {}
    return model.get('module', model)


def head_classes(cfg: Config) -> int | None:
    """Number of classes of a recognizer's head; None if it has none."""
    return (model_of(cfg).get('cls_head') or {}).get('num_classes')


def is_open(cfg: Config) -> bool:
    """Whether a detector takes the names of classes as text.

    Its head has one number for any number of classes, and it is tested on
    classes that it was not trained on.
    """
    return any('language_model' in node for _, node in walk(model_of(cfg)))


def given_classes(data_set: DataSet) -> tuple[str, Any]:
    """What a config writes for the classes of a data set.

    Returns:
        tuple[str, Any]: The key, below the data set, and its value; None
        where the classes of the library are in force.
    """
    metainfo = data_set.node.get('metainfo')
    if isinstance(metainfo, dict) and metainfo.get('classes') is not None:
        return 'metainfo.classes', metainfo['classes']
    if data_set.host == 'mmpretrain' and data_set.node.get('classes'):
        return 'classes', data_set.node['classes']
    return 'metainfo.classes', None


def check_list(data_set: DataSet) -> Iterator[Finding]:
    """Looks at what a config writes for classes and colours.

    An error means that :func:`classes_of` has nothing to say.
    """
    path, node = data_set.path, data_set.node
    metainfo = node.get('metainfo')
    if metainfo is not None and not isinstance(metainfo, dict):
        yield Finding(
            f'{path}.metainfo is {metainfo!r}, and no dict',
            "write metainfo=dict(classes=('name', ...))",
            entry=f'{path}.metainfo',
        )
        return
    key, given = given_classes(data_set)
    for other in sorted(_OTHER_KEYS & set(metainfo or {})):
        if given is None and (data_set.host, other) != (
            'mmpretrain',
            'categories',
        ):
            yield Finding(
                f'{path}.metainfo has {other!r}, which the library does not '
                'read, and no classes',
                "call it 'classes'",
                entry=f'{path}.metainfo.{other}',
            )
    if given is None:
        return
    mistakes = list(_check_form(f'{path}.{key}', given))
    yield from mistakes
    if not mistakes:
        yield from _check_names(f'{path}.{key}', data_set)


def _check_form(entry: str, given: Any) -> Iterator[Finding]:
    if isinstance(given, str):
        # The library reads a file, and takes another text for the names.
        if Path(given).is_file():
            return
        what = f'{entry} is the text {given!r}, and no list of names'
        mend = f'for one class write ({given!r},), with the comma'
        if Path(given).suffix or '/' in given:
            what = f'{entry} is {given!r}, and there is no such file'
            mend = 'write a name on each line of it, or a list of names'
        yield Finding(what, mend, entry=entry)
        return
    if not isinstance(given, (list, tuple)):
        yield Finding(
            f'{entry} is {given!r}, and no list of names',
            "write ('name', ...)",
            entry=entry,
        )
        return
    others = [name for name in given if not isinstance(name, str)]
    if others:
        yield Finding(
            f'{entry} has {listed([repr(name) for name in others])}: names '
            'are texts',
            entry=entry,
        )
    elif not given:
        yield Finding(f'{entry} is empty', 'name the classes', entry=entry)


def _check_names(entry: str, data_set: DataSet) -> Iterator[Finding]:
    classes = classes_of(data_set) or []
    twice = [name for name, number in Counter(classes).items() if number > 1]
    if twice:
        yield Finding(
            f'{entry} has {listed(twice)} more than once: each name is one '
            'label',
            'name each class once',
            entry=entry,
        )
    blank = [str(i) for i, name in enumerate(classes) if not name]
    if blank:
        yield Finding(
            f'{entry} has no name for the label {listed(blank)}',
            'take out empty names and lines',
            entry=entry,
        )
    yield from _check_known(entry, data_set, classes)
    yield from _check_things(entry, data_set, classes)
    yield from _check_palette(data_set, classes)


def _check_known(
    entry: str, data_set: DataSet, classes: list[str]
) -> Iterator[Finding]:
    """Looks whether mmseg can map the labels of its own data set."""
    known = list(data_set.kind.METAINFO.get('classes') or ())
    if not hasattr(data_set.kind, 'get_label_map') or not known:
        return
    for name in classes:
        if name not in known:
            yield Finding(
                f'{entry} has {name!r}, which {data_set.name} does not have'
                f'{suggest(name, known)}',
                'choose from its names, or take BaseSegDataset for maps of '
                'other labels',
                entry=entry,
            )


def _check_things(
    entry: str, data_set: DataSet, classes: list[str]
) -> Iterator[Finding]:
    """Looks at panoptic classes: the labels of things are the first ones."""
    things = data_set.metainfo.get('thing_classes')
    stuff = data_set.metainfo.get('stuff_classes')
    if things is None or stuff is None:
        return
    if classes != [*things, *stuff]:
        yield Finding(
            f'{entry} is not what thing_classes and stuff_classes are, one '
            'after the other',
            'give all three in metainfo, things before stuff',
            entry=entry,
        )


def _check_palette(data_set: DataSet, classes: list[str]) -> Iterator[Finding]:
    palette = data_set.metainfo.get('palette')
    own = (data_set.node.get('metainfo') or {}).get('palette')
    if not isinstance(palette, (list, tuple)) or not palette:
        return
    entry = f'{data_set.path}.metainfo.palette'
    numbers = f'{len(palette)} colours, and there are {len(classes)} classes'
    if hasattr(data_set.kind, 'get_label_map'):
        # Given colours are those of the library's classes in their order.
        known = list(data_set.kind.METAINFO.get('classes') or ())
        chosen = known and known != classes and len(palette) >= len(classes)
        if len(palette) != len(classes) and not chosen:
            yield Finding(
                f'{entry} has {numbers}', 'give each class one', entry=entry
            )
    elif data_set.host == 'mmdet' and len(palette) < len(classes):
        whose = '' if own else f' (those of {data_set.name})'
        yield Finding(
            f'{entry} has {numbers}{whose}: pictures of the others cannot be '
            'drawn',
            'give each class one',
            entry=entry,
            level='warning',
        )


def classes_of(data_set: DataSet) -> list[str] | None:
    """The names of the labels of a data set, None where files name them.

    Args:
        data_set (DataSet): :func:`check_list` has found no error.
    """
    key, given = given_classes(data_set)
    if key == 'classes':
        classes = _lines(given) if isinstance(given, str) else given
    else:
        classes = data_set.metainfo.get('classes')
    return list(classes) if isinstance(classes, (list, tuple)) else None


def _lines(file: str) -> list[str]:
    return Path(file).expanduser().read_text(encoding='utf-8').splitlines()


def check_nameless(data_set: DataSet) -> Iterator[Finding]:
    """Looks at a data set for which :func:`classes_of` is None."""
    # A class that reads other files may find the names in them.
    reads = data_set.kind.load_data_list.__module__
    trains = data_set.phase == 'train'
    if reads == 'mmseg.datasets.basesegdataset':
        then = 'nothing can be scored'
        if trains:
            then = 'what is trained does not know their names'
    elif reads == 'mmdet.datasets.xml_style':
        then, trains = 'the library needs them', False
    else:
        return
    yield Finding(
        f'{data_set.path} has no classes: {then}',
        f'set {data_set.path}.metainfo=dict(classes=(...))',
        entry=f'{data_set.path}.metainfo',
        level='warning' if trains else 'error',
    )


def check_agreement(
    sets: Sequence[tuple[DataSet, list[str]]],
) -> Iterator[Finding]:
    """Looks whether a label means the same in all data sets of a config.

    Args:
        sets (Sequence[tuple[DataSet, list[str]]]): Data sets and classes of
            each, those for training first.
    """
    seen: list[list[str]] = []
    first, expected = sets[0] if sets else (None, [])
    for _, group in groupby(sets, key=lambda pair: pair[1]):
        data_set, classes = next(iter(group))
        if classes == expected or classes in seen:
            continue
        seen.append(classes)
        both = enumerate(zip(expected, classes, strict=False))
        other = next(
            (f'label {i} is {a!r} there and {b!r} here'
             for i, (a, b) in both if a != b),
            f'{len(expected)} names there and {len(classes)} here',
        )  # fmt: skip
        yield Finding(
            f'{data_set.path} has other classes than {first.path}: {other}',
            'give both the same names in the same order'
            + _by_default(first, data_set),
            entry=f'{data_set.path}.{given_classes(data_set)[0]}',
        )


def _by_default(*sets: DataSet) -> str:
    """What to know of data sets for which the config gives no classes."""
    for data_set in sets:
        if given_classes(data_set)[1] is None:
            return (
                f'; the config gives none in {data_set.path}, so those of '
                f'{data_set.name} are in force'
            )
    return ''
