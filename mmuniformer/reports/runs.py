"""A work dir: what mmengine's runner wrote into it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from mmuniformer.errors import UserError
from mmuniformer.reports.records import Curves, join_starts, read_records
from mmuniformer.reports.written_config import lookup, read_config

START = re.compile(r'\d{8}_\d{6}')
# Keys that the config of a training has.
TRAINED = {'model', 'train_dataloader'}
# Bytes of a log that are read, from its beginning and its end: a long run
# writes gigabytes.
HEAD, TAIL = 1 << 20, 1 << 14
_STAMP = re.compile(
    r'^(?:(\d{4})/)?(\d\d)/(\d\d) (\d\d):(\d\d):(\d\d) - ', re.MULTILINE
)
_LINE = '-' * 60
# Shown first when there are several, as long as the run has them.
USUAL = (
    'coco/segm_mAP',
    'coco/bbox_mAP',
    'mIoU',
    'coco/AP',
    'accuracy/top1',
    'acc/top1',
)


@dataclass
class Run:
    """What is known of a training.

    Attributes:
        folder (Path): Its work dir.
        name (str): What it is called beside others.
        curves (Curves): Its numbers.
        config_text (str): The config that it wrote; empty without one.
        config (dict): Its values.
        config_file (Path or None): Its file.
        environment (dict[str, str]): What the log says of machine and
            libraries.
        seconds (float or None): From the first to the last line of the logs,
            added up over all starts.
        starts (int): How often it was started.
        best_files (list[Path]): Checkpoints that were kept as the best.
        last_file (Path or None): What ``last_checkpoint`` names.
        problems (list[str]): What is missing or cannot be read.
    """

    folder: Path
    name: str
    curves: Curves = field(default_factory=Curves)
    config_text: str = ''
    config: dict[str, Any] = field(default_factory=dict)
    config_file: Path | None = None
    environment: dict[str, str] = field(default_factory=dict)
    seconds: float | None = None
    starts: int = 0
    best_files: list[Path] = field(default_factory=list)
    last_file: Path | None = None
    problems: list[str] = field(default_factory=list)

    @property
    def metric(self) -> str | None:
        """The metric that says how good the run is."""
        names = self.curves.metrics()
        kept = lookup(self.config, 'default_hooks.checkpoint.save_best')
        kept = [kept] if isinstance(kept, str) else kept or []
        chosen = [name for name in (*kept, *USUAL) if name in names]
        return next(iter(chosen + names), None)

    @property
    def planned(self) -> float | None:
        """Epochs or iterations of the whole run, as its places count."""
        key = 'max_epochs' if self.curves.by_epoch else 'max_iters'
        return lookup(self.config, f'train_cfg.{key}')

    @property
    def reached(self) -> float | None:
        """The last epoch or iteration that was logged."""
        key = 'epoch' if self.curves.by_epoch else 'step'
        train = self.curves.train
        return train[-1].get(key) if train else None


def read_runs(folders: Sequence[str | Path]) -> list[Run]:
    """Reads work dirs; a half-written one gives what is there.

    Args:
        folders (Sequence[str or Path]): The work dirs.

    Raises:
        UserError: If one is no folder, or has files and none of a training.
    """
    paths = [Path(folder) for folder in folders]
    for path in paths:
        if not path.is_dir():
            told = 'is a file' if path.exists() else 'does not exist'
            raise UserError(f'work dir {path} {told}')
    paths = list({path.resolve(): path for path in paths}.values())
    names = short_names(paths)
    return [
        read_run(path, name) for path, name in zip(paths, names, strict=True)
    ]


def short_names(paths: Sequence[Path]) -> list[str]:
    """The ends of paths, as long as they must be to differ."""
    parts = [path.resolve().parts for path in paths]
    for length in range(1, max(map(len, parts)) + 1):
        names = ['/'.join(each[-length:]) for each in parts]
        if len(set(names)) == len(names):
            break
    return names


def read_run(folder: Path, name: str) -> Run:
    """Reads one work dir, see :class:`Run`.

    Raises:
        UserError: If it has files, and none of a training.
    """
    run = Run(folder, name)
    starts = sorted(
        path
        for path in folder.iterdir()
        if path.is_dir() and START.fullmatch(path.name)
    )
    logged, damaged = [], 0
    logs = []
    for start in starts:
        records, lost = _records_of(start)
        damaged += lost
        if not records and not (start / 'vis_data').is_dir():
            # A test, which has no curves.
            continue
        logged.append(records)
        logs += sorted(start.glob('*.log'))[:1]
    run.starts = len(logged)
    run.curves = join_starts(logged)
    run.curves.damaged = damaged
    _read_config(run, starts)
    _read_logs(run, logs)
    _find_checkpoints(run)
    _look_whether_it_is_one(run, starts)
    _tell_problems(run)
    return run


def _look_whether_it_is_one(run: Run, starts: Sequence[Path]) -> None:
    """Refuses a folder of something else; an empty one may become a run's."""
    of_a_run = run.starts or run.best_files or run.last_file or starts
    if of_a_run or run.config.keys() >= TRAINED:
        return
    others = [
        p.name for p in sorted(run.folder.iterdir()) if p.name != 'report'
    ]
    if not others:
        return
    near = [
        path.parent
        for path in sorted(run.folder.glob('*/*'))
        if START.fullmatch(path.name) and path.is_dir()
    ]
    told = f'; {near[-1]} is one' if near else ''
    raise UserError(
        f'{run.folder} is no work dir: it has {", ".join(others[:3])} and '
        'neither a config of a run, nor TIME folders with its log and '
        f'vis_data, which a training writes{told}'
    )


def _records_of(start: Path) -> tuple[list[dict], int]:
    """Records of one start, from either of the files that have them."""
    files = [
        start / 'vis_data' / 'scalars.json',
        start / 'vis_data' / f'{start.name}.json',
    ]
    found = [read_records(path) for path in files if path.is_file()]
    # One may have been cut.
    return max(found, key=lambda pair: len(pair[0]), default=([], 0))


def _read_config(run: Run, starts: Sequence[Path]) -> None:
    written = [start / 'vis_data' / 'config.py' for start in starts]
    files = [path for path in written if path.is_file()]
    if not files:
        files = sorted(
            run.folder.glob('*.py'), key=lambda path: path.stat().st_mtime
        )
    if not files:
        return
    run.config_file = files[-1]
    run.config_text = files[-1].read_text('utf-8', errors='replace')
    run.config = read_config(run.config_text)


def _read_logs(run: Run, logs: Sequence[Path]) -> None:
    seconds = []
    for path in logs:
        with open(path, 'rb') as file:
            head = file.read(HEAD).decode('utf-8', errors='replace')
            file.seek(max(0, path.stat().st_size - TAIL))
            tail = file.read().decode('utf-8', errors='replace')
        stamps = _STAMP.findall(head)[:1] + _STAMP.findall(tail)[-1:]
        times = [time for time in map(_time, stamps) if time]
        if len(times) == 2:
            seconds.append(times[1] - times[0])
        run.environment = _environment(head) or run.environment
    if seconds:
        run.seconds = sum(each.total_seconds() for each in seconds)


def _time(stamp: tuple[str, ...]) -> datetime | None:
    year, *rest = stamp
    try:
        return datetime(int(year or 2000), *map(int, rest))
    except ValueError:
        return None


def _environment(log: str) -> dict[str, str]:
    """Names and values of the block that a log begins with."""
    _, _, after = log.partition(_LINE)
    block, closed, _ = after.partition(_LINE)
    if not closed:
        return {}
    found = re.findall(r'^    (\S[^:\n]*): (.*)$', block, re.MULTILINE)
    return {name: value.strip() for name, value in found}


def _find_checkpoints(run: Run) -> None:
    best = run.folder.glob('best_*.pth')
    run.best_files = sorted(best, key=lambda path: path.stat().st_mtime)
    named = run.folder / 'last_checkpoint'
    if named.is_file():
        text = named.read_text('utf-8', errors='replace').strip()
        # The folder may have been moved. No other is looked at.
        path = run.folder / Path(text).name
        run.last_file = path if text and path.is_file() else None


def _tell_problems(run: Run) -> None:
    problems = run.problems
    if not run.starts:
        problems.append(
            'The folder has no TIME/vis_data, where a training writes its '
            'numbers: no training has begun here.'
        )
    elif not run.curves.train:
        problems.append(
            'The training ended before it had logged anything (see '
            'default_hooks.logger.interval).'
        )
    if run.curves.damaged:
        problems.append(
            f'{run.curves.damaged} lines of the numbers are cut or damaged, '
            'and left out.'
        )
    if not run.config:
        told = 'cannot be read' if run.config_text else 'is not there'
        problems.append(f'The config of the run {told}.')
    for name in run.curves.names('train'):
        places, values = run.curves.points('train', name)
        wrong = [
            place
            for place, value in zip(places, values, strict=True)
            if value - value != 0
        ]
        if wrong:
            problems.append(
                f'{name} is not finite in {len(wrong)} of {len(values)} '
                f'entries, the first at iteration {wrong[0]}.'
            )
