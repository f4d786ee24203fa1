"""The device: what it is, what it can do."""

import platform
import re
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from mmuniformer.compat.versions import installed
from mmuniformer.errors import UserError

TORCH_DTYPES = {
    'fp32': torch.float32,
    'bf16': torch.bfloat16,
    'fp16': torch.float16,
}
PACKAGES = (
    'torch',
    'mmcv',
    'mmengine',
    'mmdet',
    'mmaction',
    'mmpretrain',
    'timm',
    'onnxruntime',
    'openvino',
    'nncf',
)
# Sides of a large matrix.
LARGE = {'cpu': 2048, 'cuda': 8192}


def check_device(device: str | None) -> str:
    """A device that is there: CUDA by default, where there is one.

    Raises:
        UserError: If the one that is asked for is not.
    """
    if device is None:
        return 'cuda' if torch.cuda.is_available() else 'cpu'
    try:
        chosen = torch.device(device)
    except RuntimeError as error:
        raise UserError(f"--device '{device}' is no device") from error
    if chosen.type not in LARGE:
        raise UserError(f'--device {device}: cpu or cuda can be measured')
    if on_gpu(device) and not torch.cuda.is_available():
        raise UserError(f'--device {device}: PyTorch sees no GPU here')
    if on_gpu(device) and (chosen.index or 0) >= torch.cuda.device_count():
        raise UserError(
            f'--device {device}: PyTorch sees {torch.cuda.device_count()} '
            'GPUs, which count from 0'
        )
    return device


def on_gpu(device: str) -> bool:
    """Whether a device is a GPU and no CPU."""
    return torch.device(device).type == 'cuda'


def exact_fp32() -> None:
    """Has float32 mean float32 on a GPU, in convolutions too: no TF32."""
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False


def clock(
    call: Callable[[], Any],
    repeats: int,
    device: str,
    now: Callable[[], float] = time.perf_counter,
) -> float:
    """Seconds of a call: the mean of some, and no other is made.

    (``torch.utils.benchmark`` warms up by two more each time.)

    Args:
        call (Callable): What is timed.
        repeats (int): How often it is called.
        device (str): Where it runs.
        now (Callable): Tells the time.
    """
    wait = torch.cuda.synchronize if on_gpu(device) else lambda device: None
    wait(device)
    start = now()
    for _ in range(repeats):
        call()
    wait(device)
    return (now() - start) / repeats


def matmul_ceiling(
    dtype: str, device: str, now: Callable[[], float] = time.perf_counter
) -> float:
    """Multiply-accumulates a second of a large matrix product."""
    side = LARGE[torch.device(device).type]
    a = torch.rand(side, side, device=device, dtype=TORCH_DTYPES[dtype])
    return side**3 / min(
        clock(lambda: a @ a, 1, device, now) for _ in range(8)
    )


def environment(device: str, own_time: bool = False) -> dict[str, str]:
    """What a number is worth nothing without.

    Args:
        device (str): Where it was measured.
        own_time (bool): Whether it is of the process's own time.
    """
    if on_gpu(device):
        hardware = torch.cuda.get_device_name(device)
        hardware += f', CUDA {torch.version.cuda}, fp32 without TF32'
    else:
        hardware = f'{_cpu_name()}, {_threads()}'
        hardware += f', {torch.backends.cpu.get_cpu_capability()}'
        hardware += f', bf16: {_bf16_unit()}'
    if own_time:
        hardware += ", of a shared machine: time is the process's own"
    packages = ', '.join(f'{p} {installed(p) or "none"}' for p in PACKAGES)
    return {
        'date': datetime.now(UTC).strftime('%Y-%m-%d %H:%M UTC'),
        'command': ' '.join(['python', *sys.argv]),
        'device': hardware,
        'system': f'{platform.system()}, Python {platform.python_version()}',
        'packages': packages,
    }


def _threads() -> str:
    number = torch.get_num_threads()
    return f'{number} thread{"s" * (number > 1)}'


def _bf16_unit() -> str:
    """What the CPU multiplies bfloat16 with."""
    for unit in ('amx_tile', 'avx512_bf16'):
        if getattr(torch.cpu, f'_is_{unit}_supported', bool)():
            return unit.removesuffix('_tile')
    return 'none'


def _cpu_name() -> str:
    with suppress(OSError):
        content = Path('/proc/cpuinfo').read_text()
        found = re.search(r'^model name\s*: *(.+)', content, re.MULTILINE)
        if found:
            return found[1]
    return platform.processor() or platform.machine()
