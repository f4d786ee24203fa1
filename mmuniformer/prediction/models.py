"""A model with its weights, its test pipeline and its classes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.logging import print_log
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import MODELS, DefaultScope, init_default_scope
from torch import nn

from mmuniformer.checkpoint.average import TRAINED, weights_of_test
from mmuniformer.checkpoint.classifier import name_for_host
from mmuniformer.checkpoint.description import Description, describe
from mmuniformer.checkpoint.form import DEPLOYED, backbones_of
from mmuniformer.checkpoint.matching import describe_mismatch
from mmuniformer.checkpoint.reading import read_checkpoint
from mmuniformer.checkpoint.values import check_values
from mmuniformer.checks.checkpoints import (
    check_is_file,
    is_url,
    newest_checkpoint,
)
from mmuniformer.checks.data_sets import data_sets
from mmuniformer.checks.finding import few, stop_on_errors
from mmuniformer.engine.config import load_config
from mmuniformer.engine.explain import readable_errors
from mmuniformer.engine.prepare import set_host_defaults
from mmuniformer.errors import UserError, first_line
from mmuniformer.hosts import HOSTS
from mmuniformer.nodes import type_name
from mmuniformer.zoo.names import find

WEIGHTS = ('.pth', '.pt', '.bin', '.safetensors')
# What a library's models are for.
TASKS = {
    'mmdet': 'detection',
    'mmseg': 'segmentation',
    'mmpose': 'pose',
    'mmaction': 'video',
    'mmpretrain': 'classification',
}


@dataclass(frozen=True)
class LoadedModel:
    """A model that is ready to predict.

    Attributes:
        net (nn.Module): In evaluation mode, on its device, its backbones of
            this package in deployment form.
        library (str): A key of ``HOSTS``.
        pipeline (list[dict]): Its test pipeline without annotations.
        metainfo (dict): Of its data set: classes, colours, keypoints.
        data_mode (str): Of mmpose's data sets: 'topdown' or another.
        about (tuple[str, ...]): Lines that say where these are from.
    """

    net: nn.Module
    library: str
    pipeline: list[dict]
    metainfo: dict[str, Any]
    data_mode: str
    about: tuple[str, ...] = field(default=())

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.net.parameters()).device


def load_model(
    model: str,
    weights: str | None = None,
    device: str | None = None,
    threshold: float = 0.0,
    cfg_options: dict[str, Any] | None = None,
    keeps_pipeline: bool = False,
) -> LoadedModel:
    """Builds a model and fills it.

    Args:
        model (str): A config, or a checkpoint that has its config in it.
        weights (str, optional): The checkpoint, where ``model`` is a config.
        device (str, optional): Such as 'cuda:1'; the accelerator of this
            machine by default, or the CPU.
        threshold (float): Least score of what is wanted of a detector; what
            is below need not be computed to the end.
        cfg_options (dict, optional): Values of a config by dotted key.
        keeps_pipeline (bool): Take the test pipeline of the config where it
            has one, and not that in the checkpoint.

    Raises:
        UserError: For a mistake in what the user gave.
        CheckpointError: If the checkpoint cannot be read.
    """
    checked = check_device(device)
    is_weights = model.lower().endswith(WEIGHTS)
    if is_weights and weights is not None:
        raise UserError(
            f'--model {model} is a checkpoint itself: leave out --weights, or '
            'name a config by --model'
        )
    if Path(model).is_dir():
        newest, _ = newest_checkpoint(Path(model))
        what = newest or 'a checkpoint, or a config'
        raise UserError(f'--model {model} is a folder; give {what}')
    checkpoint = model if is_weights else weights
    cfg = None if is_weights else load_config(model, cfg_options)
    if checkpoint is None:
        # What was published of that config.
        checkpoint = Path(cfg.filename).stem
        if find(checkpoint) is None:
            raise UserError(
                f'--weights: the model of {model} needs its weights, a '
                'checkpoint'
            )
    if not is_url(checkpoint):
        stop_on_errors(check_is_file(checkpoint))
    content = read_checkpoint(checkpoint)
    described = describe(content, checkpoint)
    if cfg is None:
        cfg = _config_in(described, checkpoint)
    library = cfg.get('default_scope')
    if library not in HOSTS or 'model' not in cfg:
        raise UserError(
            f'{model}: it is no config of {", ".join(HOSTS)} with a model'
        )
    set_host_defaults(cfg)
    if cfg.get('data_preprocessor') is not None:
        # A place that mmengine's runner looks at, too.
        cfg.model.setdefault('data_preprocessor', cfg.data_preprocessor)
    _leave_out_low_scores(cfg, threshold)
    state, kind = weights_of_test(content, cfg.get('custom_hooks'), checkpoint)
    with DefaultScope.overwrite_default_scope(library):
        pipeline, place, data_mode = _test_pipeline(
            cfg, described, model, checkpoint, keeps_pipeline
        )
        metainfo, owner = _metainfo(cfg, described, model, checkpoint)
        with readable_errors(cfg):
            net = MODELS.build(cfg.model)
        _fill(net, state, checkpoint, cfg, described)
    net = revert_sync_batchnorm(net).to(checked).eval()
    for parameter in net.parameters():
        parameter.requires_grad_(False)
    about = [
        _about_classes(metainfo, owner),
        f'test pipeline: that of {place}',
    ]
    if content.get(TRAINED):
        about.append(f'{kind} weights, which a test uses')
    return LoadedModel(
        net,
        library,
        pipeline,
        metainfo,
        data_mode,
        tuple(about),
    )


def check_device(device: str | None) -> torch.device:
    """The device of a name.

    Args:
        device (str, optional): None for this machine's own.

    Raises:
        UserError: If there is no such device here.
    """
    device = device or get_device()
    try:
        found = torch.device(device)
        torch.empty(1, device=found)
    except (RuntimeError, AssertionError) as error:
        reason = first_line(error)
        raise UserError(f'--device {device}: {reason}') from error
    return found


def _config_in(described: Description, checkpoint: str) -> Config:
    if described.config is None:
        raise UserError(
            f'{checkpoint} has no config in it: name its config by --model, '
            f'and the file by --weights {checkpoint}'
        )
    cfg = Config(described.config)
    scope = cfg.get('default_scope')
    if scope in HOSTS:
        with readable_errors(cfg):
            init_default_scope(scope)
    return cfg


def _leave_out_low_scores(cfg: Config, threshold: float) -> None:
    """Has a detector of two stages drop what is not wanted before masks.

    What has a low score suppresses nothing of a higher one, so the others
    stay as they are; the masks of a hundred boxes in a large photo take a
    gigabyte.
    """
    test_cfg = cfg.model.get('test_cfg')
    rcnn = test_cfg.get('rcnn') if isinstance(test_cfg, dict) else None
    if isinstance(rcnn, dict) and isinstance(rcnn.get('score_thr'), float):
        rcnn.score_thr = max(rcnn.score_thr, threshold)


def _test_pipeline(
    cfg: Config,
    described: Description,
    model: str,
    checkpoint: str,
    keeps: bool,
) -> tuple[list[dict], str, str]:
    """The pipeline, whose it is, and the data mode of mmpose."""
    places = [(cfg, model)]
    own = Config(described.config) if described.config else None
    if own is not None and own.get('default_scope') == cfg.default_scope:
        places.insert(1 if keeps else 0, (own, checkpoint))
    for config, place in places:
        for data_set in data_sets(config, ('test', 'val')):
            pipeline = data_set.node.get('pipeline')
            if pipeline:
                data_mode = data_set.node.get('data_mode', 'topdown')
                return _without_annotations(pipeline), place, data_mode
    raise UserError(
        f'config {model} has no pipeline in test_dataloader.dataset'
    )


def _without_annotations(pipeline: list[dict]) -> list[dict]:
    kept = []
    for node in Config(dict(pipeline=pipeline)).pipeline:
        name = type_name(node)
        if 'Load' in name and 'Annotations' in name:
            continue
        if 'meta_keys' in node:
            # Of the data set's annotations.
            node['meta_keys'] = tuple(
                key for key in node['meta_keys'] if key != 'img_id'
            )
        kept.append(node)
    return kept


def _metainfo(
    cfg: Config, described: Description, model: str, checkpoint: str
) -> tuple[dict[str, Any], str]:
    """What is known of the classes, and who says so."""
    known: dict[str, Any] = {}
    for data_set in data_sets(cfg, ('test', 'val', 'train')):
        known = data_set.metainfo
        break
    known = {key: value for key, value in known.items() if value is not None}
    own = described.metainfo
    given = own.get('classes')
    if not given:
        return {**known, **own}, model
    if known.get('classes') and list(known['classes']) != list(given):
        # Colours of other classes.
        known.pop('palette', None)
    return {**known, **own}, checkpoint


def _about_classes(metainfo: Mapping, owner: str) -> str:
    names = metainfo.get('keypoint_id2name')
    if names:
        named = few([str(name) for name in names.values()])
        return f'{len(names)} keypoints ({named}): those of {owner}'
    classes = list(map(str, metainfo.get('classes') or ()))
    if not classes:
        return f'classes: {owner} has no names of them, numbers are shown'
    return f'{len(classes)} classes ({few(classes)}): those of {owner}'


def _fill(
    net: nn.Module,
    state: Mapping,
    checkpoint: str,
    cfg: Config,
    described: Description,
) -> None:
    """Loads all weights, and folds what inference does not need."""
    backbones = [backbone for _, backbone in backbones_of(net)]
    if any(key.rpartition('.')[2] == DEPLOYED for key in state):
        # Takes such weights, whatever the config says.
        for backbone in backbones:
            backbone.switch_to_deploy()
    state = name_for_host(state, net, checkpoint)
    mismatch = describe_mismatch(net, state, checkpoint)
    if mismatch:
        raise UserError(mismatch + _other_classes(cfg, described))
    check_values(state, net.state_dict(), checkpoint)
    missing, _ = net.load_state_dict(state, strict=False)
    # Buffers that their makers have left out.
    counted = [k for k in missing if not k.endswith('num_batches_tracked')]
    if counted:
        print_log(
            f'{checkpoint} leaves {len(counted)} buffers of the model as they '
            f'were made: {few(counted)}',
            logger='current',
        )
    for backbone in backbones:
        if not backbone.deploy:
            backbone.switch_to_deploy()


def _other_classes(cfg: Config, described: Description) -> str:
    given = described.metainfo.get('classes')
    here = next(
        (d.metainfo.get('classes') for d in data_sets(cfg, ('test', 'val'))),
        None,
    )
    if not given or not here or len(given) == len(here):
        return ''
    return (
        f'; the file is of {len(given)} classes ({few(list(map(str, given)))})'
        f' and the config of {len(here)} ({few(list(map(str, here)))})'
    )
