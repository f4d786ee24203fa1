"""Time and memory of a step."""

import ctypes
import gc
import multiprocessing
import re
import resource
import statistics
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from .device import TORCH_DTYPES, clock, on_gpu
from .models import build
from .runtimes import RuntimeRunner
from .workloads import OTHERS, RUNTIMES, Variant, Workload, input_size

# A call shorter than this is repeated, so that a clock can measure it.
SHORTEST = 0.05
MIN_ROUNDS = 3
# Height and width on which libraries set themselves up.
SMALL = 64


class Runner:
    """A variant with its input, ready to do a step.

    Args:
        variant (Variant): What runs.
        workload (Workload): What is run.
        device (str): Where.
    """

    def __init__(self, variant: Variant, workload: Workload, device: str):
        self.training = workload.mode == 'training'
        dtype = TORCH_DTYPES[variant.dtype]
        self.autocast = dict(
            device_type=torch.device(device).type,
            dtype=dtype if variant.autocast else None,
            enabled=variant.autocast,
        )
        how = dict(device=device)
        if not variant.autocast:
            how['dtype'] = dtype
        if variant.name in OTHERS and not workload.is_video:
            # All of them run fastest so, as ours do of themselves.
            how['memory_format'] = torch.channels_last
        self.model = build(variant, workload).to(**how)
        # Not chained: mmdet's Swin returns nothing.
        self.model.train(self.training)
        generator = torch.Generator().manual_seed(0)
        shape = (workload.batch, 3, *input_size(variant, workload))
        self.inputs = torch.rand(shape, generator=generator).to(**how)

    def __call__(self, inputs: Tensor | None = None) -> list[Tensor]:
        """Does one step, on its own input by default; returns features."""
        inputs = self.inputs if inputs is None else inputs
        if not self.training:
            with torch.inference_mode(), torch.autocast(**self.autocast):
                return _tensors(self.model(inputs))
        self.model.zero_grad()
        with torch.autocast(**self.autocast):
            outs = _tensors(self.model(inputs))
            loss = sum(out.float().square().mean() for out in outs)
        loss.backward()
        return [out.detach() for out in outs]


def runner_of(
    variant: Variant, workload: Workload, device: str
) -> Runner | RuntimeRunner:
    """What does a step of a workload, in whatever runs it."""
    if variant.name in RUNTIMES:
        return RuntimeRunner(variant, workload)
    return Runner(variant, workload, device)


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
    steps: dict[Any, Callable[[], Any]],
    device: str,
    rounds: int,
    seconds: float,
    now: Callable[[], float] = time.perf_counter,
) -> dict[Any, list[float]]:
    """Times steps in turn, so that what slows the machine slows all.

    Args:
        steps (dict): What to time, warmed up.
        device (str): Where it runs.
        rounds (int): How often each has its turn.
        seconds (float): After this long, three turns are enough.
        now (Callable): Tells the time.

    Returns:
        dict: Seconds of a step in each round.
    """
    start = time.perf_counter()
    once = {key: clock(step, 1, device, now) for key, step in steps.items()}
    repeats = {key: max(1, round(SHORTEST / t)) for key, t in once.items()}
    # Long steps need no second look at how long they are.
    all_long = all(number == 1 for number in repeats.values())
    times = {key: [once[key]] if all_long else [] for key in steps}
    order = list(steps)
    for done in range(int(all_long), rounds):
        if done >= MIN_ROUNDS and time.perf_counter() - start > seconds:
            break
        # None always runs after the same neighbour.
        order.append(order.pop(0))
        for key in order if done % 2 else reversed(order):
            times[key].append(clock(steps[key], repeats[key], device, now))
    return times


def quartiles(values: list[float]) -> list[float]:
    """Lower quartile, median and upper quartile of at least two values."""
    return statistics.quantiles(values, n=4, method='inclusive')


def peak_memory(variant: Variant, workload: Workload, device: str) -> int:
    """Bytes that a step needs at most besides weights and input.

    On a CPU, by how much the memory of a process of its own grows: what the
    operating system sees, with every temporary of every library. On a GPU,
    what PyTorch allocates.

    Raises:
        BrokenProcessPool: If the operating system ends the process.
    """
    if on_gpu(device):
        return _peak_on_gpu(Runner(variant, workload, device), device)
    # A process of its own, as memory that was freed may be used again: made
    # by one that has imported everything, and run nothing.
    context = multiprocessing.get_context('forkserver')
    context.set_forkserver_preload([__name__, 'mmuniformer.models', 'timm'])
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        threads = torch.get_num_threads()
        return pool.submit(_peak_on_cpu, variant, workload, threads).result()


def _peak_on_cpu(variant: Variant, workload: Workload, threads: int) -> int:
    torch.set_num_threads(threads)
    runner = Runner(variant, workload, 'cpu')
    # What libraries set up once is not of the step.
    if variant.name in OTHERS:
        # Some take no other size than their own.
        build(Variant('ours'), Workload('S', (SMALL, SMALL)))(
            torch.rand(1, 3, SMALL, SMALL)
        )
    else:
        runner(runner.inputs[..., :SMALL, :SMALL])
        runner.model.zero_grad()
    return peak_growth(runner)


def _peak_on_gpu(runner: Runner, device: str) -> int:
    runner()
    runner.model.zero_grad()
    gc.collect()
    torch.cuda.synchronize(device)
    before = torch.cuda.memory_allocated(device)
    torch.cuda.reset_peak_memory_stats(device)
    runner()
    torch.cuda.synchronize(device)
    return torch.cuda.max_memory_allocated(device) - before


def peak_growth(call: Callable[[], Any]) -> int:
    """By how many bytes the memory of this process grows in a call, at most.

    Linux forgets the peak of what was before when it is told to; elsewhere
    that of the whole process is read, which is the call's if nothing larger
    was before.
    """
    gc.collect()
    # What was freed before would be used again, and not be seen to grow.
    with suppress(OSError, AttributeError):
        ctypes.CDLL('libc.so.6').malloc_trim(0)
    with suppress(OSError):
        Path('/proc/self/clear_refs').write_text('5')
    before = _memory('VmRSS')
    call()
    return _memory('VmHWM') - before


def _memory(key: str) -> int:
    """Bytes that the process has ('VmRSS'), or has had ('VmHWM')."""
    with suppress(OSError):
        content = Path('/proc/self/status').read_text()
        found = re.search(rf'^{key}:\s*(\d+)', content, re.MULTILINE)
        if found:
            return int(found[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # macOS counts bytes.
    return peak if sys.platform == 'darwin' else peak * 1024
