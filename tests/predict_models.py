"""Quick-start models with seeded weights, as a training leaves them."""

from functools import cache
from pathlib import Path

import torch
from mmengine.registry import MODELS, DefaultScope
from torch import nn

from mmuniformer.datasets.shapes import generate, generate_videos
from mmuniformer.engine.config import load_config

QUICKSTART = Path(__file__).parents[1] / 'configs' / 'quickstart'
CONFIGS = dict(
    det='mask-rcnn_uniformer-tiny_fpn_shapes.py',
    seg='fpn_uniformer-tiny_shapes.py',
    pose='td-hm_uniformer-tiny_shapes.py',
    video='uniformer-tiny_8x2x1_shapes.py',
    cls='uniformer-tiny_shapes.py',
)
# Layers that make scores: initialised so small that all are the same.
SCORES = ('fc_cls', 'conv_seg', 'final_layer', 'head.fc')


def config(task: str) -> str:
    return str(QUICKSTART / CONFIGS[task])


@cache
def content(task: str) -> dict:
    """What the checkpoint of a task holds."""
    cfg = load_config(config(task))
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        model = MODELS.build(cfg.model)
    for name, module in model.named_modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
        if name.endswith(SCORES):
            nn.init.normal_(module.weight, std=0.3)
    return dict(meta=dict(cfg=cfg.pretty_text), state_dict=model.state_dict())


def checkpoint(task: str, folder: Path, **meta: object) -> str:
    """Writes it, with more of its meta."""
    path = folder / f'{task}.pth'
    kept = content(task)
    torch.save({**kept, 'meta': {**kept['meta'], **meta}}, path)
    return str(path)


def make_images(folder: Path) -> list[str]:
    """Four images of 96 pixels."""
    generate(folder, train=1, val=4, size=96)
    return [str(path) for path in sorted(folder.glob('images/val/*'))]


def make_videos(folder: Path) -> list[str]:
    """Videos of 20 frames of 64 pixels, six at least."""
    generate_videos(folder, train=1, val=6, size=64)
    return [str(path) for path in sorted(folder.glob('videos_val/*'))]
