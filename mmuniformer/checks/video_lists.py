"""Lists of videos (action recognition)."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from mmengine.config import Config

from mmuniformer.checks.class_lists import head_classes
from mmuniformer.checks.files import check_exists
from mmuniformer.checks.finding import Finding
from mmuniformer.nodes import type_name, walk

# Data sets of mmaction2 whose annotations are lines of text.
LISTS = ('VideoDataset', 'RawframeDataset', 'RepeatAugDataset')


def check_video_lists(
    cfg: Config, phases: Collection[str]
) -> Iterator[Finding]:
    """Looks at every line of the lists of a config of mmaction2.

    mmaction2 takes any label: one that is too large fails in the loss, on a
    GPU with an assertion that names nothing, or counts wrong in an
    evaluation.

    Args:
        cfg (Config): Only a config of mmaction2 is looked at.
        phases (Collection[str]): Of 'train', 'val' and 'test', those whose
            data are read.
    """
    if cfg.get('default_scope') != 'mmaction':
        return
    num_classes = head_classes(cfg)
    for phase in phases:
        place = f'{phase}_dataloader'
        for path, dataset in walk(cfg.get(place), place):
            if type_name(dataset) not in LISTS:
                continue
            if '://' in str(dataset['ann_file']):
                continue
            missing = list(_check_places(path, dataset))
            yield from missing
            if missing:
                continue
            lines = _read(dataset)
            if path == f'{place}.dataset':
                yield from _check_batch(place, cfg[place], len(lines))
            for number, line in enumerate(lines, 1):
                yield from _check_line(
                    _Line(_ann_file(dataset), number, line.strip()),
                    dataset,
                    num_classes,
                    needs_label=phase != 'test',
                )


def _ann_file(dataset: dict) -> Path:
    return Path(dataset.get('data_root') or '', dataset['ann_file'])


def _read(dataset: dict) -> list[str]:
    text = _ann_file(dataset).read_text(encoding='utf-8', errors='replace')
    return text.splitlines()


def _check_places(path: str, dataset: dict) -> Iterator[Finding]:
    """Looks for the list and for the folders that its lines are below."""
    ann_file = _ann_file(dataset)
    missing = list(check_exists(ann_file, path, 'ann_file'))
    if missing:
        yield from missing
        return
    lines = _read(dataset)
    if not lines:
        yield Finding(
            f'{ann_file} is empty (set by {path}.ann_file)',
            file=str(ann_file),
            entry=f'{path}.ann_file',
        )
    elif not Path(lines[0]).is_absolute():
        root = Path(dataset.get('data_root') or '')
        for name, folder in (dataset.get('data_prefix') or {}).items():
            if folder and '://' not in str(folder):
                key = f'data_prefix.{name}'
                yield from check_exists(root / folder, path, key)


def _check_batch(place: str, loader: dict, number: int) -> Iterator[Finding]:
    """Looks whether there is a whole batch, if only whole ones are trained."""
    size = loader.get('batch_size', 1)
    if loader.get('drop_last') and 0 < number < size:
        yield Finding(
            f'{place}.batch_size is {size}, and the list has {number} videos: '
            'an epoch would have no step',
            'take a smaller batch',
            entry=f'{place}.batch_size',
        )


@dataclass(frozen=True)
class _Line:
    """A line of a list, numbered from 1."""

    file: Path
    number: int
    text: str

    def finding(self, what: str, mend: str = '') -> Finding:
        return Finding(
            f'{self.file}, line {self.number}: {self.text!r} {what}',
            mend,
            str(self.file),
            f'line {self.number}',
        )


def _check_line(
    line: _Line, dataset: dict, num_classes: int | None, needs_label: bool
) -> Iterator[Finding]:
    numbers, form, hint = 0, 'path label', ''
    delimiter = dataset.get('delimiter', ' ')
    if type_name(dataset) == 'RawframeDataset':
        delimiter, form = None, 'folder number-of-frames label'
        numbers = 1
        if dataset.get('with_offset'):
            form = f'folder first-frame {form.partition(" ")[2]}'
            numbers = 2
    else:
        form = form.replace(' ', delimiter)
        hint = 'a path with spaces needs another delimiter in the data set'
    _, *fields = line.text.split(delimiter) or ['']
    labels = fields[numbers:]
    several = len(labels) > 1 and not dataset.get('multi_class')
    digits = all(field.isdigit() for field in fields)
    if several or not digits or len(fields) < numbers:
        yield line.finding(f'is not of the form {form!r}', hint)
    elif needs_label and not labels:
        yield line.finding('has no label')
    for label in map(int, labels if digits else []):
        if num_classes is not None and label >= num_classes:
            yield line.finding(
                f'has the label {label}: the model has {num_classes} '
                f'classes, so labels are 0 to {num_classes - 1}'
            )
