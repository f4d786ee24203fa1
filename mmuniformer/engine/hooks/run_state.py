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
from torch.utils.data import DataLoader

from mmuniformer.checkpoint.entries import bare
from mmuniformer.engine import kept_attributes, random_states
from mmuniformer.engine.loaders import goes_on, sampler_of
from mmuniformer.engine.loops import EpochBasedTrainLoop, Place
from mmuniformer.registry import HOOKS

KEY = 'run_state'


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

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Keeps what the checkpoint holds, if the run goes on from it."""
        if runner._resume:
            self._loaded = checkpoint.get(KEY, {})

    def before_train(self, runner: Runner) -> None:
        """Goes to the place of the checkpoint, and says what is equal."""
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
        )
        self._gathered = all_gather_object(own)

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Adds the run's state to what is saved."""
        if not self._gathered:
            # Saved by a hook that is not ours, in this process alone.
            if get_world_size() > 1:
                return
            self.gather_states(runner)
        loop = runner.train_loop
        place = getattr(loop, 'place', None)
        checkpoint[KEY] = dict(
            processes=get_world_size(),
            samples=_samples_of_step(loop.dataloader),
            sampler_seed=_seed(loop.dataloader),
            place=None if place is None else dict(vars(place)),
            stopped=bool(loop.stop_training),
            ranks=_without_copies(self._gathered),
        )
        self._gathered = []

    def _put_back(self) -> None:
        if self._aside is not None:
            random_states.put(self._aside)
            self._aside = None

    def _restore(self, runner: Runner, state: dict) -> Iterator[str]:
        """Puts a state in place; lines of the log that say how far."""
        loop = runner.train_loop
        if hasattr(loop, 'place'):
            loop.place = _place_of(runner, state)
        else:
            yield (
                f'{type(loop).__name__} begins the epoch again: it cannot go '
                'on from the middle of one.'
            )
        seed, sampler = state.get('sampler_seed'), sampler_of(loop.dataloader)
        if seed is not None and sampler is not None:
            sampler.seed = seed
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
        yield from _explain(runner, state)


def _explain(runner: Runner, state: dict) -> Iterator[str]:
    """What of a resumed run is as if it had not been ended, and what not."""
    loop, world = runner.train_loop, get_world_size()
    place = getattr(loop, 'place', Place(runner.epoch))
    by_epoch = isinstance(loop, EpochBasedTrainLoop)
    where = f'iteration {runner.iter}'
    if by_epoch:
        where = f'epoch {place.epoch + 1}, batch {place.batch + 1}, {where}'
    equal = 'weights, optimizer, schedules'
    if not state:
        yield (
            f'Resumed at {where}. Equal: {equal}. The checkpoint has no '
            'random states: random numbers are others than those of a run '
            'that was not ended.'
        )
    elif len(state['ranks']) == world:
        processes = 'process' if world == 1 else 'processes'
        yield (
            f'Resumed at {where}, with the random states of {world} '
            f'{processes}: the run goes on as if it had not been ended.'
        )
    else:
        yield (
            f'Resumed at {where} with {world} processes; the checkpoint is of '
            f'{state["processes"]}. Equal: {equal}, samples seen'
            f'{_seen(state)}. Different: random numbers, and '
            f'{_samples_of_step(loop.dataloader)} samples a step instead of '
            f'{state["samples"]}. Schedules go on by iterations.'
        )
    for name in sorted(set(_caches(loop.dataloader.dataset))):
        yield (
            f'{name} mixes images of earlier batches, which are not saved: it '
            'begins with none.'
        )


def _seen(state: dict) -> str:
    place = state['place']
    if place is None or not state['samples']:
        return ''
    seen = place['batch'] * state['samples']
    return f' ({seen} of epoch {place["epoch"] + 1} of the data)'


def _place_of(runner: Runner, state: dict) -> Place:
    """Where the loop goes on."""
    loop = runner.train_loop
    saved = state.get('place')
    if saved is None:
        # A checkpoint of mmengine: of whole epochs, or of so many batches.
        if isinstance(loop, EpochBasedTrainLoop):
            return Place(runner.epoch)
        sampler, length = sampler_of(loop.dataloader), len(loop.dataloader)
        if sampler is None or goes_on(sampler) or not length:
            return Place(0, runner.iter)
        return Place(*divmod(runner.iter, length))
    place = Place(**saved)
    now = _samples_of_step(loop.dataloader)
    before = state['samples']
    if now and before and now != before:
        # No sample is left out; of the last step some may be seen again.
        place.batch = place.batch * before // now
    return place


def _samples_of_step(loader: DataLoader) -> int:
    """Samples that all processes read for one step; 0 if unknown."""
    size = getattr(loader.batch_sampler, 'batch_size', None)
    if isinstance(size, list | tuple):
        size = sum(size)
    return (size or 0) * get_world_size()


def _seed(loader: DataLoader) -> int | None:
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
    waiting = [dataset]
    while waiting:
        each = waiting.pop()
        waiting += getattr(each, 'datasets', None) or []
        if getattr(each, 'dataset', None) is not None:
            waiting.append(each.dataset)
        pipeline = getattr(each, 'pipeline', None)
        transforms = getattr(pipeline, 'transforms', pipeline)
        if isinstance(transforms, list | tuple):
            for transform in transforms:
                if hasattr(transform, 'results_cache'):
                    yield type(transform).__name__
