"""Time, memory and what the device can do."""

import contextlib
import gc
import multiprocessing
import resource
import statistics
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mmuniformer.analysis.benchmark.contenders import build
from mmuniformer.analysis.benchmark.works import (
    CONVOLUTIONAL,
    LABELS,
    Entry,
    Work,
)

TORCH_DTYPES = {
    'fp32': torch.float32,
    'bf16': torch.bfloat16,
    'fp16': torch.float16,
}
# A call shorter than this is repeated, so that a clock can measure it.
SHORTEST = 0.05
MIN_ROUNDS = 3
# Height and width on which libraries set themselves up.
SMALL = 64


class Runner:
    """A contender with its input, ready to do a step.

    Args:
        entry: Who, in which precision, compiled or not.
        work: What.
        device: Where.
    """

    def __init__(self, entry: Entry, work: Work, device: str):
        self.training = work.mode == 'training'
        self.device = device
        self.dtype = TORCH_DTYPES[entry.dtype]
        model = build(entry.contender, work, entry.compiled).to(device)
        # Not chained: mmdet's Swin returns nothing.
        model.train(self.training)
        self.autocast = entry.autocast
        generator = torch.Generator().manual_seed(0)
        shape = (work.batch, 3, *work.size)
        self.inputs = torch.rand(shape, generator=generator).to(device)
        if not self.autocast:
            model = model.to(self.dtype)
            self.inputs = self.inputs.to(self.dtype)
        if entry.contender in CONVOLUTIONAL:
            layout = torch.channels_last
            model = model.to(memory_format=layout)
            self.inputs = self.inputs.to(memory_format=layout)
        self.model = model

    def __call__(self, inputs: Tensor | None = None) -> list[Tensor]:
        """Does one step, on its own input by default; returns features."""
        inputs = self.inputs if inputs is None else inputs
        context = contextlib.nullcontext()
        if self.autocast:
            kind = torch.device(self.device).type
            context = torch.autocast(kind, self.dtype)
        if not self.training:
            with torch.inference_mode(), context:
                return _tensors(self.model(inputs))
        self.model.zero_grad()
        with context:
            outs = _tensors(self.model(inputs))
            loss = sum(out.float().square().mean() for out in outs)
        loss.backward()
        return [out.detach() for out in outs]


def _tensors(outputs: Any) -> list[Tensor]:
    if isinstance(outputs, Tensor):
        return [outputs]
    return [t for out in outputs if out is not None for t in _tensors(out)]


def relative_error(outs: list[Tensor], expected: list[Tensor]) -> float:
    """Largest relative L2 distance of an output from the expected one."""
    errors = [
        (out.float() - want.float()).norm() / want.float().norm()
        for out, want in zip(outs, expected, strict=True)
    ]
    # NaN is the largest to a tensor, and unseen by Python.
    return torch.stack(errors).max().item()


def time_in_turn(
    runners: dict[Entry, Callable[[], Any]],
    device: str,
    rounds: int,
    seconds: float,
    tick: Callable[[], None] = lambda: None,
) -> dict[Entry, list[float]]:
    """Times steps in turn, so that what slows the machine slows all.

    Args:
        runners: What to time, warmed up.
        device: Where it runs.
        rounds: How often each has its turn.
        seconds: After this long, three turns are enough.
        tick: Called after each turn.

    Returns:
        Seconds of a step in each round.
    """
    repeats = {}
    for entry, runner in runners.items():
        first = _clock(runner, 1, device)
        repeats[entry] = max(1, round(SHORTEST / first))
    times: dict[Entry, list[float]] = {entry: [] for entry in runners}
    order = list(runners)
    start = time.perf_counter()
    for done in range(rounds):
        if done >= MIN_ROUNDS and time.perf_counter() - start > seconds:
            break
        # Nobody always runs after the same neighbour.
        order.append(order.pop(0))
        for entry in order if done % 2 else reversed(order):
            spent = _clock(runners[entry], repeats[entry], device)
            times[entry].append(spent)
            tick()
    return times


def _clock(call: Callable[[], Any], repeats: int, device: str) -> float:
    synchronize(device)
    start = time.perf_counter()
    for _ in range(repeats):
        call()
    synchronize(device)
    return (time.perf_counter() - start) / repeats


def on_gpu(device: str) -> bool:
    """Whether a device is a GPU and no CPU."""
    return torch.device(device).type == 'cuda'


def exact_fp32() -> None:
    """Has float32 mean float32 on a GPU, in convolutions too: no TF32."""
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False


def synchronize(device: str) -> None:
    """Waits until the device has done what it was given."""
    if on_gpu(device):
        torch.cuda.synchronize(device)


@dataclass(frozen=True)
class Spread:
    """Median and quartiles of numbers that were measured."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: list[float]) -> 'Spread':
        """Of at least two values."""
        low, median, high = statistics.quantiles(
            values, n=4, method='inclusive'
        )
        return cls(median, low, high)


def peak_memory(entry: Entry, work: Work, device: str) -> int:
    """Bytes that a step needs at most besides weights and input.

    On a CPU, by how much the memory of a process of its own grows: what the
    operating system sees, with every temporary of every library. On a GPU,
    what PyTorch allocates.

    Raises:
        BrokenProcessPool: If the operating system ends the process.
    """
    if on_gpu(device):
        return _peak_on_gpu(Runner(entry, work, device), device)
    # A process of its own, as memory that was freed may be used again.
    context = multiprocessing.get_context('spawn')
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        threads = torch.get_num_threads()
        return pool.submit(_peak_of_entry, entry, work, threads).result()


def _peak_of_entry(entry: Entry, work: Work, threads: int) -> int:
    torch.set_num_threads(threads)
    runner = Runner(entry, work, 'cpu')
    if entry.contender in LABELS:
        # What libraries set up once is not of the step.
        runner(runner.inputs[..., :SMALL, :SMALL])
        runner.model.zero_grad()
    return peak_growth(runner)


def _peak_on_gpu(runner: Runner, device: str) -> int:
    runner()
    runner.model.zero_grad()
    gc.collect()
    synchronize(device)
    before = torch.cuda.memory_allocated(device)
    torch.cuda.reset_peak_memory_stats(device)
    runner()
    synchronize(device)
    return torch.cuda.max_memory_allocated(device) - before


def peak_growth(call: Callable[[], Any]) -> int:
    """By how many bytes the memory of this process grows in a call, at most.

    Linux forgets the peak of what was before when it is told to; elsewhere
    that of the whole process is read, which is the call's if nothing larger
    was before.
    """
    gc.collect()
    with contextlib.suppress(OSError):
        Path('/proc/self/clear_refs').write_text('5')
    before = _resident()
    call()
    return _peak() - before


def _resident() -> int:
    try:
        return _status('VmRSS')
    except OSError:
        return _peak()


def _peak() -> int:
    try:
        return _status('VmHWM')
    except OSError:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        # macOS counts bytes.
        return peak if sys.platform == 'darwin' else peak * 1024


def _status(key: str) -> int:
    for line in Path('/proc/self/status').read_text().splitlines():
        if line.startswith(f'{key}:'):
            return int(line.split()[1]) * 1024
    raise OSError(f'/proc/self/status has no {key}')


def matmul_ceiling(dtype: str, device: str) -> float:
    """Multiply-accumulates a second of a large matrix product."""
    side = 8192 if on_gpu(device) else 2048
    a = torch.rand(side, side, device=device, dtype=TORCH_DTYPES[dtype])
    best = min(_clock(lambda: a @ a, 1, device) for _ in range(8))
    return side**3 / best
