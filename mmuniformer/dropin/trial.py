"""A swapped config, built and run on generated pictures."""

from copy import deepcopy

import torch
from mmengine.config import Config
from mmengine.logging import MessageHub
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import MODELS
from torch import nn

from mmuniformer.dropin.measuring import quiet
from mmuniformer.dropin.recipe import FROM_FILE
from mmuniformer.dropin.samples import Picture, draw, make_batch
from mmuniformer.nodes import type_name, walk

# Of pictures, in pixels, and of the frames of a clip.
SIDE = 128
SIDES = {'mmaction': 64}
# LR-ASPP pools over 49 pixels of a map; the other two fit a mixture to losses
# of as many anchors as there are.
LEAST_SIDES = dict(LRASPPHead=512, PAAHead=256, LADHead=256)
# Pixels that preprocessors fill pictures up to.
FILLED = 256
# More regions, queries and points than a small picture has room for: a
# transformer chooses its 900 queries among as many places of the maps.
MOST = dict(
    num_queries=50,
    num_proposals=50,
    num_query=50,
    nms_pre=100,
    max_per_img=50,
    num_points=256,
    num_classes=1000,
)
# Arguments that name files of weights.
WEIGHTS = ('pretrained', 'teacher_ckpt', 'teacher_pretrained')
SYNC_BN = ('SyncBN', 'MMSyncBN')


def try_model(cfg: Config) -> dict[str, float]:
    """Builds the model of a config and computes its losses once.

    Args:
        cfg (Config): Stays as it is.

    Returns:
        dict[str, float]: The losses.

    Raises:
        Exception: Whatever the libraries raise.
    """
    cfg = deepcopy(cfg)
    reduce(cfg)
    model = build_model(cfg)
    pictures = [draw(seed, side_of(cfg)) for seed in range(2)]
    with torch.no_grad():
        return {k: float(v) for k, v in losses(model, cfg, pictures).items()}


def reduce(cfg: Config) -> None:
    """Fewer regions, queries and points: as many as a small picture has.

    Args:
        cfg (Config): Changed in place.
    """
    largest = max(side_of(cfg), FILLED)
    for _, node in walk(cfg.model.get('data_preprocessor')):
        if isinstance(node.get('size'), tuple | list):
            node['size'] = tuple(min(side, largest) for side in node['size'])
    for _, node in walk(cfg.model):
        for key, most in MOST.items():
            if isinstance(node.get(key), int) and node[key] > most:
                node[key] = most
        if type_name(node).endswith('Sampler') and 'num' in node:
            node['num'] = min(node['num'], 16)


def side_of(cfg: Config) -> int:
    """Pixels of a picture: few, where the model takes any number."""
    if cfg.default_scope in SIDES:
        return SIDES[cfg.default_scope]
    nodes = [node for _, node in walk(cfg.model)]
    # SSD's anchors are for one size.
    fixed = [node.get('input_size') for node in nodes]
    least = [LEAST_SIDES.get(type_name(node), SIDE) for node in nodes]
    return max([*least, *(size for size in fixed if isinstance(size, int))])


def build_model(cfg: Config) -> nn.Module:
    """The model without weights of files; BN where SyncBN needs a GPU."""
    with quiet():
        model = MODELS.build(model_node(cfg))
        # Untrained heads have values that losses depend on.
        model.init_weights()
    # That of arguments which have it by default.
    return revert_sync_batchnorm(model)


def model_node(cfg: Config) -> dict:
    """The model as a library's own command line would build it."""
    node = deepcopy(cfg.model)
    for key in ('data_preprocessor', 'preprocess_cfg'):
        if cfg.get(key) is not None:
            node.setdefault('data_preprocessor', deepcopy(cfg[key]))
    for _, inner in walk(node):
        for key in WEIGHTS:
            if isinstance(inner.get(key), str):
                inner[key] = None
        if type_name(inner.get('init_cfg')) in FROM_FILE:
            inner['init_cfg'] = None
        if type_name(inner) in SYNC_BN:
            inner['type'] = 'BN'
    return node


def losses(
    model: nn.Module, cfg: Config, pictures: list[Picture]
) -> dict[str, torch.Tensor]:
    """The losses of a batch, as a training step takes them."""
    model.train()
    count_step(0)
    batch = make_batch(cfg, pictures, training=True)
    data = model.data_preprocessor(batch, True)
    told = model(**data, mode='loss')
    total, logged = model.parse_losses(told)
    return dict(logged, loss=total)


def count_step(step: int) -> None:
    """What a runner tells models that change on the way."""
    hub = MessageHub.get_current_instance()
    for name, number in dict(
        iter=step, max_iters=100, epoch=0, max_epochs=1
    ).items():
        hub.update_info(name, number)
