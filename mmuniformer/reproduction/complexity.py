"""Parameters and FLOPs of the paper's models, beside the printed ones."""

import hashlib
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from mmuniformer.checks.scan import remembered
from mmuniformer.engine.config import load_config
from mmuniformer.reproduction.places import PACKAGE, root
from mmuniformer.reproduction.rows import (
    Model,
    decimals,
    is_near,
    models,
    rounds_to,
)

VIDEO = (
    'configs/video/uniformer/uniformer-small_imagenet1k-pre_8xb4-16x4x1-110e_'
    'kinetics400-rgb.py'
)
# What a structure of Table 15 is made of.
STRUCTURE = (
    'stage_types',
    'kv_strides',
    'local_size',
    'use_dpe',
    'local_ffn',
)
IMAGENET_CLASSES = 1000
# Of UniFormer-XXS without a score token.
PLAIN_HEAD = dict(
    _delete_=True,
    type='LinearClsHead',
    num_classes=IMAGENET_CLASSES,
    in_channels=448,
)

LARGE = (
    'the official code has the printed parameters and these FLOPs; the '
    'printed FLOPs are those of no known way of counting'
)
DESIGN = 'printed figures of this table are rounded up: {:.4f}'
LIGHT = (
    'the official code, counted by fvcore, has these FLOPs; the printed '
    'figure is not theirs'
)


@dataclass(frozen=True)
class Row:
    """A model, counted.

    Args:
        id (str): Official id, or the name of the config.
        config (str): Path of the config.
        tables (list[int]): Tables of the paper that it is in.
        input (list[int]): H and W, with T in front for video.
        views (int): Views of a video.
        params (int): Parameters.
        params_paper (float, optional): Printed.
        flops (int): FLOPs of all views: multiply-accumulates.
        flops_paper (float, optional): Printed.
        ratio (float, optional): FLOPs by the printed ones; parameters by the
            printed ones, where no FLOPs are printed.
        counted (str, optional): In what the count is not that of the config,
            because the printed one is not.
        explained (str, optional): Why a figure is not within 1 % of the
            printed one.
    """

    id: str
    config: str
    tables: list[int]
    input: list[int]
    views: int
    params: int
    params_paper: float | None
    flops: int
    flops_paper: float | None
    ratio: float | None
    counted: str | None
    explained: str | None


def complexity_rows(
    chosen: Callable[[Model], bool] = lambda model: model.has_config,
    status: Callable[[str], None] = lambda text: None,
) -> list[Row]:
    """Counts the models of all tables.

    What was counted is remembered until a config or the code of the models
    changes.

    Args:
        chosen (Callable): Says of a model whether it is counted; by default
            those that are a config, without further settings.
        status (Callable): Called with the id of what is counted next.
    """
    counted = []
    for model in filter(chosen, models()):
        status(model.id)
        counted.append((model, _remembered(model)))
    finest = _finest(counted)
    return [
        _row(model, found, finest.get(found['params']))
        for model, found in counted
    ]


def _finest(counted: list[tuple[Model, dict]]) -> dict[int, float]:
    """The print with most digits for each number of parameters.

    Table 2 prints millions of models that Table 1 has with a digit more.
    """
    finest: dict[int, float] = {}
    for model, found in counted:
        printed, params = model.params, found['params']
        if printed is not None and decimals(printed) >= decimals(
            finest.get(params, 0)
        ):
            finest[params] = printed
    return finest


def _row(model: Model, found: dict[str, Any], finest: float | None) -> Row:
    params = found['params'] / 1e6
    flops = found['flops'] * model.views / 1e9
    printed = None if model.params is None else finest
    pairs = [(flops, model.flops), (params, printed)]
    ratios = [here / paper for here, paper in pairs if paper is not None]
    far = [
        (here, paper)
        for here, paper in pairs
        if paper is not None and not is_near(here, paper)
    ]
    return Row(
        id=model.id,
        config=model.experiment.config,
        tables=sorted(set(model.tables)),
        input=list(model.clip or model.shape),
        views=model.views,
        params=found['params'],
        params_paper=None if printed is None else round(1e6 * printed),
        flops=found['flops'] * model.views,
        flops_paper=None if model.flops is None else round(1e9 * model.flops),
        ratio=round(ratios[0], 4),
        counted=found['counted'],
        explained='; '.join(_reason(model, *f) for f in far) or None,
    )


def _reason(model: Model, found: float, printed: float) -> str:
    """Why a figure is not the printed one.

    Raises:
        LookupError: If nobody has found out.
    """
    if rounds_to(found, printed):
        return f'{found:.3f} rounds to the printed {printed}'
    if 'uniformer-large' in model.experiment.config:
        return LARGE
    if model.settings and math.ceil(100 * found) == round(100 * printed):
        return DESIGN.format(found)
    if '_light/' in model.experiment.config:
        return LIGHT
    raise LookupError(f'{model.id}: {found:.3f}, and {printed} is printed')


def _remembered(model: Model) -> dict[str, Any]:
    about = [
        'complexity',
        _content(),
        model.experiment.config,
        model.shape,
        model.settings,
        model.clip,
        22 in model.tables,
    ]
    return remembered([], about, lambda: _count(model))


@cache
def _content() -> str:
    """Digest of what a count depends on."""
    import torch

    digest = hashlib.sha256(torch.__version__.encode())
    folders = (root() / 'configs', PACKAGE / 'models', PACKAGE / 'analysis')
    for folder in folders:
        for path in sorted(folder.rglob('*.py')):
            digest.update(path.relative_to(folder).as_posix().encode())
            digest.update(path.read_bytes())
    digest.update((PACKAGE / 'reproduction/complexity.py').read_bytes())
    return digest.hexdigest()


def _count(model: Model) -> dict[str, Any]:
    """Parameters and FLOPs of one view, counted as the printed ones are."""
    options = dict(_options(model.settings))
    if not model.settings.get('score_token', True):
        # Nothing is left for the head that trains it.
        options |= {
            'model.backbone.with_token': False,
            'model.head': PLAIN_HEAD,
        }
    found = _of_config(model.experiment.config, options, model.shape)
    params, flops, counted = found.model.params, found.model.total, None
    for part in found.parts:
        if part.name == 'head.aux_fc':
            params, flops = params - part.params, flops - part.total
            counted = 'without the classifier of tokens'
        if part.name == 'cls_head.token_head':
            params += _more_classes(model.experiment.config)
            counted = 'parameters with classifiers of 1000 classes'
    if 22 in model.tables:
        own = found.model.flops['attention']
        as_global = _without_windows(model, options)
        if as_global != own:
            flops += as_global - own
            counted = 'products of attention as if no block had windows'
    if model.clip is not None:
        flops = _of_config(*_for_video(model), model.clip).model.total
        counted = 'FLOPs of the same structure for a clip'
    return {'params': params, 'flops': flops, 'counted': counted}


def _of_config(config: str, options: dict, shape: tuple[int, ...]) -> Any:
    from mmuniformer.analysis.meta import build_on_meta, count

    cfg = load_config(root() / config, options)
    return count(build_on_meta(cfg), (3, *shape), depth=2)


def _without_windows(model: Model, options: dict[str, Any]) -> int:
    """Of attention's products, were all of stage 3 global.

    So Table 22 was counted: its figures are those of no other way.
    """
    options = {**options, 'model.backbone.stage3': 'global'}
    found = _of_config(model.experiment.config, options, model.shape)
    return found.model.flops['attention']


def _more_classes(config: str) -> int:
    """Parameters that both classifiers of a light model lack to ImageNet's."""
    head = load_config(root() / config).model.cls_head
    missing = IMAGENET_CLASSES - head.num_classes
    return 2 * missing * (head.in_channels + 1)


def _for_video(model: Model) -> tuple[str, dict[str, Any]]:
    """Config and options of the video model with an image model's blocks."""
    backbone = load_config(root() / model.experiment.config).model.backbone
    options = {key: backbone[key] for key in STRUCTURE if key in backbone}
    if isinstance(backbone.arch, dict):
        options['depth'] = tuple(backbone.arch.depths)
    return VIDEO, dict(_options(options))


def _options(settings: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for key, value in settings.items():
        yield f'model.backbone.{key}', value
