"""Lists of videos, of folders of frames and of sound (action recognition)."""

import os
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mmengine.config import Config
from mmengine.utils import is_abs

from mmuniformer.checks.classes.lists import head_classes
from mmuniformer.checks.data_sets import DataSet, data_sets
from mmuniformer.checks.files import check_exists
from mmuniformer.checks.finding import Finding
from mmuniformer.checks.lists.action_boxes import READERS as BOX_READERS
from mmuniformer.checks.lists.action_boxes import check_action_boxes
from mmuniformer.checks.lists.reading import (
    SHOWN,
    Faults,
    Line,
    add_label,
    add_repeated,
    class_file,
    from_one,
    is_header,
    mend_names,
    read_list,
    whole_number,
)
from mmuniformer.checks.lists.video_files import (
    Sample,
    check_decoding,
    check_folders_of_frames,
    check_video_files,
)
from mmuniformer.checks.scoring import scoring, without_scores
from mmuniformer.checks.summary import Summary, by_name

# What mmaction2 writes for the label of a line that has none.
NO_LABEL = -1


@dataclass(frozen=True)
class _Form:
    """How a class of mmaction2 reads a line.

    Attributes:
        prefix (str): The key of ``data_prefix`` for its paths.
        fields (tuple[str, ...]): The words of a line.
        noun (str): What a line is of.
    """

    prefix: str
    fields: tuple[str, ...]
    noun: str


VIDEOS = _Form('video', ('path', 'label'), 'videos')
FRAMES = _Form(
    'img', ('folder', 'number-of-frames', 'label'), 'folders of frames'
)
SOUNDS = _Form('audio', ('path', 'number-of-frames', 'label'), 'sounds')
# By the class of mmaction2 whose `load_data_list` reads them.
FORMS = {
    'VideoDataset': VIDEOS,
    'RawframeDataset': FRAMES,
    'AudioDataset': SOUNDS,
}


def check_video_lists(
    cfg: Config, phases: Collection[str], decode: bool = False
) -> Iterator[Finding]:
    """Looks at every line of the lists of a config of mmaction2.

    mmaction2 takes any label: one that is too large fails in the loss, on a
    GPU with an assertion that names nothing, or counts wrong in an
    evaluation; one that is missing is -1, which no prediction equals.

    Args:
        cfg (Config): Its default scope is active.
        phases (Collection[str]): Of 'train', 'val' and 'test', those whose
            data are read.
        decode (bool): Whether to decode the videos as well.
    """
    seen: list[tuple] = []
    for data_set in data_sets(cfg, phases):
        if data_set.host != 'mmaction' or _elsewhere(data_set):
            continue
        # The test is often the validation once more.
        key = (data_set.kind, data_set.node, data_set.phase == 'train')
        scored = scoring(cfg, data_set.phase)
        if (key, scored) in seen:
            continue
        seen.append((key, scored))
        number = head_classes(cfg)
        if data_set.read_by in BOX_READERS:
            yield from check_action_boxes(data_set)
        elif data_set.read_by in FORMS:
            yield from _List(data_set, number, scored).check(cfg, decode)


def summary(data_set: DataSet) -> Summary | None:
    """What is in a list of videos; None if it is not one that can be read."""
    if (
        data_set.host != 'mmaction'
        or data_set.read_by not in FORMS
        or data_set.ann_file is None
        or not data_set.ann_file.is_file()
    ):
        return None
    read = _List(data_set, None, ())
    lines, _ = read_list(read.file)
    samples = list(read.samples(lines, Faults(read.file)))
    counts = Counter(
        label
        for sample in samples
        for label in sample.labels
        if label != NO_LABEL
    )
    names = data_set.metainfo.get('classes') or []
    return Summary(
        data_set.path,
        data_set.phase,
        unit='clips',
        samples=len(samples),
        classes=by_name(counts, names),
        files=[Path(path) for path in dict.fromkeys(s.path for s in samples)],
    )


def _elsewhere(data_set: DataSet) -> bool:
    """Whether the list is not on this machine's disk."""
    root = data_set.node.get('data_root')
    return data_set.ann_file is None or '://' in str(root or '')


class _List:
    """The list of a data set and what its lines have to be.

    Args:
        data_set (DataSet): Of a class of :data:`FORMS`.
        num_classes (int, optional): That of the model's head.
        scored (Sequence[str]): The metrics that need labels.
    """

    def __init__(
        self,
        data_set: DataSet,
        num_classes: int | None,
        scored: Sequence[str],
    ) -> None:
        self.data_set = data_set
        self.node = data_set.node
        self.form = FORMS[data_set.read_by]
        self.file = data_set.ann_file
        self.scored = scored
        self.several = bool(self.node.get('multi_class'))
        self.classes = data_set.metainfo.get('classes')
        self.num_classes = num_classes
        if num_classes is None:
            own = self.node.get('num_classes') if self.several else None
            self.num_classes = own or (self.classes and len(self.classes))
        prefix = (self.node.get('data_prefix') or {}).get(self.form.prefix)
        self.folder = str(data_set.below_root(prefix or ''))
        self.delimiter = (
            self.node.get('delimiter', ' ') if self.form is VIDEOS else None
        )
        self.fields = list(self.form.fields)
        if self.form is FRAMES and self.node.get('with_offset'):
            self.fields.insert(1, 'first-frame')

    def check(self, cfg: Config, decode: bool) -> Iterator[Finding]:
        path = self.data_set.path
        missing = list(check_exists(self.file, path, 'ann_file'))
        yield from missing
        if missing:
            return
        lines, wrong = read_list(self.file)
        yield from wrong
        if not lines:
            if not wrong:
                yield Finding(
                    f'{self.file} is empty (set by {path}.ann_file)',
                    file=str(self.file),
                    entry=f'{path}.ann_file',
                )
            return
        if is_header(lines[0]) and 'youtube_id' in lines[0].text:
            yield Finding(
                f'{self.file} is the table that Kinetics comes with, and no '
                'list of files',
                f'write {" ".join(self.fields)!r} for each clip that you have '
                '(docs/video.md)',
                file=str(self.file),
                entry='line 1',
            )
            return
        missing = list(self._check_folder(lines))
        yield from missing
        yield from self._check_batch(cfg, len(lines))
        yield from self._check_several(cfg)
        faults = Faults(self.file)
        samples = list(self.samples(lines, faults))
        unlabelled = [s for s in samples if not self._labelled(s)]
        if len(unlabelled) == len(samples) > 0:
            yield from self._check_unlabelled(unlabelled)
            # Then the paths are not what they seem either.
            if self._other_delimiter(unlabelled[0].line.text):
                return
        else:
            self._add_labels(samples, unlabelled, faults)
        add_repeated(
            faults,
            [
                ((s.path, *s.numbers), s.labels, s.line)
                for s in samples
                if self._labelled(s)
            ],
        )
        yield from faults.findings()
        yield from self._check_from_one(samples)
        yield from self._check_class_file(samples)
        if missing or wrong or not self._on_disk():
            return
        if self.form is FRAMES:
            yield from check_folders_of_frames(self.data_set, samples, decode)
            return
        yield from check_video_files(self.data_set, samples)
        if decode and self.form is VIDEOS:
            yield from check_decoding(self.data_set, samples)

    def samples(
        self, lines: Sequence[Line], faults: Faults
    ) -> Iterator[Sample]:
        """What the lines say; those that say nothing become faults."""
        form = (self.delimiter or ' ').join(self.fields)
        for line in lines:
            words = line.text.strip().split(self.delimiter)
            if not line.text.strip():
                what = 'is an empty line'
                if self.form is VIDEOS:
                    what += ', which has no label'
                faults.add('empty', line, what, 'take it off the list')
                continue
            path, *others = words
            if not others and is_header(line):
                self._add_header(line, faults)
                continue
            numbers = [whole_number(word) for word in others]
            counted = len(self.fields) - 2
            labels = numbers[counted:]
            if len(others) < counted or (len(labels) > 1 and not self.several):
                self._add_form(line, words, form, faults)
            elif None in numbers:
                self._add_words(line, words, counted, form, faults)
            else:
                sample = Sample(
                    line,
                    os.path.join(self.folder, path),
                    numbers[:counted],
                    labels,
                )
                yield from self._sound(sample, faults)

    def _sound(self, sample: Sample, faults: Faults) -> Iterator[Sample]:
        if sample.numbers and sample.numbers[-1] < 1:
            faults.add(
                'frames',
                sample.line,
                f'has {sample.numbers[-1]} frames',
                'a list names folders that have some',
            )
        elif any(number < 0 for number in sample.numbers):
            faults.add(
                'first frame',
                sample.line,
                f'begins at frame {sample.numbers[0]}, before the first',
            )
        else:
            yield sample

    def _add_form(
        self, line: Line, words: list[str], form: str, faults: Faults
    ) -> None:
        if is_header(line):
            self._add_header(line, faults)
            return
        mend = self._other_delimiter(line.text)
        if not mend and self.form is VIDEOS:
            mend = 'a path with spaces needs another delimiter in the data set'
        faults.add('form', line, f'is not of the form {form!r}', mend)

    def _add_words(
        self,
        line: Line,
        words: list[str],
        counted: int,
        form: str,
        faults: Faults,
    ) -> None:
        """A line with a word that is no whole number."""
        if is_header(line):
            self._add_header(line, faults)
            return
        numbers = words[1 : counted + 1]
        labels = words[counted + 1 :]
        if any(whole_number(word) is None for word in numbers):
            self._add_form(line, words, form, faults)
        elif any(_is_float(word) for word in labels):
            faults.add(
                'float',
                line,
                f'is not of the form {form!r}: a label is a whole number',
            )
        else:
            names = [w for w in labels if whole_number(w) is None]
            if '' in names or self._other_delimiter(line.text):
                self._add_form(line, words, form, faults)
                return
            faults.add(
                'name',
                line,
                f'is not of the form {form!r}: it has the name {names[0]!r} '
                'where the number of a class belongs',
                mend_names(names, self.file, self.classes),
            )

    @staticmethod
    def _add_header(line: Line, faults: Faults) -> None:
        faults.add(
            'header',
            line,
            'is a header, which is read as a sample',
            'take the line off the list',
        )

    def _other_delimiter(self, text: str) -> str:
        """What to set if a line has another delimiter than the data set."""
        if self.form is not VIDEOS:
            if ',' in text:
                return 'separate path and numbers by spaces, not commas'
            return ''
        for other in (',', '\t', ';', ' '):
            if other == self.delimiter:
                continue
            path, found, label = text.strip().rpartition(other)
            if found and path and whole_number(label) is not None:
                return (
                    f'the delimiter of the data set is {self.delimiter!r}: '
                    f'set {self.data_set.path}.delimiter={other!r}'
                )
        if '  ' in text.strip() and self.delimiter == ' ':
            return 'separate path and label by one space'
        return ''

    def _labelled(self, sample: Sample) -> bool:
        return bool(sample.labels) and sample.labels != [NO_LABEL]

    def _add_labels(
        self,
        samples: Sequence[Sample],
        unlabelled: Sequence[Sample],
        faults: Faults,
    ) -> None:
        """Labels that are missing, negative or too large."""
        for sample in unlabelled:
            # Of several classes none is an answer too; but of folders
            # mmaction2 writes -1, which is the last class.
            none = self.several and self.form is VIDEOS and not sample.labels
            if self._needs_labels() and not none:
                what = 'has no label'
                if sample.labels:
                    what = f'has the label {NO_LABEL}, which is none'
                faults.add(
                    'unlabelled',
                    sample.line,
                    what,
                    self._other_delimiter(sample.line.text),
                )
        labelled = [s for s in samples if self._labelled(s)]
        labels = {label for sample in labelled for label in sample.labels}
        mend = from_one(labels, self.num_classes)
        for sample in labelled:
            for label in sample.labels:
                add_label(faults, sample.line, label, self.num_classes, mend)

    def _needs_labels(self) -> bool:
        return self.data_set.phase == 'train' or bool(self.scored)

    def _check_from_one(self, samples: Sequence[Sample]) -> Iterator[Finding]:
        """Labels from 1 with a head of one class more."""
        labels = {label for sample in samples for label in sample.labels}
        if (
            self.data_set.phase == 'train'
            and not self.several
            and self.num_classes
            and self.num_classes > 2
            and labels == set(range(1, self.num_classes))
        ):
            yield Finding(
                f'{self.file} has every label of 1 to '
                f'{self.num_classes - 1} and no 0: the labels seem to count '
                'from 1',
                f'make them count from 0, with {self.num_classes - 1} classes',
                str(self.file),
                level='warning',
            )

    def _check_unlabelled(
        self, samples: Sequence[Sample]
    ) -> Iterator[Finding]:
        """A list that has no label at all."""
        if not self._needs_labels():
            return
        first = samples[0].line
        what = f'{self.file}, line {first.number}: {first.text!r} has no label'
        mend = self._other_delimiter(first.text)
        if len(samples) > 1:
            what += f', nor has any of the {len(samples)} lines'
        if self.data_set.phase == 'train':
            mend = mend or 'training needs the number of a class in each line'
        else:
            what += (
                f': {", ".join(self.scored)} would score without anything to '
                'compare with'
            )
            mend = mend or without_scores(self.data_set.phase)
        yield Finding(what, mend, str(self.file), f'line {first.number}')

    def _check_class_file(
        self, samples: Sequence[Sample]
    ) -> Iterator[Finding]:
        """Labels for which a file beside the list has no name."""
        beside = class_file(self.file)
        labels = {label for sample in samples for label in sample.labels}
        if beside is None or not labels or not self.num_classes:
            return
        number = len(beside.names)
        unnamed = sorted(x for x in labels if number <= x < self.num_classes)
        if unnamed:
            more = ', ...' if len(unnamed) > SHOWN else ''
            yield Finding(
                f'{self.file} has the labels '
                f'{", ".join(map(str, unnamed[:SHOWN]))}{more}, and '
                f'{beside.path} beside it names {number} classes, 0 to '
                f'{number - 1}',
                'one of them is of another set of classes',
                str(self.file),
                level='warning',
            )
        elif number != self.num_classes:
            yield Finding(
                f'{beside.path} names {number} classes, and the model has '
                f'{self.num_classes}',
                file=str(beside.path),
                level='note',
            )

    def _check_folder(self, lines: Sequence[Line]) -> Iterator[Finding]:
        """Looks for the folder that the lines are below."""
        key = self.form.prefix
        path = self.data_set.path
        prefix = self.node.get('data_prefix')
        if prefix is not None and key not in prefix:
            yield Finding(
                f'{path}.data_prefix has no {key!r}, the folder of the '
                f'{self.form.noun}',
                f'set {path}.data_prefix.{key}',
                entry=f'{path}.data_prefix',
            )
            return
        folder = (prefix or {}).get(key)
        first = lines[0].text.strip().split(self.delimiter) or ['']
        if not folder or '://' in str(folder) or is_abs(first[0]):
            return
        yield from check_exists(
            self.data_set.below_root(folder), path, f'data_prefix.{key}'
        )

    def _check_batch(self, cfg: Config, number: int) -> Iterator[Finding]:
        """Looks whether there is a whole batch, if only those are trained."""
        place = f'{self.data_set.phase}_dataloader'
        if self.data_set.path != f'{place}.dataset':
            return
        size = cfg[place].get('batch_size', 1)
        if cfg[place].get('drop_last') and 0 < number < size:
            yield Finding(
                f'{place}.batch_size is {size}, and the list has {number} '
                'videos: an epoch would have no step',
                'take a smaller batch',
                entry=f'{place}.batch_size',
            )

    def _check_several(self, cfg: Config) -> Iterator[Finding]:
        """Several labels a video are a vector of ``num_classes``."""
        if not self.several:
            return
        place = f'{self.data_set.path}.num_classes'
        own, model = self.node.get('num_classes'), head_classes(cfg)
        if own is None:
            yield Finding(
                f'{self.data_set.path} has multi_class=True and no '
                'num_classes',
                f'set {place} to the number of classes',
                entry=place,
            )
        elif model is not None and own != model:
            yield Finding(
                f'{place} is {own}, and model.cls_head.num_classes is {model}',
                'set both to the number of classes in the lists',
                entry=place,
            )

    def _on_disk(self) -> bool:
        """Whether the files are read from this machine's disk."""
        prefix = (self.node.get('data_prefix') or {}).get(self.form.prefix)
        return '://' not in str(prefix or '') and all(
            transform.get('io_backend', 'disk') in ('disk', 'local')
            for transform in self.node.get('pipeline') or []
            if isinstance(transform, dict)
        )


def _is_float(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True
