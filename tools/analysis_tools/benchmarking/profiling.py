"""Where the time of a step goes."""

import re
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from torch.profiler import ProfilerActivity, profile

from .device import on_gpu

DEPTHWISE, CONVOLUTION = 'depthwise convolution', 'other convolution'
# The first that is found in the name of an operator.
KINDS = {
    'matrix products': r'mm$|mm_|linear|matmul',
    'fused attention': r'scaled_dot_product|flash|efficient_attention',
    'softmax': r'softmax',
    'normalisation': r'layer_norm|batch_norm',
    'GELU': r'gelu',
    'copies': r'copy|clone|contiguous|cat$|pad',
    'sums, products': r'add|mul|sub|div|sum|mean|fill|zero',
}
OTHER = 'other'
COLUMNS = (DEPTHWISE, CONVOLUTION, *KINDS, OTHER)


def where_time_goes(
    step: Callable[[], Any], device: str, steps: int = 3
) -> dict[str, float]:
    """Seconds that a step spends in each kind of operator.

    Args:
        step (Callable): What is looked at, warmed up and not compiled: an
            operator that a compiler has made counts as other.
        device (str): Where it runs.
        steps (int): Over how many steps the mean is taken.

    Returns:
        dict[str, float]: A number for each of ``COLUMNS``.
    """
    gpu = on_gpu(device)
    activities = [ProfilerActivity.CPU]
    if gpu:
        activities.append(ProfilerActivity.CUDA)
    with profile(activities=activities, record_shapes=True) as recorded:
        for _ in range(steps):
            step()
    spent: dict[str, float] = defaultdict(float)
    for event in recorded.key_averages(group_by_input_shape=True):
        # Their kernels count for the operators that start them.
        if gpu and not event.key.startswith('aten::'):
            continue
        time = (
            event.self_device_time_total if gpu else event.self_cpu_time_total
        )
        spent[_kind(event.key, event.input_shapes)] += time / 1e6 / steps
    return {column: spent[column] for column in COLUMNS}


def _kind(name: str, shapes: list[list[int]]) -> str:
    if 'conv' in name:
        # Of the backward pass, the first is the gradient.
        weight = shapes[2 if 'backward' in name else 1] if shapes else []
        return DEPTHWISE if len(weight) > 1 and weight[1] == 1 else CONVOLUTION
    for kind, pattern in KINDS.items():
        if re.search(pattern, name):
            return kind
    return OTHER
