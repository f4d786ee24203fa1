"""Runs a comparison and keeps what was measured."""

import gc
import time
from collections.abc import Callable
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache

import torch
from torch import Tensor

from mmuniformer.analysis.complexity import measure
from mmuniformer.errors import UserError

from .device import on_gpu
from .measuring import (
    Runner,
    peak_memory,
    relative_error,
    runner_of,
    time_in_turn,
)
from .models import build
from .profiling import where_time_goes
from .runtimes import RuntimeRunner
from .workloads import (
    DESIGNS,
    OTHERS,
    RUNTIMES,
    SAME_FUNCTION,
    Comparison,
    Variant,
    Workload,
    input_size,
)

# Above it, outputs in float32 on the same weights are not the same function.
# mmaction2's norms have another epsilon, which is 2e-6 of it.
NOISE = 1e-4
HALF_NOISE = 0.1
# Of drawn weights. The light models keep other tokens where two are alike.
INT8_NOISE = 0.5


@dataclass
class Result:
    """What was measured of a variant.

    Attributes:
        variant (Variant): Of which.
        times (list[float]): Seconds of a step in each round.
        error (float, optional): Relative distance of the outputs from those
            of the first variant of the same function.
        memory (int, optional): Bytes besides weights and input.
        macs (int, optional): Multiply-accumulates of a forward pass of the
            whole batch.
        compile_time (float, optional): Seconds of the first step, which
            compiles.
        kinds (dict[str, float], optional): Seconds of a step in each kind of
            operator.
        note (str): Why nothing was measured.
    """

    variant: Variant
    times: list[float] = field(default_factory=list)
    error: float | None = None
    memory: int | None = None
    macs: int | None = None
    compile_time: float | None = None
    kinds: dict[str, float] | None = None
    note: str = ''


@dataclass
class Measured:
    """The results of a comparison, that of the baseline first."""

    workload: Workload
    results: list[Result]


@dataclass
class Comparer:
    """Runs comparisons on a device.

    Attributes:
        device (str): 'cpu', 'cuda' or 'cuda:1'.
        rounds (int): How often each variant is timed.
        seconds (float): After this long, three rounds are enough.
        profile (bool): Whether to look where the time of a step goes.
        own_time (bool): Whether only the process's own time counts.
        status (Callable): Called with what is done next.
    """

    device: str
    rounds: int
    seconds: float
    profile: bool = False
    own_time: bool = False
    status: Callable[[str], None] = lambda text: None

    def __post_init__(self) -> None:
        self._macs = cache(_macs)

    def run(self, comparison: Comparison) -> Measured:
        """Builds, warms up and times the variants, then measures memory.

        Raises:
            RuntimeError: If variants of the same function do not agree. It
                would be a defect of one of them.
        """
        # What was compiled counts against a limit, beyond which nothing is.
        torch.compiler.reset()
        results = [Result(variant) for variant in comparison.variants]
        self._time(comparison.workload, results)
        _free()
        if comparison.memory:
            self._measure_memory(comparison.workload, results)
        return Measured(comparison.workload, results)

    def _time(self, workload: Workload, results: list[Result]) -> None:
        runners, standard = {}, None
        for i, result in enumerate(results):
            self.status(f'{workload}: {result.variant}')
            started = self._start(workload, result)
            if started is None:
                continue
            runners[i], outs = started
            if result.variant.name in SAME_FUNCTION:
                standard = standard or (result.variant, outs)
                result.error = relative_error(outs, standard[1])
                _check_agreement(workload, result, standard[0])
        self.status(f'{workload}: in turn')
        now = time.process_time if self.own_time else time.perf_counter
        try:
            times = time_in_turn(
                runners, self.device, self.rounds, self.seconds, now
            )
        except torch.cuda.OutOfMemoryError:
            for i in runners:
                results[i].note = 'out of memory beside the others'
            return
        for i, runner in runners.items():
            results[i].times = times[i]
            # Operators of a compiler or a runtime do not say what they do.
            variant = results[i].variant
            closed = variant.compiled or variant.name in RUNTIMES
            if self.profile and not closed:
                self.status(f'{workload}: profile of {variant}')
                results[i].kinds = where_time_goes(runner, self.device)

    def _start(
        self, workload: Workload, result: Result
    ) -> tuple[Runner | RuntimeRunner, list[Tensor]] | None:
        """A runner after its first step, and the outputs of that."""
        variant = result.variant
        if variant.name in RUNTIMES and on_gpu(self.device):
            result.note = 'measured on CPUs'
            return None
        try:
            runner = runner_of(variant, workload, self.device)
        except (ImportError, KeyError) as error:
            result.note = f'not installed: {error}'
            return None
        except UserError as error:
            result.note = str(error)
            return None
        start = time.perf_counter()
        try:
            outs = [out.cpu() for out in runner()]
        except torch.cuda.OutOfMemoryError:
            result.note = 'out of memory'
            return None
        except torch._dynamo.exc.TorchDynamoException as error:
            result.note = f'not compiled: {str(error).splitlines()[0]}'
            return None
        if variant.compiled:
            result.compile_time = time.perf_counter() - start
        own = variant.name in OTHERS or variant.name in DESIGNS
        name = variant.name if own else 'ours'
        result.macs = workload.batch * self._macs(
            name, workload.model, input_size(variant, workload)
        )
        return runner, outs

    def _measure_memory(
        self, workload: Workload, results: list[Result]
    ) -> None:
        for result in results:
            variant = result.variant
            # What a compiler needs while it compiles is not of the step.
            of_compiler = variant.compiled and not on_gpu(self.device)
            in_runtime = variant.name in RUNTIMES
            if not result.times or of_compiler or in_runtime:
                continue
            self.status(f'{workload}: memory of {variant}')
            # The time stands where the memory stays open.
            with suppress(torch.cuda.OutOfMemoryError, BrokenProcessPool):
                result.memory = peak_memory(variant, workload, self.device)
            if on_gpu(self.device):
                _free()


def _check_agreement(
    workload: Workload, result: Result, standard: Variant
) -> None:
    dtypes = {result.variant.dtype, standard.dtype}
    limit = NOISE if dtypes == {'fp32'} else HALF_NOISE
    if any(dtype.startswith('int8') for dtype in dtypes):
        limit = INT8_NOISE
    if not result.error < limit:
        raise RuntimeError(
            f'{result.variant} is not the function of {standard} on '
            f'{workload}: relative error {result.error:.1e}'
        )


def _macs(name: str, model: str, size: tuple[int, ...]) -> int:
    network = build(Variant(name), Workload(model, size))
    return measure(network, (3, *size)).model.total


def _free() -> None:
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
