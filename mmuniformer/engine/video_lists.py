"""Checking lists of videos before a run starts to read them."""

from pathlib import Path

from mmengine.config import Config

from mmuniformer.errors import UserError
from mmuniformer.nodes import walk

# Data sets of mmaction2 whose annotations are lines of text.
LISTS = ('VideoDataset', 'RawframeDataset', 'RepeatAugDataset')


def check_video_lists(cfg: Config, phases: tuple[str, ...]) -> None:
    """Reads every line of the lists of a config of mmaction2.

    mmaction2 takes any label: one that is too large fails in the loss, on a
    GPU with an assertion that names nothing, or counts wrong in an
    evaluation.

    Args:
        cfg (Config): Only a config of mmaction2 is looked at.
        phases (tuple[str, ...]): Of 'train', 'val' and 'test', those that the
            run reads.

    Raises:
        UserError: Naming the file and the line, or the key of a file or
            folder that is missing.
    """
    if cfg.get('default_scope') != 'mmaction':
        return
    num_classes = _num_classes(cfg)
    for phase in phases:
        place = f'{phase}_dataloader'
        for path, dataset in walk(cfg.get(place), place):
            kind = dataset.get('type', '')
            kind = getattr(kind, '__name__', str(kind)).split('.')[-1]
            if kind not in LISTS:
                continue
            lines = _read(path, dataset)
            if path == f'{place}.dataset':
                _check_batch(place, cfg[place], len(lines))
            for place_of_line, line in lines:
                labels = _labels(place_of_line, line, dataset, kind)
                if phase != 'test' and not labels:
                    raise UserError(f'{place_of_line} has no label')
                _check_range(place_of_line, labels, num_classes)


def _num_classes(cfg: Config) -> int | None:
    """Number of classes of the head, which its blending has to share."""
    model = cfg.get('model') or {}
    model = model.get('module', model)
    number = (model.get('cls_head') or {}).get('num_classes')
    blending = (model.get('data_preprocessor') or {}).get('blending')
    for path, node in walk(blending, 'blending'):
        if number is not None and node.get('num_classes', number) != number:
            raise UserError(
                f'model.cls_head.num_classes is {number}, and model.data_'
                f'preprocessor.{path}.num_classes is {node.num_classes}: set '
                'both to the number of classes in the lists'
            )
    return number


def _read(path: str, dataset: dict) -> list[tuple[str, str]]:
    """Lines of a list, each after words that say where it stands."""
    root = Path(dataset.get('data_root') or '')
    ann_file = root / dataset.ann_file
    if '://' in str(dataset.ann_file):
        return []
    _check_exists(ann_file, path, 'ann_file')
    content = ann_file.read_text(encoding='utf-8', errors='replace')
    lines = content.splitlines()
    if not lines:
        raise UserError(f'{ann_file} is empty (set by {path}.ann_file)')
    if not Path(lines[0]).is_absolute():
        for name, folder in (dataset.get('data_prefix') or {}).items():
            if folder and '://' not in str(folder):
                _check_exists(root / folder, path, f'data_prefix.{name}')
    return [
        (f'{ann_file}, line {index}: {line.strip()!r}', line)
        for index, line in enumerate(lines, 1)
    ]


def _check_exists(place: Path, path: str, key: str) -> None:
    if not place.exists():
        raise UserError(
            f'{place} does not exist; put the data set there, link it, or '
            f'say where it is in the config ({path}.data_root, {path}.{key})'
        )


def _check_batch(place: str, loader: dict, number: int) -> None:
    """Raises if there is no whole batch, and only whole ones are trained."""
    size = loader.get('batch_size', 1)
    if loader.get('drop_last') and 0 < number < size:
        raise UserError(
            f'{place}.batch_size is {size}, and the list has {number} videos: '
            'an epoch would have no step; take a smaller batch'
        )


def _labels(place: str, line: str, dataset: dict, kind: str) -> list[int]:
    """The labels of a sample, of which there may be none."""
    numbers, form, hint = 0, 'path label', ''
    delimiter = dataset.get('delimiter', ' ')
    if kind == 'RawframeDataset':
        delimiter, form = None, 'folder number-of-frames label'
        numbers = 1
        if dataset.get('with_offset'):
            form = f'folder first-frame {form.partition(" ")[2]}'
            numbers = 2
    else:
        form = form.replace(' ', delimiter)
        hint = '; a path with spaces needs another delimiter in the data set'
    _, *fields = line.strip().split(delimiter) or ['']
    labels = fields[numbers:]
    several = len(labels) > 1 and not dataset.get('multi_class')
    digits = all(field.isdigit() for field in fields)
    if several or not digits or len(fields) < numbers:
        raise UserError(f'{place} is not of the form {form!r}{hint}')
    return [int(label) for label in labels]


def _check_range(
    place: str, labels: list[int], num_classes: int | None
) -> None:
    for label in labels:
        if num_classes is not None and label >= num_classes:
            raise UserError(
                f'{place} has the label {label}: the model has {num_classes} '
                f'classes, so labels are 0 to {num_classes - 1}'
            )
