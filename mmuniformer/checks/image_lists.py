"""Lists of images with a label each (classification)."""

from collections.abc import Iterator, Sequence

from mmengine.config import Config

from mmuniformer.checks.class_lists import model_of
from mmuniformer.checks.data_sets import DataSet
from mmuniformer.checks.finding import Finding


def check_image_lists(
    cfg: Config, sets: Sequence[DataSet]
) -> Iterator[Finding]:
    """Looks at the labels in lists of mmpretrain's CustomDataset.

    A label that is too large fails in the loss, on a GPU with an assertion
    that names nothing.

    Args:
        cfg (Config): Its default scope is active.
        sets (Sequence[DataSet]): Data sets of any library.
    """
    head = model_of(cfg).get('head')
    number = head.get('num_classes') if isinstance(head, dict) else None
    for data_set in sets:
        reads = data_set.kind.load_data_list.__module__
        if reads == 'mmpretrain.datasets.custom' and (
            data_set.node.get('with_label', True)
        ):
            yield from _check_list(data_set, number)


def _check_list(data_set: DataSet, number: int | None) -> Iterator[Finding]:
    file = data_set.ann_file
    if file is None or not file.is_file():
        return
    formless, outside = [], []
    lines = file.read_text(encoding='utf-8').split('\n')
    # The library does not take what follows the last line for one.
    for index, line in enumerate(lines[:-1] if not lines[-1] else lines, 1):
        _, _, label = line.strip().rpartition(' ')
        if not label.removeprefix('-').isdigit() or ' ' not in line.strip():
            formless.append((index, line))
        elif number is not None and not 0 <= int(label) < number:
            outside.append((index, line))
    for wrong, what in (
        (formless, "not of the form 'path label', the label a number"),
        (outside, f'with a label that is not in 0 to {(number or 0) - 1}: '
                  f'model.head.num_classes is {number}'),
    ):  # fmt: skip
        if wrong:
            index, line = wrong[0]
            yield Finding(
                f'{file} has {len(wrong)} of {len(lines)} lines {what}; the '
                f'first is line {index}, {line!r}',
                'count labels from 0' if wrong is outside else '',
                file=str(file),
                entry=f'line {index}',
            )
