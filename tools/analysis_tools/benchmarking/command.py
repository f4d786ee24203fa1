"""The command: chooses what to compare, compares, shows and writes."""

import time
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.markdown import Markdown
from rich.progress import Progress

from mmuniformer.errors import UserError

from .comparing import Comparer
from .device import (
    TORCH_DTYPES,
    check_device,
    environment,
    exact_fp32,
    matmul_ceiling,
    on_gpu,
)
from .report import Report, section
from .workloads import PRESETS, Comparison, grid

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
    cpu_time: bool = False,
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
        cpu_time (bool): Whether to read the CPU time of this process and not
            the clock: what others do on the machine counts less.
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
    if cpu_time and on_gpu(device):
        raise UserError('--cpu-time says nothing of a GPU')
    timer = time.process_time if cpu_time else time.perf_counter
    comparisons = choose(preset, device, dimensions)
    if threads is not None:
        if threads < 1:
            raise UserError(f'--threads must be at least 1, not {threads}')
        torch.set_num_threads(threads)
    exact_fp32()
    console = Console()
    console.width = max(console.width, NARROWEST)
    dtypes = {v.dtype for c in comparisons for v in c.variants}
    report = Report(environment(device), {}, [])
    if cpu_time:
        report.environment['times'] = 'CPU time of the process'
    for key, value in report.environment.items():
        console.print(f'{key}: {value}', highlight=False, soft_wrap=True)
    report.ceilings.update(
        (dtype, matmul_ceiling(dtype, device, timer))
        for dtype in sorted(dtypes & TORCH_DTYPES.keys())
    )
    files, left_out = [], []
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task('', total=len(comparisons))
        comparer = Comparer(
            device,
            rounds,
            seconds,
            profile,
            lambda text: progress.update(task, description=text),
            timer,
        )
        for comparison in comparisons:
            if minutes is not None and time.monotonic() - start > 60 * minutes:
                left_out.append(comparison.workload)
                continue
            measured = comparer.run(comparison)
            report.comparisons.append(measured)
            # After each comparison: a long run may be killed.
            files = report.write(Path(out_dir))
            progress.advance(task)
            console.print(Markdown(section(measured, report.ceilings)))
    for workload in left_out:
        console.print(f'No time was left for: {workload}')
    for path in files:
        console.print(f'Wrote {path}', highlight=False, soft_wrap=True)
    return report


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
