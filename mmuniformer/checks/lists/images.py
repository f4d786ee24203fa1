"""Lists and folders of images (classification)."""

import json
import os
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from mmengine.config import Config

from mmuniformer.checks.data_sets import DataSet, data_sets
from mmuniformer.checks.files import check_exists
from mmuniformer.checks.finding import Finding
from mmuniformer.checks.images import (
    check_image_files,
    decoder_of,
    look_at_images,
)
from mmuniformer.checks.lists.reading import (
    Faults,
    Line,
    add_label,
    add_repeated,
    from_one,
    is_header,
    mend_names,
    missing_files,
    read_list,
    told,
    whole_number,
)
from mmuniformer.checks.scoring import scoring, without_scores
from mmuniformer.checks.summary import Summary, by_name
from mmuniformer.nodes import type_name

# Models that learn from the label of each image.
CLASSIFIERS = ('ImageClassifier', 'TimmClassifier', 'HuggingFaceClassifier')
# Files of images that a data set may not read for want of their suffix.
IMAGES = ('.avif', '.gif', '.heic', '.jfif', '.tiff', '.webp')
IMAGES += ('.bmp', '.jpeg', '.jpg', '.pgm', '.png', '.ppm', '.tif')
FORM = 'path label'


def check_image_lists(
    cfg: Config, phases: Collection[str], decode: bool = False
) -> Iterator[Finding]:
    """Looks at the lists and folders of a config of mmpretrain.

    Args:
        cfg (Config): Its default scope is active.
        phases (Collection[str]): Of 'train', 'val' and 'test', those whose
            data are read.
        decode (bool): Whether to decode the images as well.
    """
    model = cfg.get('model') or {}
    model = model.get('module', model)
    head = model.get('head') or {}
    number = head.get('num_classes') if isinstance(head, dict) else None
    for data_set in data_sets(cfg, phases):
        if data_set.host != 'mmpretrain' or _elsewhere(data_set):
            continue
        metrics = scoring(cfg, data_set.phase)
        needs = (
            type_name(model) in CLASSIFIERS
            if data_set.phase == 'train'
            else bool(metrics)
        )
        source = _Source(data_set, number, needs, metrics)
        if not source.can_be_built():
            continue
        if data_set.read_by == 'CustomDataset':
            yield from _check_custom(source, cfg)
        elif data_set.read_by == 'BaseDataset':
            yield from _check_json(source)
        if decode:
            yield from _check_decoding(source)


def summary(data_set: DataSet) -> Summary | None:
    """What is in a list or folder; None if it is not one that can be read."""
    if data_set.host != 'mmpretrain' or _elsewhere(data_set):
        return None
    source = _Source(data_set, None, False, ())
    if not source.can_be_built():
        return None
    if data_set.read_by == 'CustomDataset':
        built = source.built
        if built.ann_file:
            if not Path(built.ann_file).is_file():
                return None
            samples = list(_samples(source, Faults(Path(built.ann_file))))
        elif os.path.isdir(built.img_prefix):
            samples = list(_Folders(source).samples())
        else:
            return None
        names = built.CLASSES or (
            _Folders(source).names if not built.ann_file else ()
        )
    elif data_set.read_by == 'BaseDataset':
        try:
            content = _read_json(source.file)
            samples = list(_entries(source, content))
        except (OSError, ValueError, KeyError, TypeError):
            return None
        names = source.names_of(content)
    else:
        return None
    counts = Counter(
        label for s in samples for label in s.labels if _is_label(label)
    )
    return Summary(
        data_set.path,
        data_set.phase,
        unit='images',
        samples=len(samples),
        classes=by_name(counts, names),
        files=[Path(path) for path in dict.fromkeys(s.path for s in samples)],
    )


def _is_label(value: Any) -> bool:
    return isinstance(value, int) and value >= 0


def _elsewhere(data_set: DataSet) -> bool:
    """Whether something of a data set is not on this machine's disk."""
    places = [data_set.node.get(k) for k in ('ann_file', 'data_root')]
    prefix = data_set.node.get('data_prefix') or ''
    places += prefix.values() if isinstance(prefix, dict) else [prefix]
    return any('://' in str(place or '') for place in places)


class _Sample(NamedTuple):
    line: Line
    path: str
    labels: list[int]


@dataclass(frozen=True)
class _Source:
    """A data set and what is asked of its labels.

    Attributes:
        data_set (DataSet): Of mmpretrain.
        head (int, optional): Number of classes of the model's head.
        needs_labels (bool): Whether the phase uses labels.
        metrics (Sequence[str]): Those that need labels, in validation and
            test.
    """

    data_set: DataSet
    head: int | None
    needs_labels: bool
    metrics: Sequence[str]

    @property
    def path(self) -> str:
        return self.data_set.path

    @cached_property
    def built(self) -> Any:
        """The data set without its data: the places of its files."""
        node = {
            key: value
            for key, value in self.data_set.node.items()
            if key not in ('type', 'pipeline', 'lazy_init', '_scope_')
        }
        return self.data_set.kind(**node, pipeline=[], lazy_init=True)

    def can_be_built(self) -> bool:
        """Whether the class takes the arguments: else the run names them."""
        try:
            return self.built is not None
        except (AssertionError, KeyError, OSError, TypeError, ValueError):
            return False

    @property
    def file(self) -> Path:
        """The list, or the folder of images if there is no list."""
        return Path(self.built.ann_file or self.built.img_prefix)

    @property
    def num_classes(self) -> int | None:
        names = self.built.CLASSES
        return self.head or (names and len(names))

    def names_of(self, content: dict) -> Sequence[str]:
        """Names of classes, those of a JSON file where the config has none."""
        own = (content.get('metainfo') or {}).get('classes') or ()
        return self.built.CLASSES or own

    def check_used(self, first: str, number: int) -> Iterator[Finding]:
        """Tells that there are no labels at all, where they are needed."""
        if not self.needs_labels:
            return
        what = f'{first} has no label'
        if number > 1:
            what += f', nor has any of the {number} images'
        mend = 'training needs the class of each image'
        if self.metrics:
            what += (
                f': {", ".join(self.metrics)} would have nothing to compare '
                'with'
            )
            mend = without_scores(self.data_set.phase)
        yield Finding(what, mend, str(self.file), self.path)


def _check_custom(source: _Source, cfg: Config) -> Iterator[Finding]:
    """A data set that reads like mmpretrain's ``CustomDataset``."""
    built = source.built
    if built.ann_file:
        yield from _check_list(source)
    elif built.with_label:
        yield from _Folders(source).check(cfg)
    else:
        missing = list(check_exists(source.file, source.path, 'data_prefix'))
        yield from missing
        if not missing:
            yield from source.check_used(str(source.file), 1)


def _check_list(source: _Source) -> Iterator[Finding]:
    file = source.file
    missing = list(check_exists(file, source.path, 'ann_file'))
    yield from missing
    if missing:
        return
    lines, wrong = read_list(file)
    yield from wrong
    if not lines:
        if not wrong:
            place = f'{source.path}.ann_file'
            yield Finding(
                f'{file} is empty (set by {place})', '', str(file), place
            )
        return
    faults = Faults(file)
    samples = list(_samples(source, faults))
    labelled = [s for s in samples if s.labels and s.labels != [-1]]
    if samples and not labelled and not list(faults.findings()):
        first = samples[0].line
        yield from source.check_used(
            f'{file}, line {first.number}: {first.text!r}', len(samples)
        )
    else:
        labels = {label for s in labelled for label in s.labels}
        mend = from_one(labels, source.num_classes)
        for sample in samples:
            for label in sample.labels:
                add_label(faults, sample.line, label, source.num_classes, mend)
    add_repeated(
        faults, [((s.path,), s.labels, s.line) for s in samples if s.labels]
    )
    yield from faults.findings()
    if not wrong:
        yield from _check_files(source, samples)


def _samples(source: _Source, faults: Faults) -> Iterator[_Sample]:
    """What the lines of a list say; those that say nothing become faults."""
    built = source.built
    lines, _ = read_list(source.file)
    for line in lines:
        if not line.text.strip():
            faults.add(
                'empty', line, 'is an empty line', 'take it off the list'
            )
            continue
        if not built.with_label:
            path = os.path.join(built.img_prefix, line.text)
            yield _Sample(line, path, [])
            continue
        path, *words = line.text.strip().rsplit(' ', 1)
        label = whole_number(words[0]) if words else None
        if label is not None:
            path = os.path.join(built.img_prefix, path)
            yield _Sample(line, path, [label])
        elif is_header(line):
            faults.add(
                'header',
                line,
                'is a header, which is read as a sample',
                'take the line off the list',
            )
        else:
            _add_words(source, line, words, faults)


def _add_words(
    source: _Source, line: Line, words: list[str], faults: Faults
) -> None:
    """A line that does not end with a whole number after a space."""
    for other in ('\t', ',', ';'):
        _, found, label = line.text.strip().rpartition(other)
        if found and whole_number(label) is not None:
            faults.add(
                'form',
                line,
                f'is not of the form {FORM!r}',
                f'separate them by a space, not by {other!r}',
            )
            return
    if not words:
        faults.add(
            'unlabelled',
            line,
            f'has no label, and is not of the form {FORM!r}',
            'a list without labels is read with with_label=False',
        )
    elif words[0].replace('.', '', 1).isdigit():
        faults.add(
            'float',
            line,
            f'is not of the form {FORM!r}: a label is a whole number',
        )
    else:
        faults.add(
            'name',
            line,
            f'is not of the form {FORM!r}: it has the name {words[0]!r} '
            'where the number of a class belongs',
            mend_names(words, source.file, source.built.CLASSES),
        )


def _check_files(
    source: _Source, samples: Sequence[_Sample]
) -> Iterator[Finding]:
    by_path = {sample.path: sample for sample in samples}
    missing = missing_files(list(by_path), 'images')
    if missing:
        first = by_path[missing[0]].line
        more = ''
        if missing[1:]:
            more = (
                f'; {len(missing) - 1} more of {len(by_path)} do not exist: '
                f'{told(missing[1:])}'
            )
        yield Finding(
            f'{source.file}, line {first.number}: {first.text!r} has no '
            f'file: {missing[0]} does not exist{more}',
            f'put the files there, or set {source.path}.data_root and '
            'data_prefix to the folder that the paths of the list are below',
            str(source.file),
            f'line {first.number}',
        )


def _check_decoding(source: _Source) -> Iterator[Finding]:
    """Decodes each image that is there with the decoder of the pipeline."""
    found = summary(source.data_set)
    decoder = decoder_of(source.data_set.node.get('pipeline'))
    if found is None or decoder is None:
        return
    files = [str(file) for file in found.files if file.is_file()]
    seen = look_at_images(files, decoder, decode=True)
    yield from check_image_files(files, seen, str(source.file))


class _Folders:
    """A folder for each class.

    Args:
        source (_Source): Of a ``CustomDataset`` without a list.
    """

    def __init__(self, source: _Source) -> None:
        self.source = source
        self.root = source.file

    @cached_property
    def names(self) -> list[str]:
        """The folders as labels count them, hidden ones included.

        In the order of ``classes`` that are the names of the folders, else in
        that of the names.
        """
        found = sorted(
            entry.name for entry in os.scandir(self.root) if entry.is_dir()
        )
        classes = list(self.source.built.CLASSES or ())
        return classes if sorted(classes) == found else found

    def samples(self) -> Iterator[_Sample]:
        for label, name in enumerate(self.names):
            for path in self._files(name):
                if self.source.built.is_valid_file(path):
                    yield _Sample(Line(0, name), path, [label])

    def _files(self, name: str) -> Iterator[str]:
        for folder, _, files in os.walk(self.root / name, followlinks=True):
            for file in files:
                if not file.startswith('.'):
                    yield os.path.join(folder, file)

    def check(self, cfg: Config) -> Iterator[Finding]:
        source = self.source
        missing = list(check_exists(self.root, source.path, 'data_prefix'))
        yield from missing
        if missing:
            return
        hidden = [name for name in self.names if name.startswith('.')]
        if hidden:
            yield self._finding(
                f'{self.root} has the hidden folder {told(hidden)}, which '
                'is read as a class, before the others',
                'delete it',
            )
        else:
            yield from self._check_any()
            yield from self._check_training(cfg)
        yield from self._check_images()

    def _finding(self, what: str, mend: str = '', **keys: Any) -> Finding:
        return Finding(what, mend, str(self.root), self.source.path, **keys)

    def _check_any(self) -> Iterator[Finding]:
        if not self.names:
            if self._loose():
                what = 'no folders of classes, only images'
                mend = 'give each class a folder, or name a list (ann_file)'
                node = self.source.data_set.node
                if node.get('split'):
                    # mmpretrain's ImageNet finds this one by itself.
                    place = Path(node.get('data_root') or '', 'meta')
                    mend = (
                        'give each class a folder, or write NAME LABEL for '
                        f'each image into {place / node["split"]}.txt'
                    )
            else:
                what, mend = 'no images', 'put the data set there'
            yield self._finding(f'{self.root} has {what}', mend)

    def _trains(self) -> bool:
        return self.source.data_set.phase == 'train'

    def _check_training(self, cfg: Config) -> Iterator[Finding]:
        """Folders other than those of the training get other numbers."""
        if self._trains() or self.source.built.CLASSES is not None:
            return
        for other in data_sets(cfg, ('train',)):
            if other.read_by != 'CustomDataset' or _elsewhere(other):
                continue
            train = _Folders(_Source(other, None, False, ()))
            if train.source.built.ann_file or not train.root.is_dir():
                continue
            if train.names != self.names and not train.source.built.CLASSES:
                lacks = [n for n in train.names if n not in self.names]
                more = [n for n in self.names if n not in train.names]
                parts = [f'lacks {told(lacks)}'] if lacks else []
                parts += [f'has {told(more)} besides'] if more else []
                yield self._finding(
                    f'{self.root} {" and ".join(parts)}, so its folders have '
                    f'other numbers than those of {train.root}',
                    'make the folders the same, empty ones too, or name the '
                    'classes (classes)',
                )

    def _loose(self) -> list[str]:
        """Images beside the folders, which are not read."""
        return sorted(
            entry.name
            for entry in os.scandir(self.root)
            if entry.is_file() and entry.name.lower().endswith(IMAGES)
        )

    def _check_images(self) -> Iterator[Finding]:
        empty, others = [], Counter()
        example = ''
        for name in self.names:
            valid = False
            for path in self._files(name):
                if self.source.built.is_valid_file(path):
                    valid = True
                elif path.lower().endswith(IMAGES):
                    example = example or path
                    others[os.path.splitext(path)[1]] += 1
            if not valid and not name.startswith('.'):
                empty.append(name)
        if self.names and len(empty) == len(self.names):
            yield self._finding(
                f'{self.root} has no image in any of its {len(empty)} '
                'folders'
                + (f', only files such as {example}' if example else ''),
                f'the suffixes that are read: {self._suffixes()}',
            )
            return
        if empty:
            yield self._finding(
                f'{self.root} has no image in the folder {told(empty)}',
                'a class without images is never learnt'
                if self._trains()
                else '',
                level='warning' if self._trains() else 'note',
            )
        if others:
            yield self._finding(
                f'{self.root} has images that are not read '
                f'({sum(others.values())}: {", ".join(sorted(others))}), '
                f'such as {example}',
                f'set {self.source.path}.extensions; it has '
                f'{self._suffixes()}',
                level='warning',
            )
        loose = self._loose() if self.names else []
        if loose:
            yield self._finding(
                f'{self.root} has images beside the folders of classes, which '
                f'are not read ({len(loose)}): {told(loose)}',
                level='warning',
            )

    def _suffixes(self) -> str:
        return ', '.join(sorted(self.source.built.extensions))


def _read_json(file: Path) -> dict:
    with file.open(encoding='utf-8') as stream:
        return json.load(stream)


def _entries(source: _Source, content: dict) -> Iterator[_Sample]:
    for index, entry in enumerate(content['data_list']):
        label = entry.get('gt_label', [])
        labels = label if isinstance(label, list) else [label]
        path = os.path.join(source.built.img_prefix, entry['img_path'])
        yield _Sample(Line(index, ''), path, labels)


def _check_json(source: _Source) -> Iterator[Finding]:
    """A file of OpenMMLab's JSON form."""
    file = source.file
    missing = list(check_exists(file, source.path, 'ann_file'))
    yield from missing
    if missing or file.suffix != '.json':
        return

    def finding(what: str, mend: str = '', entry: str = '') -> Finding:
        return Finding(f'{file}{what}', mend, str(file), entry)

    try:
        content = _read_json(file)
    except UnicodeDecodeError:
        yield finding(' is not UTF-8', 'save it as UTF-8')
        return
    except json.JSONDecodeError as error:
        yield finding(
            f', line {error.lineno}: it is not JSON, or cut off ({error.msg})',
            entry=f'line {error.lineno}',
        )
        return
    lacks = [
        key
        for key in ('metainfo', 'data_list')
        if not isinstance(content, dict) or key not in content
    ]
    if lacks:
        yield finding(
            f" has no {' and no '.join(lacks)}: it is not of OpenMMLab's form"
        )
        return
    faults: dict[str, list[tuple[int, str]]] = {}
    for index, entry in enumerate(content['data_list']):
        for kind, what in _entry_faults(source, entry):
            faults.setdefault(kind, []).append((index, what))
    unlabelled = faults.get('unlabelled', [])
    number = len(content['data_list'])
    if not number:
        yield finding(' has no images: its data_list is empty')
    if number and len(unlabelled) == number:
        del faults['unlabelled']
        yield from source.check_used(f'{file}, data_list[0]', number)
    elif not source.needs_labels:
        faults.pop('unlabelled', None)
    for of_kind in faults.values():
        index, what = of_kind[0]
        more = ''
        if of_kind[1:]:
            others = told([str(i) for i, _ in of_kind[1:]])
            more = f'; {len(of_kind) - 1} more such entries: {others}'
        yield finding(
            f', data_list[{index}]: {what}{more}', '', f'data_list[{index}]'
        )
    names = source.names_of(content)
    if names and source.head and len(names) != source.head:
        yield Finding(
            f'{file} names {len(names)} classes, and the model has '
            f'{source.head}',
            'set model.head.num_classes to their number',
            str(file),
            'metainfo.classes',
            'warning',
        )
    if not {'form', 'path'} & set(faults):
        yield from _check_json_files(source, content)


def _entry_faults(source: _Source, entry: Any) -> Iterator[tuple[str, str]]:
    if not isinstance(entry, dict):
        yield 'form', f'it is {entry!r:.40}, and no dict'
        return
    if not isinstance(entry.get('img_path'), str):
        yield 'path', 'it has no img_path'
    label = entry.get('gt_label')
    if label is None:
        yield 'unlabelled', 'it has no gt_label'
        return
    labels = label if isinstance(label, list) else [label]
    for value in labels:
        if isinstance(value, bool) or not isinstance(value, int):
            yield 'type', f'its gt_label {label!r:.40} is not of whole numbers'
            return
    wrong = [
        value
        for value in labels
        if value < 0 or (source.num_classes and value >= source.num_classes)
    ]
    if wrong:
        most = f' to {source.num_classes - 1}' if source.num_classes else ' on'
        yield 'range', f'its gt_label has {wrong[0]}: labels are 0{most}'


def _check_json_files(source: _Source, content: dict) -> Iterator[Finding]:
    paths = [sample.path for sample in _entries(source, content)]
    missing = missing_files(list(dict.fromkeys(paths)), 'images')
    if missing:
        index = paths.index(missing[0])
        more = (
            f'; {len(missing) - 1} more do not exist: {told(missing[1:])}'
            if missing[1:]
            else ''
        )
        yield Finding(
            f'{source.file}, data_list[{index}]: {missing[0]} does not '
            f'exist{more}',
            f'put the files there, or set {source.path}.data_root and '
            'data_prefix',
            str(source.file),
            f'data_list[{index}]',
        )
