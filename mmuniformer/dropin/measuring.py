"""What a host's backbone and neck give, by running them on a small input."""

import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from inspect import Parameter, signature
from typing import Any

import torch
from mmengine.logging import MMLogger
from mmengine.registry import MODELS
from torch import Tensor, nn
from torchvision.models import get_model

from mmuniformer.nodes import walk

# Sides to try, in this order: some backbones take one size only.
SIDES = (128, 224, 256, 384, 512, 32)
FRAMES = (8, 32)
# Argument of EfficientFormer: a map where it gives tokens.
AS_MAP = 'reshape_last_feat'
# (T, H, W) that C3D's linear layers are made for.
C3D_INPUT = (16, 112, 112)
# Prefix of the types that mmaction2 builds without a registry.
TORCHVISION = 'torchvision.'
# Of the maps that a neck is given: no level is empty.
NECK_SIDE = 256


@dataclass(frozen=True)
class Level:
    """One output of a backbone.

    Attributes:
        channels (int): Of the map, or of the vector.
        stride (int): Pixels of the input for one of the map, a power of two;
            0 for a vector.
    """

    channels: int
    stride: int


class NotMeasured(Exception):
    """A backbone that does not run on an image alone."""


class NotRegistered(LookupError):
    """A type that a config names, and that nobody has registered."""


def measure_backbone(
    backbone: dict,
    ndim: int,
    sizes: Iterable[Sequence[int]] = (),
    channels: int = 3,
) -> list[Level]:
    """Builds a backbone and sees what it makes of a small input.

    Args:
        backbone (dict): Its node of a config.
        ndim (int): 2 for images, 3 for clips.
        sizes (Iterable[Sequence[int]]): (H, W) that it may be made for.
        channels (int): Of its input.

    Raises:
        NotMeasured: If it cannot be built, takes more than an input, or gives
            other things than maps or vectors.
    """
    try:
        module = build(backbone)
    except Exception as error:
        raise NotMeasured(f'it cannot be built: {one_line(error)}') from error
    # Those that shift or share features between the frames of one clip.
    segments = getattr(module, 'num_segments', 1)
    told = None
    # Some transformers of video take one number of frames only.
    frames = dict.fromkeys([backbone.get('num_frames', FRAMES[0]), *FRAMES])
    for size in shapes(ndim, sizes, frames):
        try:
            with torch.inference_mode():
                outs = module(torch.zeros(segments, channels, *size))
        except Exception as error:
            told = told or error
            continue
        levels = list(_levels(outs, size[-2:]))
        if not levels:
            raise NotMeasured('it gives nothing')
        return levels
    raise NotMeasured(
        f'it does not run on images alone: {one_line(told)}'
    ) from told


def is_frozen(backbone: dict) -> bool:
    """Whether nothing of a backbone is trained, as where a probe is."""
    if not isinstance(backbone.get('frozen_stages'), int):
        return False
    return not any(part.requires_grad for part in build(backbone).parameters())


def shapes(
    ndim: int, sizes: Iterable[Sequence[int]], frames: Iterable[int] = FRAMES
) -> Iterator[tuple]:
    """Sizes of inputs to try, (H, W) or (T, H, W)."""
    squares = [(side, side) for side in SIDES]
    sides = [squares[0], *map(tuple, sizes), *squares[1:]]
    if ndim == 2:
        yield from sides
        return
    # 64 pixels first: clips are large.
    for count in frames:
        yield from ((count, *side) for side in [(64, 64), *sides[:3]])
    yield C3D_INPUT


def measure_neck(
    neck: dict | list, levels: Sequence[Level], ndim: int
) -> list[int] | None:
    """Channels of what a neck makes of maps like ``levels``.

    Args:
        neck (dict or list): Its node of a config.
        levels (Sequence[Level]): What it is given.
        ndim (int): 2 for images, 3 for clips.

    Returns:
        list[int] or None: None where a neck needs more than maps.
    """
    frames = (4,) if ndim == 3 else ()
    maps = tuple(
        torch.zeros(1, level.channels, *frames, *_sides(level.stride))
        for level in levels
    )
    nodes = neck if isinstance(neck, list | tuple) else [neck]
    try:
        with torch.inference_mode():
            outs: Any = maps
            for node in nodes:
                outs = build(node)(outs)
        return [out.shape[1] for out in _tensors(outs)]
    except Exception:
        return None


def _sides(stride: int) -> tuple[int, int]:
    side = max(NECK_SIDE // stride, 1) if stride else 1
    return side, side


def build(node: dict) -> nn.Module:
    """A module in eval mode, without weights of a file."""
    with quiet():
        return _build(deepcopy(node))


@contextmanager
def quiet() -> Iterator[None]:
    """Keeps the line that mmengine logs for each parameter to itself."""
    logger = MMLogger.get_current_instance()
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(level)


def _build(node: dict) -> nn.Module:
    for _, inner in walk(node):
        for key in ('init_cfg', 'pretrained'):
            if key in inner:
                # TIMMBackbone takes nothing else.
                inner[key] = False if isinstance(inner[key], bool) else None
    kind = str(node['type'])
    if kind.startswith(TORCHVISION):
        module = get_model(kind.removeprefix(TORCHVISION))
        # mmaction2 reads the maps of those that have them.
        module = getattr(module, 'features', module)
    else:
        if AS_MAP in arguments(node):
            node[AS_MAP] = True
        module = MODELS.build(node)
    # mmdet's ResNet gives nothing back from it.
    module.eval()
    return module


def arguments(node: dict, scope: str | None = None) -> dict[str, Parameter]:
    """What the class of a node may be given, also through ``**kwargs``.

    Its own arguments come first, those of its parents after them.

    Args:
        node (dict): Of a config; its type is registered.
        scope (str, optional): Where a name without one is looked up; by
            default, in the scope that is active.

    Raises:
        NotRegistered: If it is not.
    """
    kind = node['type']
    if isinstance(kind, str):
        with MODELS.switch_scope_and_registry(scope) as registry:
            name, kind = kind, registry.get(kind)
        if kind is None:
            raise NotRegistered(
                f'{name} is in no registry: install its package, or name its '
                'module in custom_imports'
            )
    known: dict[str, Parameter] = {}
    for parent in kind.__mro__:
        own = signature(parent.__init__).parameters
        for name, parameter in own.items():
            known.setdefault(name, parameter)
        if all(one.kind != one.VAR_KEYWORD for one in own.values()):
            break
    return known


def _levels(outs: Any, size: Sequence[int]) -> Iterator[Level]:
    for out in _tensors(outs):
        # LeNet squeezes the one sample as well.
        if out.dim() in (1, 2):
            yield Level(out.shape[-1], 0)
        elif out.dim() in (4, 5):
            ratio = max(size[0] / out.shape[-2], 1)
            exponent = round(torch.tensor(ratio).log2().item())
            yield Level(out.shape[1], 2**exponent)
        else:
            raise NotMeasured(
                f'it gives tokens, of {tuple(out.shape)}, and no maps'
            )


def _tensors(outs: Any) -> Iterator[Tensor]:
    if isinstance(outs, Tensor):
        yield outs
        return
    if outs is None:
        # Of Inception's scores, the second ones.
        return
    if isinstance(outs, dict):
        outs = list(outs.values())
    if not isinstance(outs, list | tuple):
        raise NotMeasured(f'it gives a {type(outs).__name__}, and no maps')
    for out in outs:
        yield from _tensors(out)


def one_line(error: BaseException | None) -> str:
    """The first line of an error, with its kind where that says more."""
    lines = str(error).strip().splitlines()
    text = lines[0] if lines else ''
    return f'{type(error).__name__}: {text[:160]}'
