"""The command line's work: choose the races, run them, show and write."""

import time
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
)

from mmuniformer.analysis.benchmark.measuring import exact_fp32, on_gpu
from mmuniformer.analysis.benchmark.racing import (
    Racing,
    Report,
    bf16_unit,
    ceilings_of,
    describe_environment,
)
from mmuniformer.analysis.benchmark.report import (
    GOAL_HEADER,
    HEADER,
    KIND_HEADER,
    KIND_TITLE,
    goal_rows,
    kind_rows,
    race_rows,
    rich_table,
    write,
)
from mmuniformer.analysis.benchmark.works import (
    GOALS,
    PRESETS,
    Goal,
    Race,
    grid,
)
from mmuniformer.errors import UserError

NARROWEST = 150
# What a dimension of the grid is where the user says nothing.
GRID = dict(
    models=['S'],
    sizes=['224'],
    batch_sizes=[1],
    modes=['inference'],
    dtypes=['fp32'],
    contenders=['reference', 'ours', 'deploy'],
    compiled=[False],
)


def benchmark(
    preset: str | None = None,
    device: str | None = None,
    rounds: int = 7,
    seconds: float = 60.0,
    minutes: float | None = None,
    threads: int | None = None,
    profile: bool = False,
    out_dir: str = 'work_dirs/benchmark',
    **dimensions: list | None,
) -> Report:
    """Times our backbones beside others, shows and writes the numbers.

    Args:
        preset (str, optional): A key of ``PRESETS``.
        device (str, optional): A torch device; CUDA if there is one.
        rounds (int): Rounds of each race.
        seconds (float): After this long a race ends with three rounds.
        minutes (float, optional): After this long no race is begun; those
            that are left out are named.
        threads (int, optional): CPU threads; all cores by default.
        profile (bool): Whether to show where the time goes, too.
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
    races = choose(preset, device, dimensions)
    if threads is not None:
        if threads < 1:
            raise UserError(f'--threads must be at least 1, not {threads}')
        torch.set_num_threads(threads)
    exact_fp32()
    console = Console()
    console.width = max(console.width, NARROWEST)
    environment = describe_environment(device)
    for key, value in environment.items():
        console.print(f'{key}: {value}', highlight=False, soft_wrap=True)
    report = Report(environment, ceilings_of(races, device), [])
    unit = '' if on_gpu(device) else bf16_unit()
    goals, files, left_out = [], [], []
    with Progress(
        TextColumn('{task.description}'),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        transient=True,
    ) as progress:
        task = progress.add_task('', total=len(races))
        racing = Racing(
            device,
            rounds,
            seconds,
            profile,
            lambda text: progress.update(task, description=text),
        )
        for race in races:
            if minutes is not None and time.monotonic() - start > 60 * minutes:
                left_out.append(race)
                continue
            result = racing.run(race)
            report.races.append(result)
            # After each race: a long run may be killed.
            goals = goals_of(report, device)
            files = write(report, goals, unit, Path(out_dir))
            progress.advance(task)
            rows = race_rows(result, report)
            console.print(rich_table(str(race.work), HEADER, rows))
            if profile:
                rows = kind_rows(result)
                console.print(rich_table(KIND_TITLE, KIND_HEADER, rows))
    if goals:
        rows = goal_rows(report, goals, unit)
        console.print(rich_table('Goals', GOAL_HEADER, rows))
    for race in left_out:
        console.print(f'No time was left for: {race.work}')
    for path in files:
        console.print(f'Wrote {path}', highlight=False, soft_wrap=True)
    return report


def choose(
    preset: str | None, device: str, dimensions: dict[str, Any]
) -> list[Race]:
    """The races of a preset, or of the grid that the user spans.

    Raises:
        UserError: If both are given, or the grid is empty.
    """
    given = {k: v for k, v in dimensions.items() if v is not None}
    if preset is not None and given:
        names = ', '.join(_option(name) for name in given)
        raise UserError(f'--preset {preset} says it all: leave out {names}')
    if preset is None and not given:
        preset = 'gpu' if on_gpu(device) else 'quick'
    if preset is None:
        return grid(**{**GRID, **given})
    return PRESETS[preset]()


def _option(dimension: str) -> str:
    if dimension == 'compiled':
        return '--compile'
    return f'--{dimension.replace("_", "-")}'


def goals_of(report: Report, device: str) -> list[Goal]:
    """The goals for a device that a report says something about."""
    done = {race.work for race in report.races}
    return [g for g in GOALS[torch.device(device).type] if g.work in done]


def check_device(device: str | None) -> str:
    """A device that is there.

    Raises:
        UserError: If the one that is asked for is not.
    """
    if device is None:
        return 'cuda' if torch.cuda.is_available() else 'cpu'
    try:
        chosen = torch.device(device)
    except RuntimeError as error:
        raise UserError(f"--device '{device}' is no device") from error
    kind = chosen.type
    if kind not in GOALS:
        raise UserError(f'--device {device}: cpu or cuda can be measured')
    if kind == 'cuda' and not torch.cuda.is_available():
        raise UserError(f'--device {device}: PyTorch sees no GPU here')
    if kind == 'cuda' and (chosen.index or 0) >= torch.cuda.device_count():
        raise UserError(
            f'--device {device}: PyTorch sees {torch.cuda.device_count()} '
            'GPUs, which count from 0'
        )
    return device
