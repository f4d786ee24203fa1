"""Runs the races and keeps what was measured."""

import gc
import platform
import sys
import time
from collections.abc import Callable
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch._dynamo.exc import TorchDynamoException

from mmuniformer.analysis.benchmark.contenders import PEERS, build
from mmuniformer.analysis.benchmark.measuring import (
    Runner,
    Spread,
    matmul_ceiling,
    on_gpu,
    peak_memory,
    relative_error,
    time_in_turn,
)
from mmuniformer.analysis.benchmark.profiling import where_time_goes
from mmuniformer.analysis.benchmark.works import (
    KEEP_ALL,
    SAME_WEIGHTS,
    Entry,
    Goal,
    Race,
    Work,
)
from mmuniformer.analysis.complexity import measure
from mmuniformer.compat.versions import installed

# Above it, outputs in float32 on the same weights are not the same function.
# mmaction2's norms have another epsilon, which is 2e-6 of it.
NOISE = 1e-4
HALF_NOISE = 0.1
PACKAGES = ('torch', 'mmcv', 'mmengine', 'mmdet', 'mmaction')


@dataclass
class Result:
    """What was measured of an entry.

    Attributes:
        entry (Entry): Who.
        times (list[float]): Seconds of a step in each round.
        error (float, optional): Relative distance of the outputs from those
            of the first entry with the same weights.
        memory (int, optional): Bytes besides weights and input.
        macs (int, optional): Multiply-accumulates of a forward pass of the
            whole batch.
        compile_time (float, optional): Seconds of the first step, which
            compiles.
        kinds (dict[str, float], optional): Seconds of a step in each kind of
            operator.
        note (str): Why nothing was measured.
    """

    entry: Entry
    times: list[float] = field(default_factory=list)
    error: float | None = None
    memory: int | None = None
    macs: int | None = None
    compile_time: float | None = None
    kinds: dict[str, float] | None = None
    note: str = ''


@dataclass
class RaceResult:
    """The entries of a race; the first is what others are compared with."""

    work: Work
    results: list[Result]

    def find(self, entry: Entry) -> Result | None:
        """The result of an entry, if it was measured."""
        found = (r for r in self.results if r.entry == entry and r.times)
        return next(found, None)

    def speedup(self, entry: Entry, than: Entry) -> Spread | None:
        """Quotient of speeds, round by round."""
        fast, slow = self.find(entry), self.find(than)
        if fast is None or slow is None:
            return None
        pairs = zip(slow.times, fast.times, strict=True)
        return Spread.of([a / b for a, b in pairs])

    def memory_ratio(self, entry: Entry, than: Entry) -> float | None:
        """Quotient of memory."""
        small, large = self.find(entry), self.find(than)
        if small is None or large is None:
            return None
        if small.memory is None or large.memory is None:
            return None
        return small.memory / large.memory


@dataclass
class Report:
    """All that a run has measured, and where.

    Attributes:
        environment (dict[str, str]): Date, command, device, versions.
        ceilings (dict[str, float]): Multiply-accumulates a second of a large
            matrix product, by dtype.
        races (list[RaceResult]): What was measured.
    """

    environment: dict[str, str]
    ceilings: dict[str, float]
    races: list[RaceResult]

    def reached(self, goal: Goal) -> float | None:
        """The median of what a goal is about; None if it was not measured."""
        for race in self.races:
            if race.work != goal.work:
                continue
            if goal.memory:
                return race.memory_ratio(goal.entry, goal.than)
            spread = race.speedup(goal.entry, goal.than)
            return None if spread is None else spread.median
        return None

    def to_dict(self) -> dict[str, Any]:
        """Plain values for a JSON file."""
        return asdict(self)


class Racing:
    """Runs races on a device.

    Args:
        device: 'cpu', 'cuda' or 'cuda:1'.
        rounds: Rounds of each race.
        seconds: After this long, a race ends with three rounds.
        profile: Whether to look where the time of a step goes.
        tick: Called with what is done next.
    """

    def __init__(
        self,
        device: str,
        rounds: int,
        seconds: float,
        profile: bool = False,
        tick: Callable[[str], None] = lambda text: None,
    ):
        self.device = device
        self.rounds = rounds
        self.seconds = seconds
        self.profile = profile
        self.tick = tick
        self._macs: dict[tuple, int] = {}

    def run(self, race: Race) -> RaceResult:
        """Builds, warms up and times the entries, then measures memory.

        Raises:
            RuntimeError: If entries with the same weights do not agree. It
                would be a defect of one of them.
        """
        # What was compiled counts against a limit, beyond which nothing is.
        torch.compiler.reset()
        results = {entry: Result(entry) for entry in race.entries}
        self._time(race, results)
        _free()
        if race.memory:
            self._measure_memory(race, results)
        return RaceResult(race.work, list(results.values()))

    def _time(self, race: Race, results: dict[Entry, Result]) -> None:
        runners, standard, expected = {}, None, None
        for entry in race.entries:
            self.tick(f'{race.work}: {entry}')
            started = self._start(entry, race.work, results[entry])
            if started is None:
                continue
            runners[entry], outs = started
            if entry.contender not in SAME_WEIGHTS:
                continue
            if expected is None:
                standard, expected = entry, outs
            error = relative_error(outs, expected)
            results[entry].error = error
            _check_agreement(race.work, entry, standard, error)
        try:
            times = time_in_turn(
                runners,
                self.device,
                self.rounds,
                self.seconds,
                lambda: self.tick(f'{race.work}: in turn'),
            )
        except torch.cuda.OutOfMemoryError:
            for entry in runners:
                results[entry].note = 'out of memory beside the others'
            return
        for entry, values in times.items():
            results[entry].times = values
            # A compiler's operators do not say what they do.
            if self.profile and not entry.compiled:
                self.tick(f'{race.work}: where the time of {entry} goes')
                results[entry].kinds = where_time_goes(
                    runners[entry], self.device
                )

    def _start(
        self, entry: Entry, work: Work, result: Result
    ) -> tuple[Runner, list[Tensor]] | None:
        """A runner after its first step, and the outputs of that."""
        try:
            runner = Runner(entry, work, self.device)
        except (ImportError, KeyError) as error:
            result.note = f'not installed: {error}'
            return None
        start = time.perf_counter()
        try:
            outs = [out.cpu() for out in runner()]
        except torch.cuda.OutOfMemoryError:
            result.note = 'out of memory'
            return None
        except TorchDynamoException as error:
            result.note = f'not compiled: {str(error).splitlines()[0]}'
            return None
        if entry.compiled:
            result.compile_time = time.perf_counter() - start
        result.macs = self._count(entry.contender, work)
        return runner, outs

    def _measure_memory(
        self, race: Race, results: dict[Entry, Result]
    ) -> None:
        for entry, result in results.items():
            # What a compiler needs while it compiles is not of the step.
            if not result.times or (
                entry.compiled and not on_gpu(self.device)
            ):
                continue
            self.tick(f'{race.work}: memory of {entry}')
            try:
                result.memory = peak_memory(entry, race.work, self.device)
            except (torch.cuda.OutOfMemoryError, BrokenProcessPool):
                # The time stands; the memory stays open.
                self.tick(f'{race.work}: no memory for {entry}')
            _free()

    def _count(self, contender: str, work: Work) -> int:
        name = contender if contender in (*PEERS, KEEP_ALL) else 'ours'
        key = (name, work.model, work.size)
        if key not in self._macs:
            model = build(name, work)
            self._macs[key] = measure(model, (3, *work.size)).model.total
        return self._macs[key] * work.batch


def _check_agreement(
    work: Work, entry: Entry, standard: Entry, error: float
) -> None:
    in_fp32 = entry.dtype == standard.dtype == 'fp32'
    if not error < (NOISE if in_fp32 else HALF_NOISE):
        raise RuntimeError(
            f'{entry} is not the function of {standard} on {work}: relative '
            f'error {error:.1e}'
        )


def _free() -> None:
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def describe_environment(device: str) -> dict[str, str]:
    """What a number is worth nothing without."""
    if on_gpu(device):
        hardware = torch.cuda.get_device_name(device)
        hardware += f', CUDA {torch.version.cuda}, fp32 without TF32'
    else:
        hardware = f'{_cpu_name()}, {torch.get_num_threads()} threads'
        hardware += f', {torch.backends.cpu.get_cpu_capability()}'
        hardware += f', bf16: {bf16_unit() or "none"}'
    packages = ', '.join(f'{p} {installed(p) or "none"}' for p in PACKAGES)
    return {
        'date': datetime.now(UTC).strftime('%Y-%m-%d %H:%M UTC'),
        'command': ' '.join(['python', *sys.argv]),
        'device': hardware,
        'system': f'{platform.system()}, Python {platform.python_version()}',
        'packages': packages,
    }


def bf16_unit() -> str:
    """What the CPU multiplies bfloat16 with: 'amx', 'avx512_bf16' or ''."""
    with_amx = getattr(torch.cpu, '_is_amx_tile_supported', bool)
    with_avx = getattr(torch.cpu, '_is_avx512_bf16_supported', bool)
    if with_amx():
        return 'amx'
    return 'avx512_bf16' if with_avx() else ''


def _cpu_name() -> str:
    try:
        for line in Path('/proc/cpuinfo').read_text().splitlines():
            if line.startswith('model name'):
                return line.partition(':')[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def ceilings_of(races: list[Race], device: str) -> dict[str, float]:
    """Matrix-product ceiling of each dtype that the races need."""
    dtypes = {entry.dtype for race in races for entry in race.entries}
    return {d: matmul_ceiling(d, device) for d in sorted(dtypes)}
