"""What a run on many processes would do, found out by one.

The runner, the data sets and the samplers are the real ones, in a process
group whose other members are not there: what they count is what each process
of such a run counts.
"""

from bisect import bisect
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, replace
from math import ceil, inf
from typing import Any

import torch.distributed as torch_dist
from mmengine.config import Config
from mmengine.runner import Runner
from mmengine.runner.loops import EpochBasedTrainLoop
from torch.testing._internal.distributed.fake_pg import FakeStore

from mmuniformer.checks.counting import counts_other_epochs
from mmuniformer.checks.data_sets import DataSet, data_sets
from mmuniformer.checks.finding import Finding
from mmuniformer.datasets.published_sizes import Sized, published_size
from mmuniformer.engine.runner import accumulated_steps, runner_of
from mmuniformer.errors import UserError
from mmuniformer.nodes import type_name, walk

COUNTED, PUBLISHED, GIVEN = 'counted', 'published', 'given'
# Samples of a set of which nothing is known: enough for a step of any run.
SOME = 10**7


@dataclass(frozen=True)
class Rehearsal:
    """Numbers of a run.

    Attributes:
        world_size (int): Processes.
        batch_size (int): Samples of a process in a forward pass.
        accumulated (int): Forward passes of a step of the optimizer.
        samples (int, optional): Of the training data; None if not known.
        source (str): Where that is from: 'counted', 'published' or 'given'.
        epoch (int, optional): Forward passes of a process in an epoch.
        epochs (float, optional): How many; of a run that counts iterations,
            how often it reads the data.
        passes (int, optional): Forward passes of a process in all.
        rates (tuple[float, ...]): Learning rates of the parameter groups,
            the largest first, before any schedule.
        scale (float): What the config's rates were multiplied by.
        validations (int, optional): How often it validates.
        checkpoints (int, optional): How many it writes.
        kept (int, optional): How many of them stay; None for all.
    """

    world_size: int
    batch_size: int
    accumulated: int
    samples: int | None
    source: str
    epoch: int | None
    epochs: float | None
    passes: int | None
    rates: tuple[float, ...]
    scale: float
    validations: int | None
    checkpoints: int | None
    kept: int | None

    @property
    def global_batch(self) -> int:
        """Samples of a step of the optimizer, over all processes."""
        return self.world_size * self.batch_size * self.accumulated

    @property
    def steps(self) -> int | None:
        """Steps of the optimizer in all."""
        return self.passes and ceil(self.passes / self.accumulated)


@contextmanager
def pretended_processes(world_size: int) -> Iterator[None]:
    """Makes this process the first of so many.

    Args:
        world_size (int): Processes that samplers and hooks see. Nothing is
            sent: what would be gathered from the others is left as it is.
    """
    if torch_dist.is_initialized():
        raise UserError(
            'the run is rehearsed by one process; start it without a launcher'
        )
    torch_dist.init_process_group(
        'fake', store=FakeStore(), rank=0, world_size=world_size
    )
    try:
        yield
    finally:
        torch_dist.destroy_process_group()


def stand_in(cfg: Config, samples: int | None = None) -> str:
    """Puts data sets of a known size in place of those that are not here.

    Args:
        cfg (Config): Its training data are changed in place.
        samples (int, optional): The size of the training data, counted or
            not.

    Returns:
        str: Where the size is from; '' if it is not known.
    """
    if samples is not None:
        found = list(data_sets(cfg, ['train']))
        metainfo = found[0].metainfo if found else {}
        cfg.train_dataloader.dataset = _sized(samples, metainfo)
        return GIVEN
    sources = {COUNTED}
    for data_set in list(data_sets(cfg, ['train'])):
        if is_here(data_set):
            continue
        size = published_size(data_set.name, data_set.node)
        sources.add(PUBLISHED if size else '')
        metainfo = data_set.metainfo
        data_set.node.clear()
        data_set.node.update(_sized(size or SOME, metainfo))
    return min(sources, key=['', PUBLISHED, COUNTED].index)


def _sized(samples: int, metainfo: dict[str, Any]) -> dict[str, Any]:
    return dict(type=Sized, size=samples, metainfo=metainfo)


def is_here(data_set: DataSet) -> bool:
    """Whether the annotations, or else the folders, of a set are here."""
    if data_set.ann_file is not None:
        return data_set.ann_file.is_file()
    prefix = data_set.node.get('data_prefix') or ''
    parts = prefix.values() if isinstance(prefix, dict) else [prefix]
    if data_set.node.get('split') and not prefix:
        parts = [data_set.node['split']]
    return all(data_set.below_root(part).exists() for part in parts)


def rehearse(
    cfg: Config, world_size: int, samples: int | None = None
) -> tuple[Rehearsal, Runner]:
    """Builds a run as one of many processes would, and counts.

    Args:
        cfg (Config): As :func:`prepare` leaves it; its work dir gets the
            runner's log.
        world_size (int): Processes.
        samples (int, optional): Size of the training data, where they are
            not on this machine.

    Returns:
        tuple[Rehearsal, Runner]: What was counted, and the runner with its
        model and optimizer.
    """
    cfg = deepcopy(cfg)
    source = stand_in(cfg, samples)
    _quiet(cfg)
    with pretended_processes(world_size), runner_of(cfg) as runner:
        loop = runner.train_loop
        wrapper = runner.build_optim_wrapper(runner.optim_wrapper)
        before = _rates(wrapper)
        runner.scale_lr(wrapper, runner.auto_scale_lr)
        runner.optim_wrapper = wrapper
        rates = _rates(wrapper)
        loader = loop.dataloader
        batch_size = cfg.train_dataloader.batch_size
        known = len(loader.dataset) if source else None
        by_epoch = isinstance(loop, EpochBasedTrainLoop)
        in_all = world_size * batch_size
        epoch = epochs = passes = None
        if by_epoch:
            epochs = loop.max_epochs
            if known is not None:
                epoch, passes = len(loader), loop.max_iters
        else:
            passes = loop.max_iters
            if known is not None:
                epoch = ceil(known / in_all)
                epochs = passes * in_all / known
        end = epochs if by_epoch else passes
        rehearsal = Rehearsal(
            world_size=world_size,
            batch_size=batch_size,
            accumulated=accumulated_steps(wrapper),
            samples=known,
            source=source,
            epoch=epoch,
            epochs=epochs,
            passes=passes,
            rates=rates,
            scale=rates[0] / before[0] if before[0] else 1.0,
            validations=_validations(cfg, loop, end),
            checkpoints=None,
            kept=None,
        )
    written, kept = checkpoints(cfg, rehearsal, by_epoch)
    return replace(rehearsal, checkpoints=written, kept=kept), runner


def _quiet(cfg: Config) -> None:
    """A run that says nothing, draws nothing and starts from no file."""
    cfg.log_level = 'ERROR'
    cfg.visualizer = dict(type='Visualizer', vis_backends=[])
    cfg.resume, cfg.load_from = False, None
    loader = cfg.train_dataloader
    # No worker is started.
    loader.num_workers, loader.persistent_workers = 0, False
    for key in ('prefetch_factor', 'multiprocessing_context', 'timeout'):
        loader.pop(key, None)


def _rates(wrapper: Any) -> tuple[float, ...]:
    """The learning rates of parameter groups, the largest first."""
    wrappers = wrapper.values() if hasattr(wrapper, 'values') else [wrapper]
    groups = [g for w in wrappers for g in w.optimizer.param_groups]
    return tuple(sorted({g['lr'] for g in groups}, reverse=True))


def _validations(cfg: Config, loop: Any, end: float | None) -> int | None:
    if cfg.get('val_cfg') is None:
        return 0
    if end is None:
        return None
    begin, end = getattr(loop, 'val_begin', 1), int(end)
    number = 0
    for step in range(max(begin, 1), end + 1):
        interval = loop.val_interval
        if hasattr(loop, 'dynamic_milestones'):
            # As the loop looks it up, which is then at its next step.
            place = bisect(loop.dynamic_milestones, step + 1)
            interval = loop.dynamic_intervals[place - 1]
        number += step % interval == 0 or step == end
    return number


def checkpoints(
    cfg: Config, rehearsal: Rehearsal, by_epoch: bool
) -> tuple[int | None, int | None]:
    """Checkpoints that the hook of a config writes, and that stay.

    Args:
        cfg (Config): Its ``default_hooks.checkpoint`` is read.
        rehearsal (Rehearsal): Of it.
        by_epoch (bool): Whether the loop counts epochs.
    """
    hook = (cfg.get('default_hooks') or {}).get('checkpoint') or {}
    end = rehearsal.epochs if hook.get('by_epoch', True) else rehearsal.passes
    if not by_epoch and hook.get('by_epoch', True):
        # There is one epoch, of all iterations.
        end = 1
    interval = hook.get('interval', -1)
    if end is None:
        return None, None
    end = int(end)
    begin = hook.get('save_begin', 0)
    written, at_end = 0, False
    if interval > 0 and end >= begin:
        # There is no checkpoint of step 0.
        written = (end - begin) // interval + (begin > 0)
        at_end = (end - begin) % interval == 0
    last = hook.get('save_last', True) and not at_end
    most = hook.get('max_keep_ckpts', -1)
    written += bool(last)
    return written, min(most, written) if most > 0 else None


def misfits(cfg: Config, rehearsal: Rehearsal) -> Iterator[Finding]:
    """What of a config does not go with so many processes.

    Args:
        cfg (Config): The config.
        rehearsal (Rehearsal): Of it.
    """
    if rehearsal.samples is None:
        missing = [d.path for d in data_sets(cfg, ['train']) if not is_here(d)]
        yield Finding(
            f'{", ".join(missing)}: its files are not on this machine, so the '
            'iterations are not known',
            'give their number with --samples',
            entry=''.join(missing[:1]),
            level='note',
        )
    yield from _of_the_rate(cfg, rehearsal)
    if rehearsal.epoch == 0:
        batch = rehearsal.world_size * rehearsal.batch_size
        yield Finding(
            f'train_dataloader: {rehearsal.samples} samples make no whole '
            f'batch of {batch}, and drop_last leaves the rest out: an epoch '
            'has no step',
            'take fewer processes or a smaller batch, or set drop_last=False',
            entry='train_dataloader.batch_size',
        )
    elif rehearsal.epoch and rehearsal.epoch < rehearsal.accumulated:
        yield Finding(
            f'optim_wrapper.accumulative_counts is {rehearsal.accumulated}, '
            f'and an epoch has {rehearsal.epoch} forward passes: a step '
            'reaches over several epochs',
            'accumulate fewer',
            entry='optim_wrapper.accumulative_counts',
            level='warning',
        )
    yield from _of_the_schedule(cfg, rehearsal)
    if rehearsal.validations == 0 and cfg.get('val_cfg') is not None:
        yield Finding(
            f'train_cfg.val_interval is {cfg.train_cfg.get("val_interval")}, '
            'longer than the run: it never validates',
            'set a shorter one',
            entry='train_cfg.val_interval',
            level='warning',
        )
    if rehearsal.checkpoints == 0:
        yield Finding(
            'default_hooks.checkpoint writes no checkpoint in this run',
            'set its interval, or save_last=True',
            entry='default_hooks.checkpoint',
            level='warning',
        )


def _of_the_rate(cfg: Config, rehearsal: Rehearsal) -> Iterator[Finding]:
    auto = cfg.get('auto_scale_lr') or {}
    base = auto.get('base_batch_size')
    batch = rehearsal.global_batch
    if base and base != batch and not auto.get('enable'):
        mend = f'--auto-scale-lr multiplies the rate by {batch / base:g}'
        number, rest = divmod(base * rehearsal.world_size, batch)
        if not rest:
            mend += f'; or take {number} processes'
        yield Finding(
            f'the learning rate is for a batch of {base}, and '
            f'{rehearsal.world_size} processes make one of {batch}',
            mend,
            entry='auto_scale_lr',
            level='warning',
        )


def _of_the_schedule(cfg: Config, rehearsal: Rehearsal) -> Iterator[Finding]:
    for path, node in walk(cfg.get('param_scheduler'), 'param_scheduler'):
        if not type_name(node) or counts_other_epochs(cfg, node):
            # Told by a check of its own.
            continue
        by_epoch = node.get('by_epoch', True)
        total = rehearsal.epochs if by_epoch else rehearsal.passes
        unit = 'epoch' if by_epoch else 'iteration'
        begin, end = node.get('begin', 0), node.get('end', inf)
        late = [m for m in node.get('milestones') or () if total and m > total]
        if total is None:
            continue
        if begin >= total:
            yield Finding(
                f'{path}: {type_name(node)} begins at {unit} {begin}, and '
                f'the run ends at {total:g}: it never does anything',
                'set begin, or train longer',
                entry=f'{path}.begin',
                level='warning',
            )
        elif late:
            yield Finding(
                f'{path}: milestones {late} lie behind the end of the run, '
                f'{unit} {total:g}',
                'set milestones within it',
                entry=f'{path}.milestones',
                level='warning',
            )
        elif end != inf and end > total:
            yield Finding(
                f'{path}: {type_name(node)} ends at {unit} {end}, and the '
                f'run at {total:g}: it is cut off',
                'let it end with the run',
                entry=f'{path}.end',
                level='warning',
            )
