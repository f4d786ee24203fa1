"""The numbers that a run logged, joined over its starts."""

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Record = dict[str, Any]
# Of a record, what is no curve.
PLACES = ('step', 'iter', 'epoch')
TIMES = ('time', 'data_time', 'memory')
# Of a metric's name, what says that less is better.
LESS_IS_BETTER = ('loss', 'nme', 'epe', 'error', 'mae', 'mse', 'rmse')


@dataclass
class Curves:
    """What a run logged.

    Attributes:
        train (list[Record]): Of training, by iteration (its 'step').
        val (list[Record]): Of validations, by their place (their 'step').
        by_epoch (bool): Whether the places of validations are epochs.
        damaged (int): Lines that could not be read.
    """

    train: list[Record] = field(default_factory=list)
    val: list[Record] = field(default_factory=list)
    by_epoch: bool = False
    damaged: int = 0

    def names(self, phase: str) -> list[str]:
        """Names of the numbers of 'train' or 'val', as they were logged."""
        names = {
            name: None
            for record in getattr(self, phase)
            for name, value in record.items()
            if name not in PLACES and _is_number(value)
        }
        return list(names)

    def points(self, phase: str, name: str) -> tuple[list[float], list[float]]:
        """Places and values of one curve; a value may be not a number."""
        found = [
            (record['step'], float(record[name]))
            for record in getattr(self, phase)
            if _is_number(record.get(name))
        ]
        return [place for place, _ in found], [value for _, value in found]

    def metrics(self) -> list[str]:
        """Names of the metrics of validations.

        COCO's average precision of objects that no image has is -1.
        """
        return [
            name
            for name in self.names('val')
            if name not in TIMES and set(self.points('val', name)[1]) != {-1}
        ]

    def best(self, name: str) -> tuple[float, float] | None:
        """Place and value of the best of a metric, None without any."""
        found = [
            (place, value)
            for place, value in zip(*self.points('val', name), strict=True)
            if math.isfinite(value)
        ]
        if not found:
            return None
        pick = min if less_is_better(name) else max
        return pick(found, key=lambda pair: pair[1])


def less_is_better(metric: str) -> bool:
    """Whether the least value of a metric is the best one."""
    last = metric.lower().rsplit('/', 1)[-1]
    return any(word in last for word in LESS_IS_BETTER)


def read_records(path: Path) -> tuple[list[Record], int]:
    """The records of a file of JSON lines.

    Args:
        path (Path): It may have been cut anywhere.

    Returns:
        tuple[list[Record], int]: Those that can be read, and how many lines
        cannot.
    """
    records, damaged = [], 0
    with open(path, encoding='utf-8', errors='replace') as file:
        for line in file:
            if not line.strip():
                continue
            try:
                record = json.loads(line)
            except (ValueError, RecursionError):
                record = None
            step = record.get('step') if isinstance(record, dict) else None
            if not _is_number(step) or not math.isfinite(step):
                damaged += 1
                continue
            records.append(record)
    return records, damaged


def join_starts(starts: Sequence[Sequence[Record]]) -> Curves:
    """One set of curves of a run that was ended and resumed.

    What an earlier start logged beyond the place where a later one went on
    did not become part of the model: the later one replaces it.

    Args:
        starts (Sequence[Sequence[Record]]): Records of each, in order.
    """
    joined: list[Record] = []
    for records in starts:
        first = min(
            (r['step'] for r in records if _is_training(r)), default=None
        )
        if first is not None:
            joined = list(_before(joined, first))
        joined += records
    curves = Curves(by_epoch=any('epoch' in r for r in joined))
    train, val, reached = {}, {}, 0
    for record in joined:
        if _is_training(record):
            reached = record['step']
            train[reached] = record
            continue
        place = record['step']
        if not curves.by_epoch:
            # mmengine counts validations of such a run by passes over the
            # data where nobody told it otherwise.
            place = max(place, reached)
        val[place] = record | {'step': place}
    curves.train = [train[step] for step in sorted(train)]
    curves.val = [val[place] for place in sorted(val)]
    return curves


def _before(records: Sequence[Record], step: float) -> Iterator[Record]:
    for record in records:
        if _is_training(record) and record['step'] >= step:
            return
        yield record


def _is_training(record: Record) -> bool:
    return 'iter' in record or 'lr' in record


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
