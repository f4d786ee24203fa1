"""Checkpoints in deployment form, for inference."""

import copy
import io
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.logging import print_log
from mmengine.registry import MODELS

from mmuniformer.checkpoint import read_checkpoint
from mmuniformer.checkpoint.average import weights_of_test
from mmuniformer.checkpoint.classifier import name_for_host
from mmuniformer.checkpoint.matching import describe_mismatch
from mmuniformer.checkpoint.values import check_values
from mmuniformer.checks import stop_on_errors
from mmuniformer.checks.checkpoints import check_is_file, is_url
from mmuniformer.engine.backends import AtomicLocalBackend
from mmuniformer.engine.config import load_config
from mmuniformer.engine.explain import readable_errors
from mmuniformer.errors import UserError
from mmuniformer.models.backbones.base import UniFormerBase
from mmuniformer.nodes import walk


def deploy(
    config: str,
    checkpoint: str,
    out: str,
    cfg_options: dict[str, Any] | None = None,
) -> None:
    """Writes a checkpoint whose backbones are in deployment form.

    The file appears complete or not at all. It holds the config with
    ``deploy=True`` as OpenMMLab's inferencers read it, and no state of a
    training.

    Args:
        config (str): Config of any OpenMMLab library, as trained.
        checkpoint (str): Checkpoint file or URL that fills its model. Of one
            with an average, the weights go out that a test uses.
        out (str): File to write.
        cfg_options (dict, optional): Values by dotted key.

    Raises:
        UserError: For a mistake in what the user gave.
        CheckpointError: If the checkpoint cannot be read, or is in
            deployment form already.
    """
    if Path(out).suffix != '.pth':
        raise UserError(f'{out}: the name of the new file must end in .pth')
    if Path(out).exists():
        raise UserError(f'{out} exists; name a new file or delete that one')
    cfg = load_config(config, cfg_options)
    if not is_url(checkpoint):
        stop_on_errors(check_is_file(checkpoint))
    content = read_checkpoint(checkpoint)
    deployed = _deployed_config(cfg)
    with readable_errors(cfg):
        model = MODELS.build(cfg.model)
    tested, _ = weights_of_test(content, cfg.get('custom_hooks'), checkpoint)
    state = name_for_host(tested, model, checkpoint)
    mismatch = describe_mismatch(model, state, checkpoint)
    if mismatch:
        raise UserError(mismatch)
    check_values(state, model.state_dict(), checkpoint)
    model.load_state_dict(state, strict=False)
    backbones = [m for m in model.modules() if isinstance(m, UniFormerBase)]
    for backbone in backbones:
        backbone.switch_to_deploy()

    meta = dict(content.get('meta') or {}, cfg=deployed.pretty_text)
    file = io.BytesIO()
    torch.save(dict(meta=meta, state_dict=model.state_dict()), file)
    AtomicLocalBackend().put(file.getvalue(), out)
    keys = ' '.join(f'{key}=True' for key in _deploy_keys(cfg))
    print_log(
        f'Wrote {out}. It goes with --cfg-options {keys}.', logger='current'
    )


def _deployed_config(cfg: Config) -> Config:
    keys = _deploy_keys(cfg)
    if not keys:
        raise UserError(
            f'config {cfg.filename}: its model has no backbone of mmuniformer'
        )
    deployed = copy.deepcopy(cfg)
    deployed.merge_from_dict(dict.fromkeys(keys, True))
    return deployed


def _deploy_keys(cfg: Config) -> list[str]:
    """Dotted keys of the switch of each backbone of this package."""
    keys = []
    for path, node in walk(cfg._cfg_dict.get('model'), 'model'):
        kind = node.get('type')
        kind = MODELS.get(kind) if isinstance(kind, str) else kind
        if isinstance(kind, type) and issubclass(kind, UniFormerBase):
            keys.append(f'{path}.deploy')
    return keys
