"""Throughput that was measured here, beside the published accuracy.

Read from what ``tools/analysis_tools/benchmark.py`` writes. Nothing here
imports torch: that command's arguments are looked at first.
"""

import json
import math
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from mmuniformer.errors import UserError
from mmuniformer.reproduction.rows import design
from mmuniformer.zoo import PaperRow, PaperTable, paper_tables

# Tables with accuracies of models by input size, the most special first, and
# their columns of accuracy and throughput.
TABLES = {
    11: ('top1', 'throughput_img_s'),
    12: ('k400_top1', 'throughput_vid_s'),
    2: ('top1', None),
}
DESIGN_TABLE = 23
# What that table calls UniFormer-XXS at 160 pixels.
DESIGNED = ('UniFormer-XXS', (160, 160))
# Of models that the paper has not; from their own papers.
OWN_PAPERS = {
    ('MobileNetV3-L', (224, 224)): 75.2,
    ('PVTv2-B2', (224, 224)): 82.0,
    ('PVTv2-B4', (224, 224)): 83.6,
    ('ConvNeXt-T', (224, 224)): 82.1,
    ('ConvNeXt-S', (224, 224)): 83.1,
    ('CAFormer-S18', (224, 224)): 83.6,
    ('CAFormer-S36', (224, 224)): 84.5,
}
# Views of a video that a published accuracy is of; elsewhere one.
VIEWS = {'X3D-XS': 30, 'X3D-S': 30}
EAGER, DEPLOYED, COMPILED = 'eager', 'deployed', 'compiled'
FORMS = (EAGER, DEPLOYED, COMPILED)
# The same function, without fused attention and in another layout.
PLAIN = 'plain reference'
OURS = {'ours': EAGER, 'deploy': DEPLOYED, 'reference': PLAIN}
# What Table 23 changes, by the benchmark's names.
DESIGNS = {
    'ours': {},
    'keep-all': {'keep_ratio': 1.0},
    'keep-0.8': {'keep_ratio': 0.8},
    'keep-0.6': {'keep_ratio': 0.6},
    'keep-0.4': {'keep_ratio': 0.4},
    'keep-0.25': {'keep_ratio': 0.25},
    'no-running-mean': {'running_mean': False},
    'no-score-token': {'score_token': False},
}


def _name(row: PaperRow) -> str:
    return row.values['model'].rstrip('*')


def _size(table: PaperTable, row: PaperRow) -> tuple[int, ...]:
    cells = row.values
    side = cells['test_size'] if table.number == 2 else cells['size']
    return (*([cells['frames']] if 'frames' in cells else []), side, side)


@cache
def _published() -> dict[tuple[str, tuple[int, ...]], float]:
    found = dict(OWN_PAPERS)
    tables = {table.number: table for table in paper_tables()}
    for number, (metric, _) in TABLES.items():
        for row in tables[number].rows:
            # A star is another training in Table 2, other views elsewhere.
            if number != 2 or not row.values['model'].endswith('*'):
                key = _name(row), _size(tables[number], row)
                found.setdefault(key, row.values[metric])
    return found


@cache
def _designs() -> dict[str, float]:
    """Accuracies of Table 23, by what a design changes."""
    (table,) = (t for t in paper_tables() if t.number == DESIGN_TABLE)
    return {str(design(r.values)): r.values['top1'] for r in table.rows}


@cache
def printed_rates() -> dict[tuple[str, tuple[int, ...]], float]:
    """Throughput that the paper prints, by model and size."""
    return {
        (_name(row), _size(table, row)): row.values[TABLES[table.number][1]]
        for table in paper_tables()
        if TABLES.get(table.number, (None, None))[1]
        for row in table.rows
    }


def published_accuracy(model: str, size: Sequence[int]) -> float | None:
    """Published top-1 accuracy of a model at a size, where there is one.

    Args:
        model (str): As the paper calls it.
        size (Sequence[int]): (H, W), or (T, H, W) of a video.
    """
    return _published().get((model, tuple(size)))


@dataclass(frozen=True)
class Timing:
    """A model in one form.

    Args:
        times (tuple[float]): Seconds of a batch in each round.
        memory (int, optional): Bytes of a batch besides weights and input.
    """

    times: tuple[float, ...]
    memory: int | None


@dataclass
class Speed:
    """A model of a comparison, in all forms that were measured.

    Args:
        model (str): As the paper calls it.
        size (tuple[int, ...]): Of its input.
        batch (int): Images or clips of a step.
        ours (bool): Whether it is of UniFormer.
        settings (dict): That differ from the published model's.
        macs (int, optional): Multiply-accumulates of a batch.
        forms (dict[str, Timing]): By a word of ``FORMS``, or ``PLAIN``.
        why_not (dict[str, str]): By the same words, why it has no timing.
    """

    model: str
    size: tuple[int, ...]
    batch: int
    ours: bool
    settings: dict[str, Any] = field(default_factory=dict)
    macs: int | None = None
    forms: dict[str, Timing] = field(default_factory=dict)
    why_not: dict[str, str] = field(default_factory=dict)

    @property
    def views(self) -> int:
        """Views of a video that its accuracy is of."""
        return VIEWS.get(self.model, 1)

    @property
    def accuracy(self) -> float | None:
        """Published top-1 accuracy."""
        if not self.settings:
            return published_accuracy(self.model, self.size)
        if (self.model, self.size) != DESIGNED:
            return None
        return _designs().get(str(self.settings))

    def rate(self, form: str) -> float | None:
        """Images, or whole videos, a second: the median of the rounds."""
        timing = self.forms.get(form)
        if timing is None:
            return None
        return self.batch / statistics.median(timing.times) / self.views

    @property
    def best(self) -> str | None:
        """The form in which it is fastest."""
        return max(self.forms, key=lambda form: self.rate(form), default=None)

    def times_as_fast(self, other: 'Speed', compiled: bool) -> float | None:
        """By how much it is faster than another of the same comparison.

        The median of the quotients of each round; None if one of both was not
        measured.

        Args:
            other (Speed): The other.
            compiled (bool): Whether both are compiled, or neither is; then
                the faster one of eager and deployed counts.
        """
        own, their = self._fastest(compiled), other._fastest(compiled)
        if own is None or their is None:
            return None
        per_video = other.views / self.views
        pairs = zip(own.times, their.times, strict=True)
        return per_video * statistics.median(b / a for a, b in pairs)

    def _fastest(self, compiled: bool) -> Timing | None:
        chosen = (COMPILED,) if compiled else (EAGER, DEPLOYED)
        found = [self.forms[form] for form in chosen if form in self.forms]
        return min(
            found, key=lambda t: statistics.median(t.times), default=None
        )


@dataclass(frozen=True)
class Run:
    """What one run of the benchmark has measured.

    Args:
        environment (dict[str, str]): Date, command, device, versions.
        ceilings (dict[str, float]): Multiply-accumulates a second of a large
            matrix product, by number format.
        comparisons (tuple[tuple[Speed, ...], ...]): Models that were timed in
            turn, ours first: those of the same form.
        left_out (tuple[str, ...]): What was asked for, and not measured.
    """

    environment: dict[str, str]
    ceilings: dict[str, float]
    comparisons: tuple[tuple[Speed, ...], ...]
    left_out: tuple[str, ...] = ()

    @property
    def hardware(self) -> str:
        """'GPU' or 'CPU'."""
        return 'GPU' if 'CUDA' in self.environment.get('device', '') else 'CPU'

    @property
    def pairs(self) -> Iterator[tuple[Speed, Speed]]:
        """Ours and each competitor that was timed beside it."""
        for ours, *others in self.comparisons:
            for other in others:
                if not other.ours and other.forms:
                    yield ours, other

    def of_row(self, table: PaperTable, row: PaperRow) -> Speed | None:
        """What was measured of a row of the paper."""
        if table.number == DESIGN_TABLE:
            key = *DESIGNED, design(row.values)
        else:
            key = _name(row), _size(table, row), {}
        # The published model is one of the designs, too.
        for comparison in self.comparisons:
            if is_of_designs(comparison) == (table.number == DESIGN_TABLE):
                for speed in comparison:
                    found = speed.model, speed.size, speed.settings
                    if found == key and speed.forms:
                        return speed
        return None


def is_of_designs(comparison: Sequence[Speed]) -> bool:
    """Whether a comparison is of those of Table 23."""
    return any(speed.settings for speed in comparison)


def read_run(path: Path) -> Run | None:
    """What the benchmark has written; None where the file is not there.

    Raises:
        UserError: If it is no such file.
    """
    if not path.is_file():
        return None
    try:
        content = json.loads(path.read_text(encoding='utf-8'))
        return Run(
            content['environment'],
            content['ceilings'],
            tuple(_merged(content['comparisons'])),
            tuple(content.get('left_out', ())),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f'{path} is not what tools/analysis_tools/benchmark.py writes '
            f'({type(error).__name__}: {error})'
        ) from error


def _merged(comparisons: list[dict[str, Any]]) -> list[tuple[Speed, ...]]:
    """Eager and compiled models of a workload as one."""
    merged: dict[tuple, dict[tuple, Speed]] = {}
    for content in comparisons:
        workload = content['workload']
        names = [result['variant']['name'] for result in content['results']]
        designs = any(DESIGNS.get(name) for name in names)
        key = workload['model'], *workload['size'], workload['batch'], designs
        found = merged.setdefault(key, {})
        for result in content['results']:
            _add(found, workload, result)
    return [tuple(found.values()) for found in merged.values()]


def _add(
    found: dict[tuple, Speed], workload: dict[str, Any], result: dict[str, Any]
) -> None:
    variant = result['variant']
    name = variant['name']
    form = COMPILED if variant['compiled'] else OURS.get(name, EAGER)
    ours = name in OURS or name in DESIGNS
    model, _, size = name.partition('@')
    sides = tuple(map(int, size.split('x'))) if size else workload['size']
    if len(sides) == 1:
        sides *= 2
    if ours:
        model = f'UniFormer-{workload["model"].removeprefix("video ")}'
    settings = DESIGNS.get(name, {})
    speed = found.setdefault(
        (model, *sides, str(settings)),
        Speed(model, tuple(sides), workload['batch'], ours, settings),
    )
    if result['times']:
        timing = Timing(tuple(result['times']), result['memory'])
        speed.forms[form] = timing
        speed.macs = result['macs']
    else:
        speed.why_not[form] = result['note']


def exponent(xs: Sequence[float], ys: Sequence[float]) -> float:
    """Exponent of the power that fits best, by least squares of logarithms."""
    fit = statistics.linear_regression(
        list(map(math.log, xs)), list(map(math.log, ys))
    )
    return fit.slope
