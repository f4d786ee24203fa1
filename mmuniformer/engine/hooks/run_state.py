"""What a checkpoint has to hold so that a run goes on as if never ended."""

from collections.abc import Iterator
from itertools import chain
from typing import Any

import torch
from mmengine.dist import all_gather_object, get_rank, get_world_size
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from mmuniformer.checkpoint.entries import bare
from mmuniformer.checkpoint.values import not_finite
from mmuniformer.checks.finding import few
from mmuniformer.engine import kept_attributes, random_states
from mmuniformer.engine.changes import changes, of_checkpoint
from mmuniformer.engine.continuing import continue_data
from mmuniformer.engine.data_parts import parts
from mmuniformer.engine.epoch_rest import counts_of_all
from mmuniformer.engine.hooks.preemption import between_steps
from mmuniformer.engine.loaders import (
    ResumableLoader,
    batch_size,
    sampler_of,
)
from mmuniformer.engine.loops import EpochBasedTrainLoop, IterBasedTrainLoop
from mmuniformer.engine.switches import make_up
from mmuniformer.registry import HOOKS

KEY = 'run_state'
SHOWN = 4


@HOOKS.register_module()
class RunStateHook(Hook):
    """Saves and restores what mmengine's checkpoints have not.

    mmengine saves weights, the optimizer with the scaler of mixed precision,
    schedules, the average (EMA) and the history of the log. This is the rest,
    under ``run_state``: random numbers, running statistics and attributes of
    every process, and the place in the data. Tensors, numbers and containers
    alone, so that the file is read with ``weights_only``.

    A validation draws from random numbers too: it leaves those of the
    training as they were, whether it is made or not.
    """

    priority = 'VERY_HIGH'

    def __init__(self) -> None:
        # Of a checkpoint, until the training has begun.
        self._loaded: dict[str, Any] | None = None
        # Random numbers of the training, while others are drawn.
        self._aside: dict[str, Any] | None = None
        # What each process has, by its number.
        self._gathered: list[dict[str, Any]] = []
        # What they have read of the epoch.
        self._data: dict[str, Any] = {}
        # The config of the checkpoint, as text.
        self._config = ''
        # Tensors that are not finite from the start.
        self._meant: list[str] = []

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Keeps what the checkpoint holds, if the run goes on from it."""
        if runner._resume:
            self._loaded = checkpoint.get(KEY, {})
            self._config = str(checkpoint.get('meta', {}).get('cfg') or '')

    def before_train(self, runner: Runner) -> None:
        """Goes to the place of the checkpoint, and says what is equal."""
        self._meant = not_finite(bare(runner.model).state_dict())
        loaded, self._loaded = self._loaded, None
        if loaded is None:
            return
        for line in self._restore(runner, loaded):
            runner.logger.info(line)

    def before_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None
    ) -> None:
        """Puts random numbers in place before the first step."""
        self._put_back()

    def before_val(self, runner: Runner) -> None:
        """Sets the random numbers of the training aside."""
        if self._aside is None:
            self._aside = random_states.take()

    def after_val_epoch(
        self, runner: Runner, metrics: dict[str, float] | None = None
    ) -> None:
        """Notes that the validation is done: the best model is saved next."""
        place = getattr(runner.train_loop, 'place', None)
        if place is not None:
            place.validated = True

    def after_val(self, runner: Runner) -> None:
        """Goes on with the random numbers of the training."""
        self._put_back()

    def gather_states(self, runner: Runner) -> None:
        """Collects what is to be saved; every process must call it.

        mmengine saves, and calls ``before_save_checkpoint``, in the first one
        alone.
        """
        own = dict(
            random=self._aside or random_states.take(),
            statistics=_statistics(bare(runner.model)),
            attributes=kept_attributes.take(_objects(runner)),
            last_batch=_last_batch(runner.train_loop),
        )
        self._gathered = all_gather_object(own)
        self._data = _data(runner.train_loop)

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Adds the run's state to what is saved."""
        if not self._gathered:
            # Saved by a hook that is not ours, in this process alone.
            if get_world_size() > 1:
                return
            self.gather_states(runner)
        loop = runner.train_loop
        place = getattr(loop, 'place', None)
        loader = _loader(loop)
        checkpoint[KEY] = dict(
            processes=get_world_size(),
            samples=_samples_of_step(loader),
            sampler_seed=_seed(loader),
            place=None if place is None else dict(vars(place)),
            stopped=bool(getattr(loop, 'stop_training', False)),
            ranks=_without_copies(self._gathered),
            data=self._data,
            not_finite=list(self._meant),
        )
        self._gathered = []

    def _put_back(self) -> None:
        if self._aside is not None:
            random_states.put(self._aside)
            self._aside = None

    def _restore(self, runner: Runner, state: dict) -> Iterator[str]:
        """Puts a state in place; lines of the log that say how far."""
        loop = runner.train_loop
        begun = bool((state.get('place') or {}).get('batch'))
        with random_states.kept():
            make_up(runner, runner.epoch + begun)
        loader = _loader(loop)
        seed, sampler = state.get('sampler_seed'), sampler_of(loader)
        if seed is not None and sampler is not None:
            sampler.seed = seed
        if hasattr(loop, 'stop_training'):
            loop.stop_training = state.get('stopped', False)
        ranks, world = state.get('ranks', []), get_world_size()
        if len(ranks) == world:
            own = ranks[get_rank()]
            self._aside = own['random']
            _set_statistics(bare(runner.model), own['statistics'])
            kept_attributes.put(_objects(runner), own['attributes'])
        else:
            # Not those that the training began with; on the GPU, too.
            random_states.seed_cpu(runner.seed, runner.iter)
            torch.manual_seed(torch.initial_seed())
        place, different = continue_data(runner, state)
        if not between_steps(runner.optim_wrapper):
            different.append(
                'Gradients that wait for the step of the optimizer are not '
                'saved: it is taken without them.'
            )
        different += _changed(self._config, runner.cfg.pretty_text)
        yield _explain(runner, state, place, different)
        yield from different
        for name in sorted(set(_caches(getattr(loader, 'dataset', None)))):
            yield (
                f'{name} mixes images of earlier batches, which are not '
                'saved: it begins with none.'
            )


def _explain(
    runner: Runner, state: dict, place: str, different: list[str]
) -> str:
    """What of a resumed run is as if it had not been ended, and what not."""
    loop, world = runner.train_loop, get_world_size()
    where = f'iteration {runner.iter}'
    if isinstance(loop, EpochBasedTrainLoop):
        at = loop.place
        where = f'epoch {at.epoch + 1}, batch {at.batch + 1}, {where}'
    equal = 'weights, optimizer, schedules'
    if _is_over(loop):
        return (
            f'Resumed at iteration {runner.iter}, which was the last one: '
            'nothing is left to train.'
        )
    if not state:
        return (
            f'Resumed at {where}. Equal: {equal}. The checkpoint has no '
            'random states: random numbers are others than those of a run '
            'that was not ended.'
        )
    if len(state['ranks']) == world:
        processes = 'process' if world == 1 else 'processes'
        told = f'Resumed at {where}, with the random states of {world} '
        if not different:
            return (
                f'{told}{processes}: the run goes on as if it had not been '
                'ended.'
            )
        return f'{told}{processes}. What is different:'
    seen = f', {place}' if place else ''
    return (
        f'Resumed at {where} with {world} processes; the checkpoint is of '
        f'{state["processes"]}. Equal: {equal}{seen}. Different: random '
        f'numbers, and {_samples_of_step(_loader(loop))} samples a step '
        f'instead of {state["samples"]}. Schedules go on by iterations.'
    )


def _is_over(loop: Any) -> bool:
    """Whether a loop has no step to make."""
    if getattr(loop, 'stop_training', False):
        return True
    if isinstance(loop, EpochBasedTrainLoop):
        return loop.epoch >= loop.max_epochs
    return isinstance(loop, IterBasedTrainLoop) and loop.iter >= loop.max_iters


def _changed(before: str, now: str) -> list[str]:
    """Lines about keys of the config that were changed."""
    found = changes(before, now) if before else {}
    told = {
        key: f'{key} ({_short(old)}, now {_short(new)})'
        for key, (old, new) in found.items()
    }
    kept = [line for key, line in told.items() if of_checkpoint(key)]
    others = [line for key, line in told.items() if not of_checkpoint(key)]
    lines = []
    if others:
        lines.append(f'Changed since the checkpoint: {few(others, SHOWN)}.')
    if kept:
        lines.append(
            'Without effect, since a resumed run has the optimizer, the '
            'schedules and the seed of its checkpoint: '
            f'{few(kept, SHOWN)}. A new run that loads it (load_from) takes '
            'them.'
        )
    return lines


def _short(value: str) -> str:
    return value if len(value) <= 40 else f'{value[:37]}...'


def _loader(loop: Any) -> Any:
    """The loader of a loop; None of one that has none."""
    return getattr(loop, 'dataloader', None)


def _samples_of_step(loader: Any) -> int:
    """Samples that all processes read for one step; 0 if unknown."""
    return batch_size(loader) * get_world_size()


def _last_batch(loop: Any) -> list | None:
    """Indices of the batch that a process was last trained on."""
    loader, place = _loader(loop), getattr(loop, 'place', None)
    if place is None or not isinstance(loader, ResumableLoader):
        return None
    return kept_attributes.plain(loader.batches.batch(place.batch - 1))


def _data(loop: Any) -> dict[str, Any]:
    """What all processes have read of an epoch."""
    loader, place = _loader(loop), getattr(loop, 'place', None)
    if place is None or not isinstance(loader, ResumableLoader):
        return {}
    rest, seen = loop.rest, None
    before = None if rest is None else rest.before
    if place.batch:
        seen = counts_of_all(loader, place.batch, before)
    return dict(
        length=len(loader.dataset),
        seen=seen,
        before=before,
        first=0 if rest is None else rest.first,
    )


def _seed(loader: Any) -> int | None:
    seed = getattr(sampler_of(loader), 'seed', None)
    return int(seed) if seed is not None else None


def _objects(runner: Runner) -> Iterator[tuple[str, Any]]:
    """Modules of the model and hooks, which may have attributes to keep."""
    hooks = ((f'hook {type(hook).__name__}', hook) for hook in runner.hooks)
    return chain(bare(runner.model).named_modules(), hooks)


def _statistics(model: nn.Module) -> dict[str, torch.Tensor]:
    """Running statistics of the norms that processes do not share."""
    return {
        f'{name}.{key}': value.detach().cpu()
        for name, module in model.named_modules()
        if isinstance(module, _BatchNorm)
        and not isinstance(module, nn.SyncBatchNorm)
        for key, value in module.named_buffers(recurse=False)
    }


def _set_statistics(model: nn.Module, values: dict) -> None:
    buffers = dict(model.named_buffers())
    for name, value in values.items():
        if name in buffers:
            buffers[name].copy_(value)


def _without_copies(ranks: list[dict]) -> list[dict]:
    """Leaves out statistics that the weights of the checkpoint have."""
    first = ranks[0]['statistics']
    for rank in ranks:
        rank['statistics'] = {
            name: value
            for name, value in rank['statistics'].items()
            if not torch.equal(value, first[name])
        }
    return ranks


def _caches(dataset: Any) -> Iterator[str]:
    """Names of transforms that keep images of earlier samples."""
    for part in parts(dataset):
        if hasattr(part, 'results_cache'):
            yield type(part).__name__
