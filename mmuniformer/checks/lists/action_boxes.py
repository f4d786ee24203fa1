"""Boxes of people and what they do (AVA, AVA-Kinetics)."""

import math
from collections.abc import Iterator
from pathlib import Path

from mmuniformer.checks.data_sets import DataSet
from mmuniformer.checks.files import check_exists
from mmuniformer.checks.finding import Finding
from mmuniformer.checks.lists.reading import (
    Faults,
    Line,
    is_header,
    read_list,
    whole_number,
)

# Classes of mmaction2 that read lines of AVA.
READERS = ('AVADataset', 'AVAKineticsDataset')
FORM = 'video,time,x1,y1,x2,y2,label,person'
FILES = ('exclude_file', 'proposal_file')


def check_action_boxes(data_set: DataSet) -> Iterator[Finding]:
    """Looks at every line of a file of AVA's form.

    Args:
        data_set (DataSet): Of a class of :data:`READERS`.
    """
    path, file = data_set.path, data_set.ann_file
    missing = list(check_exists(file, path, 'ann_file'))
    for key in FILES:
        # mmaction2 takes these as they are, not below `data_root`.
        place = data_set.node.get(key)
        if place and '://' not in str(place):
            missing += check_exists(Path(place), path, key)
    yield from missing
    if missing:
        return
    lines, wrong = read_list(file)
    yield from wrong
    if not lines and not wrong:
        yield Finding(
            f'{file} is empty (set by {path}.ann_file)',
            file=str(file),
            entry=f'{path}.ann_file',
        )
    faults = Faults(file)
    custom = data_set.node.get('custom_classes')
    # A choice of classes drops the labels of the others.
    number = None if custom else data_set.node.get('num_classes', 81)
    for line in lines:
        _check_line(line, number, faults)
    yield from faults.findings()


def _check_line(line: Line, num_classes: int | None, faults: Faults) -> None:
    words = line.text.strip().split(',')
    if is_header(line):
        faults.add('header', line, 'is a header', 'take the line off the file')
        return
    if len(words) < 8 or any(
        whole_number(words[index]) is None for index in (1, 6, 7)
    ):
        faults.add('form', line, f'is not of the form {FORM!r}')
        return
    try:
        x1, y1, x2, y2 = box = [float(word) for word in words[2:6]]
    except ValueError:
        faults.add('form', line, f'is not of the form {FORM!r}')
        return
    if not all(map(math.isfinite, box)):
        faults.add('nan', line, 'has a box that is not of numbers')
    elif max(box) > 2:
        faults.add(
            'pixels',
            line,
            'has a box in pixels: corners are parts of width and height',
            'divide them by the width and height of the video',
        )
    elif x2 <= x1 or y2 <= y1:
        faults.add('empty box', line, 'has an empty box', level='warning')
    label = int(words[6])
    if label < 0 or (num_classes is not None and label >= num_classes):
        most = '' if num_classes is None else f' to {num_classes - 1}'
        faults.add('label', line, f'has the label {label}: labels are 0{most}')
