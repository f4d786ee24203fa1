"""What a checkpoint says of itself: its config and its classes."""

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from mmuniformer.compat.checkpoint_text import read_text
from mmuniformer.errors import CheckpointError
from mmuniformer.zoo.getting import file_of


@dataclass(frozen=True)
class Description:
    """What stands beside the weights.

    Attributes:
        config (dict, optional): The config of its training.
        metainfo (dict): Of its data set: ``classes``, ``palette``, keypoints.
    """

    config: dict[str, Any] | None = None
    metainfo: dict[str, Any] = field(default_factory=dict)


def describe(content: Mapping, source: str) -> Description:
    """Reads what a checkpoint says of itself; its text is never run.

    Args:
        content (Mapping): What :func:`read_checkpoint` gave.
        source (str): Path or URL of the file.

    Raises:
        CheckpointError: If its config is more than plain data.
    """
    meta = content.get('meta')
    if str(source).endswith('.safetensors'):
        meta = _of_safetensors(source)
    if not isinstance(meta, dict):
        return Description()
    metainfo = meta.get('dataset_meta')
    if not isinstance(metainfo, dict):
        # Of the libraries before mmengine.
        metainfo = {k: meta[k] for k in ('CLASSES', 'PALETTE') if k in meta}
    # mmdet and mmseg have written capitals.
    metainfo = {str(key).lower(): value for key, value in metainfo.items()}
    metainfo = {k: v for k, v in metainfo.items() if v is not None}
    text = meta.get('cfg')
    if not isinstance(text, str) or not text.strip():
        return Description(None, metainfo)
    try:
        return Description(read_text(text), metainfo)
    except ValueError as error:
        raise CheckpointError(
            f'the config in {source} is no plain data: {error}'
        ) from error


def _of_safetensors(source: str) -> dict[str, Any]:
    """The metadata of such a file, in the form of those of torch."""
    from safetensors import safe_open

    with safe_open(file_of(source), framework='pt') as file:
        texts = file.metadata() or {}
    meta: dict[str, Any] = dict(cfg=texts.get('config'))
    # Another program's may be no JSON: no classes are known then.
    with suppress(ValueError):
        meta['dataset_meta'] = json.loads(texts.get('dataset_meta', '{}'))
    return meta
