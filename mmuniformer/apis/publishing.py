"""Checkpoints of a training, made ready to be given away."""

import hashlib
import io
import json
from pathlib import Path
from typing import Any

import torch
from mmengine.logging import print_log
from safetensors.torch import save as save_safetensors
from torch import Tensor

from mmuniformer.checkpoint import read_checkpoint
from mmuniformer.checkpoint.average import choose_weights
from mmuniformer.checkpoint.classifier import name_officially
from mmuniformer.checkpoint.form import DEPLOYED
from mmuniformer.checkpoint.state_dict import ANCHOR
from mmuniformer.checks import stop_on_errors
from mmuniformer.checks.checkpoints import check_is_file, is_url
from mmuniformer.engine.backends import AtomicLocalBackend
from mmuniformer.engine.config import load_config
from mmuniformer.errors import CheckpointError, UserError

SUFFIXES = ('.pth', '.safetensors')
# What the models of token labeling alone have, by its official name.
AUX = 'aux_head.weight'
# Digits of the SHA-256 in the name, as OpenMMLab has it.
DIGITS = 8


def publish(
    checkpoint: str,
    out: str,
    weights: str = 'average',
    license: str = 'Apache-2.0',
    metrics: dict[str, Any] | None = None,
    config: str | None = None,
) -> Path:
    """Writes the weights of a checkpoint alone, with what tells about them.

    A classifier of mmpretrain or mmaction2 gets the names of the official
    code, which loads it as it loads its own files; any other model keeps its
    names. The digest of the file goes into its name:
    ``NAME-1713bcd4.pth``.

    Args:
        checkpoint (str): File of a training, or URL.
        out (str): File to write, without the digest; it ends in ``.pth`` or
            ``.safetensors``.
        weights (str): 'average' for what is tested: the average (EMA), if the
            training kept one. 'trained' for the weights that it is of.
        license (str): For the metadata.
        metrics (dict, optional): For the metadata, such as ``{'top1': 82.9}``.
        config (str, optional): Config file for the metadata, instead of that
            in the checkpoint.

    Returns:
        Path: The file that was written.

    Raises:
        UserError: For a mistake in what the user gave.
        CheckpointError: If the checkpoint cannot be read.
    """
    path = Path(out)
    if path.suffix not in SUFFIXES:
        raise UserError(
            f'{out}: the name of the new file must end in '
            f'{" or ".join(SUFFIXES)}'
        )
    if not is_url(checkpoint):
        stop_on_errors(check_is_file(checkpoint))
    content = read_checkpoint(checkpoint)
    tensors, kind = choose_weights(content, weights, checkpoint)
    tensors, official = _named(tensors, checkpoint)
    about = _about(content, license, metrics, config, kind)
    if path.suffix == '.pth':
        data = _as_pickle(tensors, about, official)
    else:
        data = _as_safetensors(tensors, about)
    digest = hashlib.sha256(data).hexdigest()
    path = path.with_name(f'{path.stem}-{digest[:DIGITS]}{path.suffix}')
    AtomicLocalBackend().put(data, path)
    names = 'official names' if official else 'the names of its library'
    print_log(
        f'Wrote {path}: {len(tensors)} tensors ({kind} weights) with '
        f'{names}, SHA-256 {digest}.',
        logger='current',
    )
    return path


def _named(
    tensors: dict[str, Tensor], source: str
) -> tuple[dict[str, Tensor], bool]:
    if any(key.rpartition('.')[2] == DEPLOYED for key in tensors):
        raise UserError(
            f'{source} is in deployment form, which no other code loads: take '
            'the file of the training that it was made from'
        )
    # safetensors refuses tensors that share or skip memory.
    tensors = {
        key: value.detach().cpu().contiguous().clone()
        for key, value in tensors.items()
    }
    if any(key.startswith(ANCHOR) for key in tensors):
        return tensors, True
    try:
        return name_officially(tensors), True
    except CheckpointError:
        # A detector, a segmentor, a pose estimator.
        return tensors, False


def _about(
    content: dict,
    license: str,
    metrics: dict[str, Any] | None,
    config: str | None,
    kind: str,
) -> dict[str, Any]:
    """What the metadata hold, the same for the same weights."""
    meta = content.get('meta') or {}
    about: dict[str, Any] = dict(license=license, weights=kind)
    about['config'] = str(meta.get('cfg', ''))
    if config is not None:
        about['config'] = load_config(config).pretty_text
    about['metrics'] = dict(metrics or {})
    for key in ('epoch', 'iter', 'mmengine_version'):
        if key in meta:
            about[key] = meta[key]
    classes = (meta.get('dataset_meta') or {}).get('classes')
    if classes:
        about['dataset_meta'] = dict(classes=list(classes))
    return about


def _as_pickle(
    tensors: dict[str, Tensor], about: dict[str, Any], official: bool
) -> bytes:
    # Inferencers of OpenMMLab read the config at meta.cfg.
    meta = dict(about, cfg=about['config'])
    del meta['config']
    file = io.BytesIO()
    # The official code of token labeling, which is timm's, reads no other key;
    # that of images and of video reads 'model'.
    key = 'model' if official and AUX not in tensors else 'state_dict'
    torch.save({'meta': meta, key: tensors}, file)
    return file.getvalue()


def _as_safetensors(
    tensors: dict[str, Tensor], about: dict[str, Any]
) -> bytes:
    texts = {
        key: value if isinstance(value, str) else json.dumps(value)
        for key, value in about.items()
    }
    data = save_safetensors(tensors)
    # The library writes metadata in another order each time: the file would
    # have another digest. A file is the length of its header in eight bytes,
    # the header in JSON, filled up to a multiple of eight, and the tensors.
    end = 8 + int.from_bytes(data[:8], 'little')
    header = {'__metadata__': {'format': 'pt', **texts}}
    header |= json.loads(data[8:end])
    text = json.dumps(header, separators=(',', ':')).encode()
    text += b' ' * (-len(text) % 8)
    return len(text).to_bytes(8, 'little') + text + data[end:]
