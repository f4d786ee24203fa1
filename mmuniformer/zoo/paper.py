"""The figures of the paper's tables."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from mmuniformer.zoo.catalogue import Experiment, read
from mmuniformer.zoo.names import find_experiment

FILE = Path(__file__).with_name('paper_tables.yml')


@dataclass(frozen=True)
class PaperRow:
    """One row.

    Args:
        values (dict): Cells by column, None where nothing is printed.
        is_uniformer (bool): Whether it is of UniFormer, not of a competitor.
        experiments (tuple[Experiment]): What has its configs.
        unsure (tuple[str]): Columns that could not be read, and are taken
            from what stands around them.
        note (str, optional): What seems wrong in it.
    """

    values: dict[str, Any]
    is_uniformer: bool
    experiments: tuple[Experiment, ...] = ()
    unsure: tuple[str, ...] = ()
    note: str | None = None


@dataclass(frozen=True)
class PaperTable:
    """One table.

    Args:
        number (int): As printed.
        title (str): What it is of.
        about (str): What is to be known of its rows.
        rows (tuple[PaperRow]): Its rows.
        views (str, optional): Frames x crops x clips of the accuracies,
            where no column has them.
    """

    number: int
    title: str
    about: str
    rows: tuple[PaperRow, ...]
    views: str | None = None


@cache
def paper_tables() -> tuple[PaperTable, ...]:
    """The 23 tables of the paper."""
    return tuple(
        PaperTable(**{**table, 'rows': tuple(map(_row, table['rows']))})
        for table in read(FILE)
    )


def _row(cells: dict[str, Any]) -> PaperRow:
    values = dict(cells)
    names = values.pop('ours', None)
    found = [find_experiment(name) for name in names or ()]
    return PaperRow(
        is_uniformer=names is not None,
        experiments=tuple(e for e in found if e is not None),
        unsure=tuple(values.pop('unsure', ())),
        note=values.pop('note', None),
        values=values,
    )
