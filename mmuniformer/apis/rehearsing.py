"""What a training on many processes would do, without training."""

import tempfile
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any

import torch
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.hooks import EMAHook
from torch import nn

from mmuniformer.analysis.memory import (
    Memory,
    bytes_of,
    kept_for_backward,
    state_bytes,
)
from mmuniformer.checks import Finding, data_checks
from mmuniformer.checks.counting import check_counting
from mmuniformer.checks.data_sets import data_sets
from mmuniformer.dropin.samples import draw, make_batch
from mmuniformer.engine.config import load_run_config
from mmuniformer.engine.prepare import prepare
from mmuniformer.engine.rehearsal import (
    Rehearsal,
    is_here,
    misfits,
    rehearse,
)
from mmuniformer.errors import UserError
from mmuniformer.nodes import type_name, walk

# Keys of transforms that say how large a sample is, and which come as (H, W).
SIZES = ('scale', 'scales', 'input_size', 'crop_size', 'size')
HEIGHT_FIRST = ('crop_size',)
PRECISIONS = dict(float16='float16', bfloat16='bfloat16')


@dataclass(frozen=True)
class Plan:
    """All that is told of a run.

    Attributes:
        config (str): Its file.
        run (Rehearsal): What it counts.
        input_shape (tuple[int, ...]): (H, W), or (T, H, W), that the
            activations are of.
        precision (str): That they are kept in, as torch names it.
        memory (Memory, optional): Of one process; None if the model could
            not be run on a drawn sample.
        findings (list[Finding]): What does not fit, and what is wrong with
            data that are here.
    """

    config: str
    run: Rehearsal
    input_shape: tuple[int, ...]
    precision: str
    memory: Memory | None
    findings: list[Finding] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for a JSON file."""
        told = asdict(self)
        told['run'] |= dict(
            global_batch=self.run.global_batch, steps=self.run.steps
        )
        if self.memory is not None:
            told['memory']['total'] = self.memory.total
        return told


def dry_run(
    config: str,
    world_size: int = 1,
    samples: int | None = None,
    amp: bool = False,
    auto_scale_lr: bool = False,
    no_validate: bool = False,
    cfg_options: dict[str, Any] | None = None,
    check: bool = True,
) -> Plan:
    """Finds out what a training would do, on any machine.

    Nothing is trained and no file is written. The model is built and run
    once on a drawn sample of the config's size; data sets that are here are
    read, and of the public ones that are not, the published size is taken.

    Args:
        config (str): Config file.
        world_size (int): Processes.
        samples (int, optional): Samples of the training data, where they are
            elsewhere.
        amp (bool): As :func:`train` takes it, and so the following.
        auto_scale_lr (bool): Scale the learning rate to the batch size.
        no_validate (bool): No validation.
        cfg_options (dict, optional): Values by dotted key.
        check (bool): Look at the data that are here.

    Returns:
        Plan: What it would do.

    Raises:
        UserError: For a mistake in what the user gave.
    """
    for option, value in (('world-size', world_size), ('samples', samples)):
        if value is not None and value < 1:
            raise UserError(f'--{option} must be at least 1, not {value}')
    with tempfile.TemporaryDirectory() as folder:
        cfg = load_run_config(
            config,
            cfg_options,
            'train',
            ('train_dataloader', 'train_cfg', 'optim_wrapper'),
            folder,
            amp=amp,
            launcher='none',
        )
        phases = ('train',) if no_validate else ('train', 'val')
        findings = _of_the_data(cfg, phases) if check else []
        findings += check_counting(cfg)
        prepare(
            cfg,
            amp=amp,
            auto_scale_lr=auto_scale_lr,
            validate=not no_validate,
        )
        shape = input_shape(cfg)
        precision = _precision(cfg.written)
        run, runner = rehearse(cfg, world_size, samples)
        findings += misfits(cfg, run)
        memory, problem = _measure(cfg, runner, shape, precision)
    findings += [problem] if problem else []
    return Plan(cfg.filename, run, shape, precision, memory, findings)


def _of_the_data(cfg: Config, phases: tuple[str, ...]) -> list[Finding]:
    """What is wrong with data sets, unless some of them are elsewhere."""
    if not all(is_here(each) for each in data_sets(cfg, phases)):
        return []
    return [found for check in data_checks(cfg, phases) for found in check]


def _precision(cfg: Config) -> str:
    """What activations are kept in where there is an accelerator."""
    wrapper = cfg.optim_wrapper
    if type_name(wrapper) != 'AmpOptimWrapper':
        return 'float32'
    return PRECISIONS.get(str(wrapper.get('dtype')), 'float16')


def input_shape(cfg: Config) -> tuple[int, ...]:
    """(H, W) or (T, H, W) of what the training pipeline gives at most.

    Args:
        cfg (Config): The last transform that says a size is looked at, and
            the largest of those that it chooses from.
    """
    size, frames = (224, 224), None
    for _, node in walk(cfg.train_dataloader):
        for key in SIZES:
            sizes = _sizes(node.get(key))
            if sizes and type_name(node) not in ('Pad', 'RandomErasing'):
                size = max(sizes, key=lambda s: s[0] * s[1])
                size = size if key in HEIGHT_FIRST else size[::-1]
        frames = node.get('clip_len', frames)
    return size if frames is None else (frames, *size)


def _sizes(value: Any) -> list[tuple[int, int]]:
    if isinstance(value, int) and not isinstance(value, bool):
        return [(value, value)]
    if not isinstance(value, (list, tuple)) or not value:
        return []
    if len(value) == 2 and all(type(n) is int and n > 0 for n in value):
        return [tuple(value)]
    return [
        s for each in value if isinstance(each, tuple) for s in _sizes(each)
    ]


def _measure(
    cfg: Config, runner: Any, shape: tuple[int, ...], precision: str
) -> tuple[Memory | None, Finding | None]:
    model, wrapper = runner.model, runner.optim_wrapper
    wrappers = wrapper.values() if hasattr(wrapper, 'values') else [wrapper]
    trained = [p for p in model.parameters() if p.requires_grad]
    own = [*model.parameters(), *model.buffers()]
    try:
        kept, recomputed = _activations(cfg, model, own, shape, precision)
    except Exception as error:
        return None, Finding(
            'the model could not be run on a drawn sample, so its memory is '
            f'not known: {type(error).__name__}: {error}',
            level='note',
        )
    averaged = any(isinstance(hook, EMAHook) for hook in runner.hooks)
    in_place = (cfg.get('model_wrapper_cfg') or {}).get(
        'gradient_as_bucket_view'
    )
    return Memory(
        parameters=bytes_of(own),
        gradients=bytes_of(trained),
        optimizer=sum(state_bytes(each.optimizer) for each in wrappers),
        average=bytes_of(own) if averaged else 0,
        buckets=0 if in_place else bytes_of(trained),
        activations=kept,
        recomputed=recomputed,
    ), None


def _activations(
    cfg: Config,
    model: nn.Module,
    own: list[torch.Tensor],
    shape: tuple[int, ...],
    precision: str,
) -> tuple[int, int]:
    """Bytes of a whole batch: those of two small ones give its slope."""
    size = cfg.train_dataloader.batch_size * _copies(cfg)
    model.train()

    def kept(number: int) -> tuple[int, int]:
        forward = partial(_forward, cfg, model, number, shape)
        if precision == 'float16' and get_device() == 'cpu':
            # Whose convolutions are quick in bfloat16, of the same size,
            # which numpy does not know.
            with suppress(TypeError):
                return kept_for_backward(partial(forward, 'bfloat16'), own)
        return kept_for_backward(partial(forward, precision), own)

    try:
        first, measured = 1, [kept(1), kept(2)]
    except ValueError:
        # BatchNorm refuses one place of one sample.
        first, measured = 2, [kept(2), kept(3)]
    return tuple(
        max(low + (high - low) * (size - first), 0)
        for low, high in zip(*measured, strict=True)
    )


def _copies(cfg: Config) -> int:
    """Copies of each sample that a repeated augmentation makes."""
    copies = 1
    for _, node in walk(cfg.train_dataloader.get('dataset')):
        if type_name(node) in ('RepeatAugment', 'RepeatAugDataset'):
            copies *= node.get('num_repeats', 1)
    return copies


def _forward(
    cfg: Config,
    model: nn.Module,
    number: int,
    shape: tuple[int, ...],
    precision: str,
) -> None:
    """The loss of so many drawn samples."""
    size = shape[-2:]
    pictures = [draw(seed, min(size), size) for seed in range(number)]
    batch = make_batch(cfg, pictures, training=True)
    if len(shape) == 3:
        batch['inputs'] = [_of_length(x, shape[0]) for x in batch['inputs']]
    with _autocast(precision):
        data = model.data_preprocessor(batch, True)
        model(**data, mode='loss')


def _of_length(clip: torch.Tensor, frames: int) -> torch.Tensor:
    """A clip (..., T, H, W) with so many frames, or as it is if it is none."""
    if clip.dim() < 5:
        return clip
    return clip[:, :, torch.arange(frames) % clip.shape[2]]


def _autocast(precision: str) -> AbstractContextManager:
    if precision == 'float32':
        return nullcontext()
    return torch.autocast(get_device(), dtype=getattr(torch, precision))
