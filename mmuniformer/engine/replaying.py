"""A training step again, from the file of a batch, and what is wrong in it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.logging import MessageHub
from mmengine.model import revert_sync_batchnorm
from mmengine.optim import OptimWrapper
from mmengine.registry import MODELS
from torch import Tensor, nn

from mmuniformer.checkpoint import read_checkpoint
from mmuniformer.checkpoint.values import not_finite
from mmuniformer.engine import kept_attributes, random_states
from mmuniformer.engine.batch_files import from_plain
from mmuniformer.engine.tracing import Trace, Tracer
from mmuniformer.errors import CheckpointError
from mmuniformer.nodes import type_name

# How far a run is, as its hooks tell models.
PROGRESS = ('iter', 'epoch', 'max_iters', 'max_epochs')
NEEDED = ('meta', 'batch', 'random', 'weights', 'files', 'terms')


@dataclass(frozen=True)
class Replay:
    """What a step was, and what it is this time.

    Attributes:
        iteration (int): Counted from 1, as in the log.
        rank (int): The process whose batch it was.
        files (list[str]): What the batch was read from.
        terms (dict[str, float]): Terms of its loss that were not finite.
        losses (dict[str, float]): Terms of the loss of this time.
        weights (str): The file that they are of, and what is wrong with them.
        trace (Trace): Where it begins.
        gradients (list[str]): Parameters whose gradient is not finite.
        precision (str): Of the forward pass, and on which device.
    """

    iteration: int
    rank: int
    files: list[str]
    terms: dict[str, float]
    losses: dict[str, float]
    weights: str
    trace: Trace
    gradients: list[str]
    precision: str


def read_batch_file(path: str) -> dict:
    """Reads a file of :class:`FiniteStepsHook`, as data.

    Raises:
        CheckpointError: If it is no such file, is damaged, or holds code.
    """
    content = read_checkpoint(path)
    missing = [key for key in NEEDED if key not in content]
    if missing or not isinstance(content['meta'], dict):
        raise CheckpointError(
            f'{path} is no batch of a run: it has no {", ".join(missing)}'
        )
    return content


def weights_of(content: dict, folder: Path) -> Path:
    """The file of the weights of a batch.

    Args:
        content (dict): From :func:`read_batch_file`. Of what it names only
            the name counts: a file leads nowhere else.
        folder (Path): Where it lies; weights are there or one folder above.

    Raises:
        CheckpointError: If they are in neither.
    """
    name = Path(str(content['weights'])).name
    for path in (folder / name, folder.parent / name):
        if name and path.is_file():
            return path
    raise CheckpointError(
        f'the weights {name or "of the batch"} are neither in {folder} nor '
        'in the folder above; name a checkpoint with --weights'
    )


def run_again(content: dict, cfg: Config, weights: Path) -> Replay:
    """Runs the forward and the backward pass of a batch, and takes no step.

    Args:
        content (dict): From :func:`read_batch_file`.
        cfg (Config): That of the run; its default scope is active.
        weights (Path): A checkpoint.
    """
    model = _model(cfg)
    problem = _load(model, weights)
    model.to(get_device()).train()
    batch = from_plain(content['batch'])
    tracer = Tracer(model)
    wrapper = _Backward(model, cfg, content.get('loss_scale', 1.0), tracer)
    _tell_progress(content)
    attributes = content.get('attributes') or {}
    kept_attributes.put(model.named_modules(), attributes)
    random_states.put(content['random'])
    with tracer.watching():
        outputs = model.train_step(batch, optim_wrapper=wrapper)
    gradients = {
        name: param.grad
        for name, param in model.named_parameters()
        if param.grad is not None
    }
    return Replay(
        iteration=content['meta']['iter'],
        rank=content['meta']['rank'],
        files=content['files'],
        terms=content['terms'],
        losses={
            name: float(torch.as_tensor(value).detach())
            for name, value in outputs.items()
        },
        weights=f'{weights}{problem}',
        trace=tracer.trace,
        gradients=not_finite(gradients),
        precision=f'{wrapper.precision} on {get_device()}',
    )


def _model(cfg: Config) -> nn.Module:
    settings = cfg.model
    if cfg.get('data_preprocessor') is not None:
        settings.setdefault('data_preprocessor', cfg.data_preprocessor)
    return revert_sync_batchnorm(MODELS.build(settings))


def _tell_progress(content: dict) -> None:
    """Tells the model how far the run was, which mmengine's hooks do."""
    # Files of earlier releases have the number of the step alone.
    known = {'iter': content['meta']['iter'] - 1, **content.get('info', {})}
    hub = MessageHub.get_current_instance()
    for name in PROGRESS:
        if name in known:
            hub.update_info(name, int(known[name]))


def _load(model: nn.Module, path: Path) -> str:
    """Loads weights, those that were trained; says what is wrong with them."""
    content = read_checkpoint(str(path))
    state = content['state_dict']
    average = content.get('ema_state_dict')
    if isinstance(average, Mapping):
        # The hook of EMA saves either in the other's place.
        state = state | {
            name.removeprefix('module.'): tensor
            for name, tensor in average.items()
            if name.startswith('module.')
        }
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        raise CheckpointError(
            f'{path} holds no weights of the model of the config: {error}'
        ) from error
    names = not_finite(state)
    if names:
        return f', of which {len(names)} are not finite: {names[0]}'
    return '' if 'optimizer' not in content else ', from before the batch'


class _Backward(OptimWrapper):
    """An optimizer wrapper that takes no step.

    Args:
        model (nn.Module): Its parameters get gradients.
        cfg (Config): Says in which precision.
        scale (float): Of the loss, as it was in mixed precision.
        tracer (Tracer): Is shown the graph.
    """

    def __init__(
        self, model: nn.Module, cfg: Config, scale: float, tracer: Tracer
    ) -> None:
        super().__init__(torch.optim.SGD(model.parameters(), lr=0.0))
        self._scale = scale
        self._tracer = tracer
        settings = cfg.get('optim_wrapper') or {}
        mixed = type_name(settings) == 'AmpOptimWrapper'
        kind = settings.get('dtype') or 'float16'
        kind = str(kind).removeprefix('torch.') if mixed else 'float32'
        if kind == 'float16' and get_device() == 'cpu':
            # As trained as here: in single precision.
            kind = 'float32'
        self.precision = kind

    def __getitem__(self, name: str) -> 'OptimWrapper':
        """Itself, for a model that has several optimizers."""
        return self

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """The precision of the run."""
        kind = getattr(torch, self.precision)
        device = torch.device(get_device()).type
        with torch.autocast(device, kind, enabled=kind is not torch.float32):
            yield

    def update_params(self, loss: Tensor, *args: Any, **kwargs: Any) -> None:
        """Computes gradients, and the scale out of them again."""
        loss = loss * self._scale
        self._tracer.watch_gradients(loss)
        loss.backward()
        if self._scale != 1:
            for group in self.param_groups:
                for param in group['params']:
                    if param.grad is not None:
                        param.grad /= self._scale
