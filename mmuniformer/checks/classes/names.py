"""Names of classes against those that the files of a data set have."""

import xml.etree.ElementTree as ElementTree
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mmuniformer.checks.classes.lists import (
    given_classes,
    listed,
)
from mmuniformer.checks.coco_file import read_coco
from mmuniformer.checks.data_sets import DataSet
from mmuniformer.checks.finding import Finding, did_you_mean, nearest
from mmuniformer.checks.lists.shards import classes_in, is_sharded
from mmuniformer.checks.scan import each, remembered


@dataclass(frozen=True)
class Names:
    """What the files of a data set call its objects.

    Attributes:
        place (str): The file or folder.
        unit (str): What is counted: 'boxes', 'segments' or 'images'.
        order (tuple[str, ...]): The names, one for each category.
        counts (Counter): How many units each name has.
        declared (bool): Whether it lists its names, those of no object
            included.
    """

    place: str
    unit: str
    order: tuple[str, ...]
    counts: Counter
    declared: bool = True


def check_class_names(
    sets: Sequence[tuple[DataSet, list[str]]],
) -> Iterator[Finding]:
    """Looks whether the names in ``classes`` are those of the files.

    A file that cannot be read is looked at elsewhere.

    Args:
        sets (Sequence[tuple[DataSet, list[str]]]): Data sets and classes of
            each.
    """
    seen: list[tuple] = []
    named = []
    for data_set, classes in sets:
        key = (data_set.kind, data_set.ann_file, data_set.node.get('data_root')
               , data_set.node.get('data_prefix'), classes)  # fmt: skip
        names = None if key in seen else names_of(data_set)
        seen.append(key)
        if names is not None:
            named.append((data_set, classes, names))
    for data_set, classes, names in named:
        elsewhere = {
            name
            for _, _, other in named
            if other is not names
            for name in other.order
        }
        yield from _check_names(data_set, classes, names, elsewhere)


def names_of(data_set: DataSet) -> Names | None:
    """The names in the files of a data set; None where files have none."""
    if is_sharded(data_set):
        counts = classes_in(data_set)
        place = str(data_set.ann_file)
        return counts and Names(place, 'images', tuple(counts), counts)
    kinds = {kind.__name__ for kind in data_set.kind.__mro__}
    if data_set.host == 'mmdet' and data_set.read_by:
        if kinds & {'CocoDataset', 'BaseVideoDataset'}:
            return _coco_names(data_set)
        if 'XMLDataset' in kinds:
            return _xml_names(data_set)
    if data_set.host == 'mmpretrain' and 'CustomDataset' in kinds:
        return _folder_names(data_set)
    return None


def _coco_names(data_set: DataSet) -> Names | None:
    file = data_set.ann_file
    content = read_coco(file).content if file else None
    if not content or not content.get('categories'):
        return None
    by_id = {c.get('id'): c.get('name') for c in content['categories']}
    order = tuple(c.get('name') for c in content['categories'])
    if not all(isinstance(name, str) for name in order):
        return None
    parts = [
        part
        for annotation in content.get('annotations', [])
        for part in annotation.get('segments_info', [annotation])
    ]
    numbers = Counter(part.get('category_id') for part in parts
                      if _can_be_key(part.get('category_id')))  # fmt: skip
    counts: Counter = Counter()
    for category, number in numbers.items():
        if category in by_id:
            counts[by_id[category]] += number
    kinds = {kind.__name__ for kind in data_set.kind.__mro__}
    unit = 'segments' if 'CocoPanopticDataset' in kinds else 'boxes'
    return Names(str(file), unit, order, counts)


def _can_be_key(value: object) -> bool:
    return isinstance(value, (int, str))


def _xml_names(data_set: DataSet) -> Names | None:
    lines = data_set.ann_file
    if lines is None or not lines.is_file():
        return None
    prefix = data_set.node.get('data_prefix') or {}
    folder = data_set.below_root(prefix.get('sub_data_root') or '')
    folder = folder / data_set.node.get('ann_subdir', 'Annotations')
    images = lines.read_text(encoding='utf-8').split('\n')
    files = [folder / f'{image}.xml' for image in images if image]
    files = [file for file in files if file.is_file()]
    if not files:
        return None
    counts = Counter(
        remembered(
            [lines, *files],
            ['names of objects'],
            lambda: dict(_count_names(files)),
        )
    )
    return Names(
        str(folder), 'boxes', tuple(sorted(counts)), counts, declared=False
    )


def _count_names(files: Sequence[Path]) -> Counter:
    counts: Counter = Counter()
    for names in each(_names_in_xml, files, 'Names of classes'):
        counts.update(names)
    return counts


def _names_in_xml(file: Path) -> list[str]:
    try:
        root = ElementTree.parse(file).getroot()
    except (OSError, ElementTree.ParseError):
        return []
    names = [one.findtext('name') for one in root.findall('object')]
    return [name for name in names if name is not None]


def _folder_names(data_set: DataSet) -> Names | None:
    node = data_set.node
    if node.get('ann_file') or not node.get('with_label', True):
        return None
    prefix = node.get('data_prefix') or ''
    if isinstance(prefix, dict):
        prefix = prefix.get('img_path') or ''
    folder = data_set.below_root(prefix)
    if node.get('split') and not prefix:
        folder = data_set.below_root(node['split'])
        if data_set.below_root(f'meta/{node["split"]}.txt').exists():
            return None
    if '://' in str(prefix) or not folder.is_dir():
        return None
    names = tuple(sorted(p.name for p in folder.iterdir() if p.is_dir()))
    return Names(str(folder), 'images', names, Counter(names))


def _check_names(
    data_set: DataSet,
    classes: list[str],
    names: Names,
    elsewhere: Collection[str],
) -> Iterator[Finding]:
    key, given = given_classes(data_set)
    entry = f'{data_set.path}.{key}'
    if names.unit == 'images':
        yield from _check_folders(entry, classes, names)
        return
    if data_set.name.startswith('LVIS'):
        if given is not None:
            yield from _check_order_of_lvis(entry, classes, names)
        return
    yield from _check_doubles(classes, names)
    if not set(classes) & set(names.order):
        yield _nothing_in_common(entry, data_set, classes, names)
        return
    if given is not None:
        yield from _check_lacking(entry, data_set, classes, names, elsewhere)
    yield from _check_left_out(entry, data_set, classes, names)
    lacking = [name for name in classes if name not in names.order]
    if given is None and lacking:
        yield Finding(
            f'{len(lacking)} of the {len(classes)} classes of '
            f'{data_set.name} are not in {names.place}: they have no objects',
            f'if the model shall know the others only, {_write(data_set)}',
            file=names.place,
            entry=entry,
            level='note',
        )


def _write(data_set: DataSet) -> str:
    return f'set {data_set.path}.metainfo=dict(classes=(...))'


def _nothing_in_common(
    entry: str, data_set: DataSet, classes: list[str], names: Names
) -> Finding:
    if given_classes(data_set)[1] is None:
        return Finding(
            f'{names.place} has {listed(names.order)}, and none of the '
            f'{len(classes)} classes of {data_set.name}',
            'the config gives no classes, so those of the library are in '
            f'force: {_write(data_set)}',
            file=names.place,
            entry=entry,
        )
    return Finding(
        f'{entry} is {listed(classes)}, and {names.place} has none of them, '
        f'but {listed(names.order)}'
        f'{did_you_mean(_like(classes[0], names.order))}',
        'write the names as the file has them',
        file=names.place,
        entry=entry,
    )


def _check_lacking(
    entry: str,
    data_set: DataSet,
    classes: list[str],
    names: Names,
    elsewhere: Collection[str],
) -> Iterator[Finding]:
    free = [name for name in names.order if name not in classes]
    for name in classes:
        if name in names.order:
            continue
        like = _like(name, free)
        if not like and (name in elsewhere or not names.declared):
            trains = data_set.phase == 'train'
            yield Finding(
                f'{entry} has {name!r}, of which {names.place} has no object: '
                + ('it is not learned here' if trains else 'it is not scored'),
                file=names.place,
                entry=name,
                level='warning'
                if trains and name not in elsewhere
                else 'note',
            )
            continue
        yield Finding(
            f'{entry} has {name!r}, which is no category of {names.place}'
            f'{did_you_mean(like)}',
            ''
            if like
            else f'it has {listed(free or names.order)}: write the names as '
            'the file has them',
            file=names.place,
            entry=name,
        )


def _like(name: str, known: Collection[str]) -> list[str]:
    """What a name may stand for, first what only its spelling tells apart."""
    same = [other for other in known if _plain(other) == _plain(name)]
    return same or nearest(name, known)


def _plain(name: str) -> str:
    """A name without case, spaces, underscores and the s of a plural."""
    letters = ''.join(c for c in name.casefold() if c.isalnum())
    return letters.removesuffix('es').removesuffix('s').removesuffix('e')


def _check_left_out(
    entry: str, data_set: DataSet, classes: list[str], names: Names
) -> Iterator[Finding]:
    left = [n for n in dict.fromkeys(names.order)
            if n not in classes and names.counts[n]]  # fmt: skip
    if not left:
        return
    number = sum(names.counts[name] for name in left)
    share = number / names.counts.total()
    default = given_classes(data_set)[1] is None
    mend = f'name them in {entry} if the model shall find them'
    if default:
        mend = (
            'the config gives no classes, so those of '
            f'{data_set.name} are in force: {_write(data_set)}'
        )
    # A panoptic map is read as a whole: the library stops at such a segment.
    stops = names.unit == 'segments'
    yield Finding(
        f'{len(left)} of {len(set(names.order))} categories of {names.place}, '
        f'{_percent(share)} of the {names.unit}, are left out: '
        f'{listed(left)}',
        mend,
        file=names.place,
        entry=entry,
        level='error' if stops or (default and share > 0.5) else 'warning',
    )


def _percent(share: float) -> str:
    return f'{share:.0%}'.replace('%', ' %') if share >= 0.01 else 'under 1 %'


def _check_doubles(classes: list[str], names: Names) -> Iterator[Finding]:
    for name, number in Counter(names.order).items():
        if number > 1 and name in classes:
            yield Finding(
                f'{names.place} has {number} categories {name!r}: they are '
                'read as one class',
                'give each a name of its own if they are not the same',
                file=names.place,
                entry=name,
                level='warning',
            )


def _check_order_of_lvis(
    entry: str, classes: list[str], names: Names
) -> Iterator[Finding]:
    if list(names.order) == classes:
        return
    label, (ours, theirs) = next(
        (i, pair)
        for i, pair in enumerate(
            zip([*classes, ''], [*names.order, ''], strict=False)
        )
        if pair[0] != pair[1]
    )
    yield Finding(
        f'{entry} has {ours or "nothing"} as label {label}, and '
        f'{names.place} has {theirs or "nothing"}: LVIS labels are all '
        'categories of the file in its order',
        'write them like that, or take CocoDataset for some of them or for '
        'another order',
        file=names.place,
        entry=entry,
    )


def _check_folders(
    entry: str, classes: list[str], names: Names
) -> Iterator[Finding]:
    """Looks at folders that are classes.

    Other names than those of the folders are names of the sorted folders,
    as ImageNet has them.
    """
    if not names.order or sorted(classes) == sorted(names.order):
        return
    if len(classes) != len(names.order):
        yield Finding(
            f'{entry} has {len(classes)} names, and {names.place} has '
            f'{len(names.order)} folders: {listed(names.order)}',
            'name each folder once',
            file=names.place,
            entry=entry,
        )
        return
    plain = [_plain(folder) for folder in names.order]
    if [_plain(name) for name in classes] == plain:
        return
    lacking = [name for name in classes if name not in names.order]
    free = [folder for folder in names.order if folder not in classes]
    meant = [name for name in lacking if _plain(name) in plain]
    # Names of which none is that of a folder are names of another kind.
    if meant or len(lacking) < len(classes):
        name = (meant or lacking)[0]
        label = classes.index(name)
        yield Finding(
            f'{entry} has {name!r} as label {label}, and no folder of '
            f'{names.place} is called so{did_you_mean(_like(name, free))}',
            'write the names of the folders, in any order, or another name '
            'for each of the sorted folders',
            file=names.place,
            entry=name,
        )
