"""The command: chooses what to compare, compares, shows and writes."""

import time
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.markdown import Markdown
from rich.progress import Progress

from mmuniformer.errors import UserError

from .comparing import Comparer, Measured
from .device import (
    TORCH_DTYPES,
    check_device,
    environment,
    exact_fp32,
    matmul_ceiling,
    on_gpu,
)
from .report import Report, read_report, section
from .workloads import PRESETS, Comparison, Variant, Workload, grid

# Of a table that is not broken up.
NARROWEST = 150


def benchmark(
    preset: str | None = None,
    device: str | None = None,
    rounds: int = 7,
    seconds: float = 60.0,
    minutes: float | None = None,
    threads: int | None = None,
    profile: bool = False,
    resume: bool = False,
    shared: bool = False,
    out_dir: str = 'work_dirs/benchmark',
    **dimensions: list,
) -> Report:
    """Times our backbones beside others, shows and writes the numbers.

    Args:
        preset (str, optional): A key of ``PRESETS``.
        device (str, optional): A torch device; CUDA if there is one.
        rounds (int): How often each variant is timed.
        seconds (float): After this long, three rounds are enough.
        minutes (float, optional): After this long no comparison is begun;
            those that are left out are named.
        threads (int, optional): CPU threads; all cores by default.
        profile (bool): Whether to show where the time goes, too.
        resume (bool): Whether to keep the comparisons that the files of the
            folder have, and to measure the others.
        shared (bool): Whether the machine does other things: one thread,
            of whose time only that counts which it has the CPU.
        out_dir (str): Folder for the files.
        dimensions: Lists for :func:`grid`, instead of a preset.

    Returns:
        Report: What was measured.

    Raises:
        UserError: For a mistake in what the user gave.
    """
    start = time.monotonic()
    device = check_device(device)
    if rounds < 3:
        raise UserError(f'--rounds must be at least 3, not {rounds}')
    if shared and (on_gpu(device) or threads not in (None, 1)):
        raise UserError('--shared is of one thread on the CPU')
    comparisons = choose(preset, device, dimensions)
    threads = 1 if shared else threads
    if threads is not None:
        if threads < 1:
            raise UserError(f'--threads must be at least 1, not {threads}')
        torch.set_num_threads(threads)
    exact_fp32()
    console = Console()
    console.width = max(console.width, NARROWEST)
    dtypes = {v.dtype for c in comparisons for v in c.variants}
    report = Report(environment(device, shared), {}, [])
    for key, value in report.environment.items():
        console.print(f'{key}: {value}', highlight=False, soft_wrap=True)
    done = _done_before(report, Path(out_dir)) if resume else {}
    _show_done(report, comparisons, done)
    now = time.process_time if shared else time.perf_counter
    for dtype in sorted(dtypes & TORCH_DTYPES.keys()):
        if dtype not in report.ceilings:
            report.ceilings[dtype] = matmul_ceiling(dtype, device, now)
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task('', total=len(report.left_out))
        comparer = Comparer(
            device,
            rounds,
            seconds,
            profile,
            shared,
            lambda text: progress.update(task, description=text),
        )
        files = report.write(Path(out_dir)) if done else []
        for comparison in comparisons:
            if _key(comparison) in done:
                continue
            if minutes is not None and time.monotonic() - start > 60 * minutes:
                break
            measured = comparer.run(comparison)
            done[_key(comparison)] = measured
            _show_done(report, comparisons, done)
            # After each comparison: a long run may be killed.
            files = report.write(Path(out_dir))
            progress.advance(task)
            console.print(Markdown(section(measured, report.ceilings)))
    for comparison in report.left_out:
        console.print(f'No time was left for: {comparison}')
    for path in files:
        console.print(f'Wrote {path}', highlight=False, soft_wrap=True)
    return report


# What tells comparisons apart, whatever is measured of them.
Key = tuple[Workload, tuple[Variant, ...]]


def _key(comparison: Comparison) -> Key:
    return comparison.workload, comparison.variants


def _show_done(
    report: Report, comparisons: list[Comparison], done: dict[Key, Measured]
) -> None:
    """Has the report show what is done: what is asked for in its order."""
    asked = dict.fromkeys(map(_key, comparisons))
    report.comparisons = [done[key] for key in asked if key in done]
    report.comparisons += [m for key, m in done.items() if key not in asked]
    report.left_out = [str(c) for c in comparisons if _key(c) not in done]


def _done_before(report: Report, folder: Path) -> dict[Key, Measured]:
    """What the folder's files have; the report takes over their ceilings.

    Raises:
        UserError: If they are of another device or of other versions.
    """
    path = folder / 'benchmark.json'
    if not path.is_file():
        return {}
    before = read_report(path)
    for fact in ('device', 'system', 'packages'):
        was, now = before.environment.get(fact, ''), report.environment[fact]
        if _differs(was, now) if fact == 'packages' else was != now:
            raise UserError(
                f'{path} is of another {fact} ({was}, now {now}): take '
                'another --out-dir, or leave out --resume'
            )
    report.ceilings.update(before.ceilings)
    return {
        (m.workload, tuple(result.variant for result in m.results)): m
        for m in before.comparisons
    }


def _differs(was: str, now: str) -> bool:
    """Whether a package that both lists name has another version."""
    before, after = (
        dict(name.rsplit(' ', 1) for name in packages.split(', ') if name)
        for packages in (was, now)
    )
    return any(before[name] != after[name] for name in before.keys() & after)


def choose(
    preset: str | None, device: str, dimensions: dict[str, Any]
) -> list[Comparison]:
    """The comparisons of a preset, or of the grid that the user spans.

    Raises:
        UserError: If both are given, or the grid is empty.
    """
    if preset is None and dimensions:
        return grid(**dimensions)
    if dimensions:
        names = ', '.join(f'--{d.replace("_", "-")}' for d in dimensions)
        raise UserError(f'--preset {preset} says it all: leave out {names}')
    return PRESETS[preset or ('gpu' if on_gpu(device) else 'quick')]
