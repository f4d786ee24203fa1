"""What a test pipeline does to an image, in words of no library."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from torch import Tensor

from mmuniformer.nodes import type_name

# Of no effect on what the model sees of an image.
SILENT = (
    'Init',
    'Decode',
    'Load',
    'Pack',
    'FormatShape',
    'GetBBoxCenterScale',
    'ChannelOrder',
    'Collect',
    'NumpyToPIL',
    'PILToNumpy',
)
# After which `size` is that of the image.
SIZED = ('resize', 'center_crop', 'three_crops', 'box_to_crop')
# Settings of mmpretrain's that turn RGB to BGR, or BGR to RGB.
TURNS = {'NumpyToPIL': 'to_rgb', 'PILToNumpy': 'to_bgr'}
# Of boxes, by mmpose.
PADDING = 1.25
# Transforms of mmaction2 and of this package that choose frames.
SAMPLERS = {
    'SampleFrames': 'interval',
    'DenseSampleFrames': 'interval',
    'DenseSample': 'stretch',
    'UniformSample': 'segments',
    'UniformSampleFrames': 'segments',
}
ABOUT_FRAMES = {
    'interval': 'a clip is every `interval`-th frame, from places that are '
    'spread evenly over the video',
    'stretch': 'a clip is `frames` frames of a stretch of `frames * interval` '
    'frames; stretches are spread evenly over the video',
    'segments': 'the video is cut into `frames` equal segments, and a clip '
    'has a frame of each',
}


def reads_rgb(library: str, pipeline: Sequence[Mapping]) -> bool:
    """Whether a pipeline gives RGB, before the host's preprocessor.

    Args:
        library (str): A key of ``HOSTS``.
        pipeline (Sequence[Mapping]): Its transforms.
    """
    # mmaction2's readers decode RGB, the others BGR unless told otherwise.
    if library != 'mmaction':
        is_rgb = pipeline[0].get('channel_order') == 'rgb'
        # Each of them that says so turns the colours around.
        turns = [
            node.get(TURNS[type_name(node)], False)
            for node in pipeline
            if type_name(node) in TURNS
        ]
        return is_rgb != bool(sum(map(bool, turns)) % 2)
    return not any(
        type_name(node) == 'ChannelOrder' and node.get('order', 'bgr') == 'bgr'
        for node in pipeline
    )


def pixels_of(images: Tensor, is_bgr: bool, dtype: str) -> np.ndarray:
    """What a host's test pipeline gives, as an exported model takes it.

    Args:
        images (Tensor): (B, C, H, W), or clips (B, C, T, H, W).
        is_bgr (bool): Whether three channels are BGR.
        dtype (str): Of the result: 'uint8' or 'float32'.

    Returns:
        np.ndarray: (B, H, W, C) or (B, T, H, W, C), RGB.
    """
    if is_bgr and images.shape[1] == 3:
        images = images[:, [2, 1, 0]]
    array = images.movedim(1, -1).cpu().numpy()
    if dtype == 'uint8' and array.dtype != np.uint8:
        array = np.rint(array).clip(0, 255)
    return np.ascontiguousarray(array, dtype)


def steps_of(
    library: str, pipeline: Sequence[Mapping]
) -> list[dict[str, Any]]:
    """What happens to an image before the model, in order.

    Args:
        library (str): A key of ``HOSTS``.
        pipeline (Sequence[Mapping]): Transforms of a test.

    Returns:
        list[dict]: Each has an ``op``. Sizes are [height, width]. Of a
        transform that is not known here ``op`` is its class, and the rest its
        settings.
    """
    steps, padding = [], PADDING
    for node in pipeline:
        if type_name(node) == 'GetBBoxCenterScale':
            padding = float(node.get('padding', PADDING))
        if type_name(node) == 'Resize' and library == 'mmaction':
            # Its default, and no other library's.
            node = dict(keep_ratio=True) | dict(node)
        steps += _steps(node, padding)
    return steps


def _steps(node: Mapping, padding: float) -> list[dict[str, Any]]:
    name = type_name(node)
    if name in SAMPLERS or any(word in name for word in SILENT):
        return []
    method = dict(interpolation=node.get('interpolation', 'bilinear'))
    if name == 'Resize':
        return [{**_resize(node), **method}]
    if name == 'ResizeEdge':
        edge = node.get('edge', 'short')
        return [{'op': 'resize', f'{edge}_edge': node['scale'], **method}]
    if name == 'ResizeToMultiple':
        return [dict(op='resize', multiple_of=node.get('size_divisor', 32))]
    if name in ('CenterCrop', 'ThreeCrop'):
        kind = 'center_crop' if name == 'CenterCrop' else 'three_crops'
        # Width and height, in all of the libraries.
        return [dict(op=kind, size=_pair(node['crop_size'])[::-1])]
    if name == 'torchvision/Resize':
        size = node['size']
        is_edge = isinstance(size, int)
        sides = dict(short_edge=size) if is_edge else dict(size=_pair(size))
        return [dict(op='resize', **sides, **method)]
    if name == 'torchvision/CenterCrop':
        return [dict(op='center_crop', size=_pair(node['size']))]
    if name == 'TopdownAffine':
        return [
            dict(
                op='box_to_crop',
                size=_pair(node['input_size'])[::-1],
                padding=padding,
                about='the box of an object, widened to the ratio of the '
                'sides of the crop and by `padding`, scaled to its size',
            )
        ]
    if name == 'Pad' and node.get('size_divisor'):
        return [dict(op='pad', multiple_of=node['size_divisor'])]
    return [dict(op=name, **{k: _plain(v) for k, v in node.items()})]


def _resize(node: Mapping) -> dict[str, Any]:
    scale = node.get('scale')
    if scale is None:
        return dict(op='resize', factor=_plain(node.get('scale_factor')))
    if isinstance(scale, float):
        # Of mmaction2.
        return dict(op='resize', factor=scale)
    if isinstance(scale, int):
        return dict(op='resize', size=_pair(scale))
    known = [int(side) for side in scale if 0 < side < math.inf]
    if len(known) == 1:
        return dict(op='resize', short_edge=known[0])
    width, height = known
    if node.get('keep_ratio', False):
        return dict(
            op='resize',
            long_edge_at_most=max(width, height),
            short_edge_at_most=min(width, height),
        )
    return dict(op='resize', size=[height, width])


def size_of(steps: Sequence[Mapping]) -> tuple[tuple[int, int], bool] | None:
    """Height and width of images after all steps.

    Args:
        steps (Sequence[Mapping]): From :func:`steps_of`.

    Returns:
        tuple or None: The size, and whether each image has it; else it is
        only one that is usual. None where nothing tells.
    """
    for step in reversed(steps):
        if 'size' in step and step['op'] in SIZED:
            return (step['size'][0], step['size'][1]), True
        if 'short_edge_at_most' in step:
            short, long = step['short_edge_at_most'], step['long_edge_at_most']
            # Few images are as long as they may be.
            return (short, min(long, short * 4 // 3)), False
        if 'short_edge' in step:
            return (step['short_edge'], step['short_edge'] * 4 // 3), False
    return None


def clip_of(pipeline: Sequence[Mapping]) -> dict[str, Any] | None:
    """How frames are chosen; None of images."""
    for node in pipeline:
        name = type_name(node)
        if name in SAMPLERS:
            rule = SAMPLERS[name]
            clip = dict(
                frames=int(node['clip_len']),
                clips=int(node.get('num_clips', 1)),
                rule=rule,
                about=ABOUT_FRAMES[rule],
            )
            if rule != 'segments':
                clip['interval'] = int(node.get('frame_interval', 1))
            return clip
    return None


def _pair(size: Any) -> list[int]:
    if isinstance(size, int | float):
        return [int(size), int(size)]
    return [int(side) for side in size]


def _plain(value: Any) -> Any:
    """A setting as JSON has it."""
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    plain = value is None or isinstance(value, bool | int | float | str)
    return value if plain else str(value)
