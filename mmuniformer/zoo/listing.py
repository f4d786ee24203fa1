"""What the catalogue has, as tables and as cards of models."""

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from mmuniformer.errors import UserError
from mmuniformer.zoo.catalogue import Experiment, Weights, experiments
from mmuniformer.zoo.names import find, find_experiment, hint

TASKS = ('classification', 'detection', 'segmentation', 'pose', 'video')
UNKNOWN = 'unknown'
OFFICIAL = 'https://github.com/Sense-X/UniFormer'
PAPER = 'https://arxiv.org/abs/2201.09450'
CLASS_ORDERS = {
    'imagenet': 'the sorted names of ImageNet folders',
    'mmdet': "mmdet's list",
    'mmseg': "mmseg's list",
    'mmaction2': "mmaction2's lists",
    'official': 'the lists of the official release, which for Kinetics-400 '
    "are not in the order of mmaction2's",
}


def list_weights(
    task: str | None = None, table: int | None = None, form: str = 'table'
) -> None:
    """Prints what was published.

    Args:
        task (str, optional): One of :data:`TASKS`.
        table (int, optional): A table of the paper that the model is in.
        form (str): 'table', or 'json' with all that is known.

    Raises:
        UserError: If no model is in that table.
    """
    found = [
        experiment
        for experiment in experiments()
        if task in (None, experiment.task)
        and table in (None, (experiment.paper or {}).get('table'))
    ]
    if not found:
        raise UserError(_no_such_table(task, table))
    if form == 'json':
        text = json.dumps([_plain(e) for e in found], indent=2)
        sys.stdout.write(f'{text}\n')
        return
    shown = Table(box=box.SIMPLE_HEAD)
    for column in ('Name', 'Data', 'Arch', 'Published', 'Table', 'Place'):
        shown.add_column(column, overflow='fold')
    for experiment in found:
        shown.add_row(*_row(experiment))
    console = Console()
    # Rows are cut by nothing where they go into a file.
    if not console.is_terminal:
        console.width = 160
    console.print(shown)


def _no_such_table(task: str | None, table: int | None) -> str:
    tables = {
        (experiment.paper or {}).get('table')
        for experiment in experiments()
        if task in (None, experiment.task)
    } - {None}
    of = f' of {task}' if task else ''
    return (
        f'Table {table} of the paper has no published model{of}; those that '
        f'have are {", ".join(map(str, sorted(tables)))}'
    )


def model_card(name: str) -> str:
    """All that is known of a model, in Markdown.

    Args:
        name (str): What :func:`mmuniformer.zoo.find` takes.

    Raises:
        UserError: If nothing has that name.
    """
    experiment = find_experiment(name)
    if experiment is None:
        raise UserError(f'{name} is not in the catalogue{_hint(name)}')
    return '\n'.join(_card(experiment)) + '\n'


def show_card(name: str, form: str = 'markdown') -> None:
    """Prints all that is known of a model.

    Args:
        name (str): What :func:`mmuniformer.zoo.find` takes.
        form (str): 'markdown' or 'json'.

    Raises:
        UserError: If nothing has that name.
    """
    text = model_card(name)
    if form == 'json':
        text = json.dumps(_plain(find_experiment(name)), indent=2) + '\n'
    sys.stdout.write(text)


def find_weights(name: str) -> Weights:
    """The published file that a name stands for.

    Args:
        name (str): What :func:`mmuniformer.zoo.find` takes.

    Raises:
        UserError: If nothing has that name.
    """
    found = find(name)
    if found is None:
        raise UserError(f'{name} is not among the weights{_hint(name)}')
    return found


def _hint(name: str) -> str:
    return hint(name) or '; `mmuniformer zoo list` shows what there is'


def _plain(experiment: Experiment) -> dict[str, Any]:
    values = asdict(experiment)
    for plain, file in zip(values['weights'], experiment.weights, strict=True):
        plain['kept_as'] = file.kept_as
    return values


def _row(experiment: Experiment) -> Iterator[str]:
    yield experiment.name
    result = experiment.results[0]
    yield result.dataset
    yield f'{experiment.arch} ({experiment.head_dim})'
    metric, value = next(iter(result.metrics.items()))
    yield f'{metric} {value}'
    yield str((experiment.paper or {}).get('table', '-'))
    yield (
        ', '.join(dict.fromkeys(file.place for file in experiment.weights))
        or 'none'
    )


def _card(experiment: Experiment) -> Iterator[str]:
    yield f'# {experiment.name}'
    yield ''
    yield (
        f'UniFormer ([paper]({PAPER}), [official release]({OFFICIAL})), '
        f'{experiment.task}. What is not known is said to be; nothing here '
        'was measured by mmuniformer.'
    )
    yield ''
    facts = {
        'Official id': experiment.id and f'`{experiment.id}`',
        'Derived from': experiment.derived_from
        and f'`{experiment.derived_from}`: {", ".join(experiment.changed)}',
        'Config': f'`{experiment.config}`',
        'Architecture': experiment.arch,
        'Channels of an attention head': experiment.head_dim,
        'Parameters, published': _number(experiment.parameters),
        'FLOPs, published': _number(experiment.flops),
        'Note on the FLOPs': experiment.flops_note,
        'Views (frames x crops x clips)': experiment.views,
        'Row of the paper': _row_of_paper(experiment.paper),
        'Batch size': experiment.batch_size,
        'Epochs': experiment.epochs,
        'Iterations': experiment.iterations,
    }
    optional = ('Official id', 'Derived from', 'Epochs', 'Iterations')
    optional += ('Views (frames x crops x clips)', 'Note on the FLOPs')
    yield from _table(
        ('', ''),
        (
            (key, UNKNOWN if value is None else value)
            for key, value in facts.items()
            if value is not None or key not in optional
        ),
    )
    yield '## Published results'
    yield ''
    rows = [
        (result.dataset, metric, value)
        for result in experiment.results
        for metric, value in result.metrics.items()
    ]
    yield from _table(('Data', 'Metric', 'Value'), rows)
    yield '## Weights'
    yield ''
    files = experiment.weights
    if experiment.weights_of:
        yield f'Those of `{experiment.weights_of}`.'
        yield ''
    elif not files:
        yield 'None were published.'
        yield ''
    for file in files:
        yield f'### {file.name}'
        yield ''
        yield from _table(('', ''), _about(file))
    if files:
        yield f'`mmuniformer zoo get {experiment.name}` gets the first one.'


def _about(file: Weights) -> Iterator[tuple[str, str]]:
    yield 'Place', file.place
    yield 'Address', file.url or f'{UNKNOWN} (repository {file.repo})'
    published = file.file or f'{UNKNOWN}; kept here as {file.kept_as}'
    yield 'File', published
    yield 'Bytes', UNKNOWN if file.size is None else f'{file.size:,}'
    by = '' if file.digest_by is None else f', by {file.digest_by}'
    if file.sha256:
        begins = '' if len(file.sha256) == 64 else 'begins with '
        yield 'SHA-256', f'{begins}{file.sha256}{by}'
    elif file.md5:
        yield 'SHA-256', UNKNOWN
        yield 'MD5', file.md5 + by
    else:
        yield 'SHA-256', UNKNOWN
    yield 'Licence', file.licence or UNKNOWN
    if file.class_order:
        yield 'Order of classes', CLASS_ORDERS[file.class_order]
    if file.measured_by_host:
        metrics = file.measured_by_host.items()
        told = ', '.join(f'{metric} {value}' for metric, value in metrics)
        yield 'Measured by its host', told
    if file.note:
        yield 'Note', file.note


def _table(head: tuple[str, ...], rows: Any) -> Iterator[str]:
    yield f'| {" | ".join(head)} |'
    yield f'| {" | ".join([":--"] * len(head))} |'
    for row in rows:
        yield f'| {" | ".join(str(cell) for cell in row)} |'
    yield ''


def _row_of_paper(paper: dict[str, Any] | None) -> str | None:
    if paper is None:
        return None
    rest = [str(value) for key, value in paper.items() if key != 'table']
    return f'Table {paper["table"]}: {", ".join(rest)}'


def _number(value: int | None) -> str | None:
    return None if value is None else f'{value:,}'
