"""A picture of the tokens that a light model keeps of an image or a video."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import mmcv
import numpy as np
import torch
from mmengine.config import Config
from mmengine.registry import MODELS

from mmuniformer.apis.pictures import check_out, told_of
from mmuniformer.checkpoint import load_pretrained
from mmuniformer.engine.config import load_config
from mmuniformer.engine.explain import readable_errors
from mmuniformer.errors import UserError
from mmuniformer.models import UniFormerLight
from mmuniformer.visualization.tokens import (
    KeptTokens,
    kept_tokens,
    token_sheet,
)

# The coarsest map, of stage 4, has a token for as many pixels squared.
PIXELS_OF_TOKEN = 32


def draw_tokens(
    config: str,
    checkpoint: str,
    source: str,
    out: str | None = None,
    size: int = 224,
    frames: int = 16,
    blocks: Sequence[str] | None = None,
    cfg_options: dict[str, Any] | None = None,
) -> None:
    """Draws which tokens of a source the blocks of a light model keep.

    Args:
        config (str): Config whose backbone is a light one.
        checkpoint (str): File or URL that fills the backbone: trained here,
            or published.
        source (str): An image, or a video for a video model.
        out (str, optional): PNG file to write;
            ``work_dirs/CONFIG NAME/tokens_SOURCE NAME.png`` when None.
        size (int): Length of the shorter side, in pixels. Both sides are
            rounded to multiples of 32.
        frames (int): Frames of a video, of equal distances over all of it;
            half as many are shown, one for each map of tokens.
        blocks (Sequence[str], optional): Those to draw, as ``3.2`` for the
            second block of stage 3. A few of all when None.
        cfg_options (dict, optional): Values by dotted key.

    Raises:
        UserError: For a mistake in what the user gave.
        CheckpointError: If the checkpoint does not fit.
    """
    if out is not None:
        check_out(out)
    cfg = load_config(config, cfg_options)
    backbone = _build(cfg)
    pictures = _read(source, backbone.ndim, size, frames)
    load_pretrained(backbone, checkpoint)
    noted = kept_tokens(backbone.eval(), _normalise(pictures, cfg, backbone))
    chosen = _choose(noted, blocks)
    if out is None:
        name = f'tokens_{Path(source).stem}.png'
        out = str(Path('work_dirs', Path(cfg.filename).stem, name))
    # A frame for each map of tokens: the stem halves the frames.
    with told_of(out):
        token_sheet(out, pictures[:: 2 if backbone.ndim == 3 else 1], chosen)


def _build(cfg: Config) -> UniFormerLight:
    settings = dict((cfg.get('model') or {}).get('backbone') or {})
    # The checkpoint has all weights.
    settings.pop('init_cfg', None)
    # What is compiled is not looked into.
    settings.pop('compile', None)
    with readable_errors(cfg):
        backbone = MODELS.build(settings) if 'type' in settings else None
    if not isinstance(backbone, UniFormerLight):
        raise UserError(
            f'config {cfg.filename}: model.backbone is no light model '
            '(mmuniformer.UniFormerLight or UniFormerLight3D): the others '
            'keep all tokens'
        )
    return backbone


def _read(source: str, ndim: int, size: int, frames: int) -> np.ndarray:
    """RGB pictures (T, H, W, 3) of sides that tokens divide."""
    if size < PIXELS_OF_TOKEN or frames < 1:
        raise UserError(
            f'--size must be at least {PIXELS_OF_TOKEN} and --frames 1'
        )
    if not Path(source).is_file():
        raise UserError(f'there is no file {source}')
    read = _read_image if ndim == 2 else _read_frames
    pictures = read(source, frames)
    height, width = pictures[0].shape[:2]
    scale = size / min(height, width)
    sides = [
        max(round(side * scale / PIXELS_OF_TOKEN), 1) * PIXELS_OF_TOKEN
        for side in (width, height)
    ]
    return np.stack([mmcv.imresize(p, tuple(sides)) for p in pictures])


def _read_image(source: str, _: int) -> list[np.ndarray]:
    try:
        image = mmcv.imread(source, channel_order='rgb')
    except cv2.error:
        image = None
    if image is None:
        raise UserError(
            f'{source} is no image that can be read; a video needs the config '
            'of a video model'
        )
    return [image]


def _read_frames(source: str, frames: int) -> list[np.ndarray]:
    video = mmcv.VideoReader(source)
    total = max(video.frame_cnt, 0)
    # In the middle of stretches: few files end with a whole frame.
    places = (np.arange(frames) + 0.5) * total / frames
    pictures = [video.get_frame(int(place)) for place in places if total]
    if not pictures or any(picture is None for picture in pictures):
        raise UserError(
            f'{source} is no video whose frames can be read; an image needs '
            'the config of an image model'
        )
    return [mmcv.bgr2rgb(picture) for picture in pictures]


def _normalise(
    pictures: np.ndarray, cfg: Config, backbone: UniFormerLight
) -> torch.Tensor:
    """The batch of one that the model's preprocessor would make."""
    # mmpretrain's configs have it beside the model.
    settings = cfg.model.get('data_preprocessor') or cfg.get(
        'data_preprocessor', {}
    )
    mean, std = settings.get('mean'), settings.get('std')
    if mean is None or std is None:
        raise UserError(
            f'config {cfg.filename}: the data_preprocessor has no mean and '
            'std to normalise the input by'
        )
    x = (pictures - np.array(mean)) / np.array(std)
    x = torch.from_numpy(x).float().permute(3, 0, 1, 2)[None]
    return x if backbone.ndim == 3 else x[:, :, 0]


def _choose(
    noted: list[KeptTokens], names: Sequence[str] | None
) -> list[KeptTokens]:
    by_name = {f'{block.stage}.{block.block}': block for block in noted}
    if names is None:
        shrinking = [block for block in noted if not block.mask.all()]
        if not shrinking:
            raise UserError(
                'the model keeps all tokens: its keep_ratio is 1, or this '
                'input too small'
            )
        places = np.linspace(0, len(shrinking) - 1, 4).round().astype(int)
        return [shrinking[i] for i in sorted(set(places.tolist()))]
    for name in names:
        if name not in by_name:
            raise UserError(
                f'--blocks: there is no block {name} that chooses tokens; '
                f'those that do are {", ".join(by_name)}'
            )
    return [by_name[name] for name in names]
