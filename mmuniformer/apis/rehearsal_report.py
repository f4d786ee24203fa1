"""What a training on many processes would do, as a table and as JSON."""

import json
import sys
from typing import Any

from rich.console import Console
from rich.table import Table

from mmuniformer.analysis.memory import Memory
from mmuniformer.apis.rehearsing import Plan, dry_run
from mmuniformer.engine.rehearsal import PUBLISHED
from mmuniformer.errors import UserError

GIB = 2**30
# Learning rates that are told.
FEW = 3


def report_on_dry_run(format: str = 'table', **arguments: Any) -> None:
    """Prints a :func:`dry_run`.

    Args:
        format (str): 'table' or 'json'.
        arguments (Any): Those of :func:`dry_run`.

    Raises:
        UserError: If there is an error among the findings, after they are
            told; see :func:`dry_run` also.
    """
    plan = dry_run(**arguments)
    if format == 'json':
        sys.stdout.write(json.dumps(plan.to_dict(), indent=2) + '\n')
    else:
        _print(plan)
    errors = [f for f in plan.findings if f.level == 'error']
    if errors:
        raise UserError(f'{plan.config}: this run would fail: {errors[0]}')


def _print(plan: Plan) -> None:
    console = Console(highlight=False)
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column(justify='right', no_wrap=True)
    table.add_column()
    for row in _counts(plan):
        table.add_row(*row)
    if plan.memory is not None:
        table.add_row()
        for name, size, told in _memory(plan, plan.memory):
            table.add_row(name, f'{size / GIB:.2f} GiB', told)
    console.print(table)
    for finding in plan.findings:
        console.print(
            f'{finding.level}: {finding}', markup=False, soft_wrap=True
        )


def _counts(plan: Plan) -> list[tuple[str, str, str]]:
    """Name, number and remark of each line."""
    run = plan.run
    parts = f'{run.world_size} x {run.batch_size}'
    if run.accumulated > 1:
        parts += f' x {run.accumulated} accumulated'
    rates = ', '.join(f'{rate:g}' for rate in run.rates[:FEW])
    rates += ', ...' if len(run.rates) > FEW else ''
    scaled = '' if run.scale == 1 else f"the config's x {run.scale:g}"
    origin = 'published; the files are not here'
    lines = [
        ('global batch', _number(run.global_batch), parts),
        ('learning rate', rates, scaled),
        (
            'training samples',
            _number(run.samples),
            origin if run.source == PUBLISHED else run.source,
        ),
        ('iterations an epoch', _number(run.epoch), ''),
        ('epochs', _number(run.epochs), ''),
        ('iterations', _number(run.passes), ''),
    ]
    if run.accumulated > 1:
        lines.append(('steps of the optimizer', _number(run.steps), ''))
    kept = '' if run.kept is None else f'{run.kept} of them kept'
    return [
        *lines,
        ('validations', _number(run.validations), ''),
        ('checkpoints', _number(run.checkpoints), kept),
    ]


def _memory(plan: Plan, memory: Memory) -> list[tuple[str, int, str]]:
    """Name, bytes and remark of each line."""
    size = ' x '.join(map(str, plan.input_shape))
    told = f'{plan.run.batch_size} of {size}, {plan.precision}'
    if memory.recomputed:
        told += ', in part computed again'
    return [
        ('parameters and buffers', memory.parameters, ''),
        ('gradients', memory.gradients, ''),
        ('gradients as sent', memory.buckets, ''),
        ('optimizer', memory.optimizer, ''),
        ('averaged weights', memory.average, ''),
        ('activations', memory.activations + memory.recomputed, told),
        ('memory of a process', memory.total, 'and what kernels need'),
    ]


def _number(value: float | None) -> str:
    if value is None:
        return 'not known'
    return f'{value:.1f}' if value % 1 else f'{value:.0f}'
