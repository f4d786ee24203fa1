"""Label maps for token labeling, made by a classifier."""

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.logging import print_log
from mmengine.registry import DATASETS, MODELS
from rich.console import Console
from rich.progress import Progress
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, Subset

from mmuniformer.checkpoint import read_checkpoint
from mmuniformer.checkpoint.classifier import name_for_host
from mmuniformer.checkpoint.matching import describe_mismatch
from mmuniformer.checkpoint.state_dict import unwrap
from mmuniformer.checks.token_labels import token_label_path
from mmuniformer.engine.backends import AtomicLocalBackend
from mmuniformer.engine.config import load_config
from mmuniformer.engine.explain import readable_errors
from mmuniformer.errors import UserError, first_line

SETTINGS = 'settings.json'
# As the configs of token labeling load an image: with its pixels as they are
# in the file, not turned by EXIF. A map of a turned one would not fit it.
LOAD = dict(
    type='LoadImageFromFile',
    imdecode_backend='pillow',
    color_type='color_ignore_orientation',
)
# Whole numbers that half precision holds exactly.
MOST_HALF = 2048


def make_token_labels(
    config: str,
    checkpoint: str,
    out: str,
    split: str = 'train',
    size: int = 576,
    top: int = 5,
    part: tuple[int, int] = (1, 1),
    batch_size: int = 16,
    num_workers: int = 2,
    device: str | None = None,
    cfg_options: dict[str, Any] | None = None,
) -> int:
    """Writes the label map of each image of a data set.

    The classifier is applied at each place of its last map instead of to
    their mean. The files are those of LV-ViT:
    ``<out>/<folder of the image>/<its name up to the first dot>.pt``, a
    tensor (2, top, h, w) of logits and classes in half precision. Images are
    whole, not turned by EXIF, and resized to a square. What is there already
    is kept.

    Args:
        config (str): Config of mmpretrain, whose model and data set are used.
        checkpoint (str): File or URL that fills the model.
        out (str): Folder of the label maps.
        split (str): 'train', 'val' or 'test': of which dataloader.
        size (int): Side of the images, in pixels.
        top (int): Number of classes k that are kept for each place.
        part (tuple[int, int]): Which part of how many, from 1: for several
            processes.
        batch_size (int): Images at once.
        num_workers (int): Processes that read images.
        device (str, optional): Where the model is; a GPU, if there is one,
            when None.
        cfg_options (dict, optional): Values by dotted key.

    Returns:
        int: Number of label maps that were written.

    Raises:
        UserError: For a mistake in what the user gave.
        CheckpointError: If the checkpoint cannot be read.
    """
    number, parts = part
    if not 1 <= number <= parts:
        raise UserError(f'part {number} of {parts}: there is no such part')
    for name, value, least in (
        ('size', size, 1),
        ('top', top, 1),
        ('batch_size', batch_size, 1),
        ('num_workers', num_workers, 0),
    ):
        if value < least:
            raise UserError(f'{name} must be at least {least}, not {value}')
    device = _device(device)
    cfg = load_config(config, cfg_options)
    if cfg.get('default_scope') != 'mmpretrain':
        raise UserError(
            f'config {config}: label maps are made by classifiers of '
            f'mmpretrain, and its default_scope is {cfg.get("default_scope")}'
        )
    with readable_errors(cfg):
        dataset = _build_data_set(cfg, split, size)
        model = _build_model(cfg, checkpoint)
    paths = _label_paths(dataset, out)
    _keep_settings(
        Path(out), dict(checkpoint=Path(checkpoint).name, size=size, top=top)
    )
    # Stretches of the data set, whose files are near each other.
    first, last = (len(paths) * n // parts for n in (number - 1, number))
    missing = [i for i in range(first, last) if not paths[i].is_file()]
    model.eval().to(device)
    loader = DataLoader(
        Subset(dataset, missing),
        batch_size,
        num_workers=num_workers,
        collate_fn=pseudo_collate,
    )
    backend, indices, right = AtomicLocalBackend(), iter(missing), 0
    with Progress(console=Console(stderr=True)) as progress:
        task = progress.add_task('label maps', total=len(missing))
        for logits, labels in _dense_logits(model, loader):
            right += (logits.mean((2, 3)).argmax(1) == labels).sum().item()
            for label_map in label_maps(logits, top):
                file = io.BytesIO()
                torch.save(label_map, file)
                backend.put(file.getvalue(), paths[next(indices)])
                progress.advance(task)
    kept = last - first - len(missing)
    told = f'{len(missing)} label maps written to {out}, {kept} there already'
    if missing:
        told += f'; top-1 of their means: {100 * right / len(missing):.1f} %'
    print_log(f'{told}.', logger='current')
    return len(missing)


def label_maps(logits: Tensor, top: int) -> Tensor:
    """The highest logits of each place, and their classes.

    Args:
        logits (Tensor): Of all classes (B, C, h, w).
        top (int): Number of classes that are kept.

    Returns:
        Tensor: Maps (B, 2, k, h, w) in half precision, as far as it holds
        the classes.
    """
    kept = torch.stack(logits.topk(min(top, logits.shape[1]), 1), 1)
    half = logits.shape[1] <= MOST_HALF
    return kept.to('cpu', torch.half if half else torch.float)


@torch.no_grad()
def _dense_logits(
    model: nn.Module, loader: DataLoader
) -> Iterator[tuple[Tensor, Tensor]]:
    """Logits (B, C, h, w) of batches, and the labels (B,) of their images."""
    for batch in loader:
        data = model.data_preprocessor(batch, training=False)
        logits = classify_places(model, data['inputs']).float()
        labels = [
            sample.get('gt_label', torch.tensor([-1]))[:1]
            for sample in data['data_samples']
        ]
        yield logits, torch.cat(labels).to(logits.device)


def classify_places(model: nn.Module, inputs: Tensor) -> Tensor:
    """Logits (B, C, h, w) of each place of a classifier's last map.

    Each place is an image of one pixel to neck and head; of a model of token
    labeling, it is a token to its classifier of tokens.

    Args:
        model (nn.Module): An image classifier of mmpretrain.
        inputs (Tensor): Images as its backbone takes them.

    Raises:
        UserError: If the backbone gives no map.
    """
    feats = model.extract_feat(inputs, stage='backbone')
    feats = [feats] if isinstance(feats, Tensor) else feats
    # The score token of a light model is a map of one place.
    maps = [f for f in feats if f.ndim == 4 and f.shape[-2:].numel() > 1]
    if not maps:
        shapes = ', '.join(str(tuple(f.shape)) for f in feats)
        raise UserError(
            'label maps need a backbone whose last output is a map (B, C, h, '
            f'w) of several places, and this one gives {shapes}'
        )
    size, places = maps[-1].shape, maps[-1].permute(0, 2, 3, 1)
    places = places.reshape(-1, size[1], 1, 1)
    if hasattr(model.head, 'aux_fc'):
        logits = model.head.aux_fc(places.flatten(1))
    else:
        pooled = (places,)
        logits = model.head(model.neck(pooled) if model.with_neck else pooled)
    return logits.view(size[0], *size[2:], -1).permute(0, 3, 1, 2)


def _device(name: str | None) -> torch.device:
    """The device of a name; a GPU, if there is one, without a name."""
    if name is None:
        name = 'cuda' if torch.cuda.is_available() else 'cpu'
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    # torch has an error of its own for each kind of device.
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = first_line(error)
        raise UserError(f'device {name!r}: {reason}') from error
    return device


def _build_data_set(cfg: Config, split: str, size: int) -> Dataset:
    loader = cfg.get(f'{split}_dataloader')
    if not loader:
        raise UserError(f'config {cfg.filename} has no {split}_dataloader')
    settings = dict(loader.dataset)
    settings['pipeline'] = [
        LOAD,
        dict(
            type='Resize',
            scale=(size, size),
            interpolation='bicubic',
            backend='pillow',
        ),
        dict(type='PackInputs'),
    ]
    return DATASETS.build(settings)


def _build_model(cfg: Config, checkpoint: str) -> nn.Module:
    settings = dict(cfg.model)
    # mmpretrain's own configs have it beside the model.
    if not settings.get('data_preprocessor'):
        settings['data_preprocessor'] = cfg.get('data_preprocessor')
    model = MODELS.build(settings)
    state = name_for_host(
        unwrap(read_checkpoint(checkpoint), checkpoint), model, checkpoint
    )
    mismatch = describe_mismatch(model, state, checkpoint)
    if mismatch:
        raise UserError(mismatch)
    model.load_state_dict(state, strict=False)
    return model


def _label_paths(dataset: Dataset, out: str) -> list[Path]:
    """Where the label map of each image goes, each in a file of its own."""
    images: dict[Path, str] = {}
    paths = []
    for index in range(len(dataset)):
        image = dataset.get_data_info(index)['img_path']
        path = token_label_path(out, image)
        if images.setdefault(path, image) != image:
            raise UserError(
                f'{images[path]} and {image} have one label map, {path}: '
                'names of images in folders of one name must differ before '
                'their first dot'
            )
        paths.append(path)
    return paths


def _keep_settings(folder: Path, settings: dict[str, Any]) -> None:
    """Notes what the label maps of a folder are made with, all alike."""
    path = folder / SETTINGS
    if path.is_file():
        before = json.loads(path.read_text())
        if before != settings:
            raise UserError(
                f'{folder} has label maps of other settings: {before}, and '
                f'not {settings}; name a new folder or delete that one'
            )
        return
    AtomicLocalBackend().put_text(json.dumps(settings) + '\n', path)
