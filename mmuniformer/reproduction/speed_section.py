"""The part of the page that shows throughput beside published accuracy."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mmuniformer.reproduction.figures import NOT_MEASURED
from mmuniformer.reproduction.speeds import (
    COMPILED,
    DEPLOYED,
    EAGER,
    FORMS,
    TABLES,
    Run,
    Speed,
    is_of_designs,
    printed_rates,
)

# What the paper's abstract says.
CLAIMED = 2.0
# Points of top-1 by which another model counts as equally accurate.
EQUAL = 0.3
BENCHMARK = 'python tools/analysis_tools/benchmark.py'
HOW = """\
Ours and those that it is compared with, timed in turn, batch by batch, each at
its own size and without its classifier; float32. *eager* is the model as it is
trained, *deployed* with everything folded that inference does not need,
*compiled* by `torch.compile` (ours: the deployed one). *faster*: by how much
ours is, not compiled (the faster one of eager and deployed) and compiled; the
median of the rounds' quotients. *of the product*: multiply-accumulates a
second in the fastest form, of those of a large matrix product. Memory is that
of a batch, eager, besides weights and input. A video is {views} views for X3D,
as its accuracy is of them, and one for ours. No library here has MoViNet or
MobileFormer: they are not measured.
"""


def speed_section(run: Run | None) -> Iterator[str]:
    """Lines of the section.

    Args:
        run (Run, optional): Of ``--preset tables``.
    """
    yield '## Throughput beside accuracy, measured'
    yield ''
    if run is None:
        yield f'{NOT_MEASURED.capitalize()}: `{BENCHMARK} --preset tables`,'
        yield 'whose `benchmark.json` becomes `docs/reproduction/tables.json`.'
        yield ''
        return
    for fact, value in run.environment.items():
        yield f'- {fact}: {_code(fact, value)}'
    for dtype, macs in run.ceilings.items():
        yield f'- a large matrix product in {dtype}: {macs / 1e9:.0f} GMAC/s'
    yield ''
    yield HOW.format(views=30)
    alone = [c[0] for c in run.comparisons if len(c) == 1]
    beside = [c for c in run.comparisons if len(c) > 1]
    for comparison in sorted(beside, key=is_of_designs):
        ours = comparison[0]
        title = f'{ours.model}, {"x".join(map(str, ours.size))}'
        if is_of_designs(comparison):
            title += ': designs of Table 23'
        yield f'### {title}'
        yield ''
        yield from _table(comparison, run)
        yield ''
    if alone:
        yield '### Ours at other sizes'
        yield ''
        yield from _table(alone, run, compared=False)
        yield ''
    yield from not_measured(run)
    yield from _claim(run)


def not_measured(run: Run) -> Iterator[str]:
    """Lines of what was asked for, and not measured; none if all was."""
    if run.left_out:
        yield f'{NOT_MEASURED.capitalize()} yet (`--resume` goes on):'
        yield ''
        yield from (f'- {comparison}' for comparison in run.left_out)
        yield ''


def _code(fact: str, value: str) -> str:
    return f'`{value}`' if fact == 'command' else value


def _table(
    comparison: Sequence[Speed], run: Run, compared: bool = True
) -> Iterator[str]:
    ours = comparison[0]
    # Designs are measured as they are trained.
    forms = (EAGER,) if is_of_designs(comparison) else FORMS
    unit = 'images/s' if len(ours.size) == 2 else 'videos/s'
    heads = ['model', 'size', 'top-1, published', 'GMACs']
    heads += [f'{form} ({unit})' for form in forms]
    ways = [w for w in (False, True) if not w or COMPILED in forms]
    ways = ways if compared else []
    heads += ['faster, compiled' if w else 'faster' for w in ways]
    heads += ['memory (MB)', 'of the product']
    yield f'| {" | ".join(heads)} |'
    yield f'| {" | ".join([":--"] * 2 + ["--:"] * (len(heads) - 2))} |'
    for speed in comparison:
        cells = [
            _model(speed),
            'x'.join(map(str, speed.size)),
            _or_dash(speed.accuracy, '{}'),
            _or_dash(speed.macs, '{:.2f}', speed.views / speed.batch / 1e9),
            *(_form(speed, form) for form in forms),
            *(_faster(ours, speed, way) for way in ways),
            _memory(speed),
            _share(speed, run),
        ]
        yield f'| {" | ".join(cells)} |'


def _model(speed: Speed) -> str:
    settings = [f'{key}={value}' for key, value in speed.settings.items()]
    return ', '.join([speed.model, *settings])


def _or_dash(value: float | None, form: str, factor: float = 1) -> str:
    if value is None:
        return '-'
    return form.format(value if factor == 1 else value * factor)


def _form(speed: Speed, form: str) -> str:
    rate = speed.rate(form)
    if rate is not None:
        return f'{rate:.3g}'
    # Of others there is no deployed form, and of designs one form.
    if form == DEPLOYED and not speed.ours:
        return '-'
    return speed.why_not.get(form) or NOT_MEASURED


def _faster(ours: Speed, speed: Speed, compiled: bool) -> str:
    if speed is ours:
        return '1'
    faster = ours.times_as_fast(speed, compiled)
    return NOT_MEASURED if faster is None else f'{faster:.2f}'


def _memory(speed: Speed) -> str:
    timing = speed.forms.get(EAGER)
    if timing is None or timing.memory is None:
        return NOT_MEASURED
    return f'{timing.memory / 1e6:.0f}'


def _share(speed: Speed, run: Run) -> str:
    if speed.best is None or speed.macs is None:
        return NOT_MEASURED
    # Of views, not of videos.
    views = speed.rate(speed.best) * speed.views
    rate = speed.macs / speed.batch * views
    return f'{rate / run.ceilings["fp32"]:.0%}'


@dataclass(frozen=True)
class Beside:
    """One of ours beside a competitor whose throughput is printed, too.

    Args:
        ours (Speed): Ours.
        other (Speed): The competitor.
        printed (float): Quotient of the printed throughputs.
        plain (float, optional): Quotient of those that were measured, not
            compiled.
        compiled (float, optional): The same, compiled.
    """

    ours: Speed
    other: Speed
    printed: float
    plain: float | None
    compiled: float | None

    @property
    def gain(self) -> float:
        """Points of top-1 that ours is better."""
        return self.ours.accuracy - self.other.accuracy


def beside(run: Run) -> list[Beside]:
    """What the paper prints of pairs, and what was measured."""
    rates, found = printed_rates(), []
    for ours, other in run.pairs:
        both = [rates.get((s.model, s.size)) for s in (ours, other)]
        if None not in both:
            quotients = [ours.times_as_fast(other, w) for w in (False, True)]
            found.append(Beside(ours, other, both[0] / both[1], *quotients))
    return found


def _claim(run: Run) -> Iterator[str]:
    pairs = beside(run)
    yield '### "2-4x higher throughput than the recent lightweight models"'
    yield ''
    yield 'So the abstract. Of the pairs above whose throughput the paper'
    yield f'prints (Tables {_numbers()}), ours by the other:'
    yield ''
    heads = ('ours', 'beside', 'top-1', 'printed, A100', 'here', 'compiled')
    yield f'| {" | ".join(heads)} |'
    yield '| :-- | :-- | --: | --: | --: | --: |'
    for pair in pairs:
        cells = [
            _short(pair.ours),
            _short(pair.other),
            f'{pair.gain:+.1f}',
            *map(_quotient, (pair.printed, pair.plain, pair.compiled)),
        ]
        yield f'| {" | ".join(cells)} |'
    yield ''
    yield from summary(pairs)
    yield ''
    yield 'Where it does not hold, and why:'
    yield '[benchmarks](benchmarks.md#beside-the-papers-competitors).'
    yield ''


def _quotient(value: float | None) -> str:
    return NOT_MEASURED if value is None else f'{value:.2f}'


def _numbers() -> str:
    numbers = [str(n) for n, (_, column) in TABLES.items() if column]
    return ' and '.join(numbers)


def _short(speed: Speed) -> str:
    size = 'x'.join(map(str, dict.fromkeys(speed.size)))
    return f'{speed.model.removeprefix("UniFormer-")} {size}'


def summary(pairs: Sequence[Beside]) -> Iterator[str]:
    """How often it holds, in words.

    Args:
        pairs (Sequence[Beside]): See :func:`beside`.
    """
    fair = [pair for pair in pairs if pair.gain >= -EQUAL]
    for words, values in (
        ('as printed', [pair.printed for pair in fair]),
        ('measured here, not compiled', [pair.plain for pair in fair]),
        ('measured here, compiled', [pair.compiled for pair in fair]),
    ):
        values = [value for value in values if value is not None]
        holds = sum(value >= CLAIMED for value in values)
        if values:
            yield (
                f'- {words}: {CLAIMED:g} times and more in {holds} of '
                f'{len(values)} pairs in which ours is not more than {EQUAL} '
                f'points behind; {min(values):.2f} to {max(values):.2f}'
            )
