"""The run itself: mmengine's runner, with what every run of ours has."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.optim import OptimWrapper, OptimWrapperDict
from mmengine.registry import RUNNERS
from mmengine.runner import Runner

from mmuniformer.checks.finding import stop_on_errors
from mmuniformer.checks.phases import check_phases
from mmuniformer.engine.backends import save_atomically
from mmuniformer.engine.explain import readable_errors
from mmuniformer.engine.hooks import (
    FiniteStepsHook,
    PublishedCheckpointHook,
    SignsOfLifeHook,
)
from mmuniformer.engine.joining import waiting_time
from mmuniformer.engine.starting import start_together
from mmuniformer.errors import UserError
from mmuniformer.launch.environment import be_done_before, is_watched

# Seconds that data sets may be read before a run begins.
LONGEST_READING = 24 * 3600


@contextmanager
def runner_of(
    cfg: Config, notes: Sequence[str] = (), hooks: Sequence[Hook] = ()
) -> Iterator[Runner]:
    """Builds the runner of a config, and explains errors of what it does.

    Args:
        cfg (Config): As :func:`prepare` leaves it.
        notes (Sequence[str]): The first lines of its log.
        hooks (Sequence[Hook]): Hooks besides those of the config.

    Raises:
        UserError: See :func:`readable_errors`, and where a phase has some of
            its parts alone.
    """
    save_atomically()
    with readable_errors(cfg):
        # The one that a config names by `runner_type`, or mmengine's.
        if 'runner_type' in cfg:
            runner = RUNNERS.build(cfg)
        else:
            stop_on_errors(check_phases(cfg))
            runner = Runner.from_cfg(cfg)
        start_together(runner)
        for note in notes:
            runner.logger.warning(note)
        count_accumulated_steps(runner)
        # Before any other hook sees what was read: that of EMA copies it.
        runner.register_hook(PublishedCheckpointHook(), priority='VERY_HIGH')
        if not any(isinstance(h, FiniteStepsHook) for h in runner.hooks):
            runner.register_hook(FiniteStepsHook())
        if is_watched():
            runner.register_hook(SignsOfLifeHook(waiting_time(cfg)))
            # Data sets are read before the first hook is asked.
            be_done_before(LONGEST_READING, has_stepped=False)
        for hook in hooks:
            runner.register_hook(hook)
        try:
            yield runner
        finally:
            _leave_managers(runner)


def _leave_managers(runner: Runner) -> None:
    """Has the next run of this process make its own log and pictures.

    mmengine keeps them by name: a visualizer has the same one in all runs,
    so that the second would write its curves into the folder of the first,
    and so have the logs of two runs that begin within one second.
    """
    for one in (
        runner.logger,
        runner.message_hub,
        runner.visualizer,
        runner.default_scope,
    ):
        for cls in type(one).__mro__:
            kept = vars(cls).get('_instance_dict', {})
            for name in [name for name, it in kept.items() if it is one]:
                del kept[name]


def count_accumulated_steps(runner: Runner) -> None:
    """Has the learning rate scaled to the batch of one optimizer step.

    mmengine compares the images of one forward pass with
    ``base_batch_size``; with ``accumulative_counts`` a step of the optimizer
    has several of them.

    Args:
        runner (Runner): Its ``auto_scale_lr`` is changed.
    """
    # FlexibleRunner has it as a private attribute.
    public = hasattr(runner, 'auto_scale_lr')
    name = 'auto_scale_lr' if public else '_auto_scale_lr'
    settings = getattr(runner, name, None)
    if not settings or not settings.get('enable'):
        return
    steps = accumulated_steps(runner.optim_wrapper)
    loader, base = runner._train_dataloader, settings['base_batch_size']
    if steps == 1 or not isinstance(loader, dict):
        return
    images = loader['batch_size'] * runner.world_size
    setattr(runner, name, dict(settings, base_batch_size=base / steps))
    runner.logger.info(
        f'--auto-scale-lr: {images} images in a forward pass and {steps} '
        f'accumulated passes are a batch size of {images * steps}; the '
        f'learning rate of the config is for {base}. mmengine divides both '
        f'by {steps}.'
    )


def accumulated_steps(wrapper: OptimWrapper | dict | None) -> int:
    """Forward passes of one step of the optimizer."""
    if isinstance(wrapper, OptimWrapperDict):
        wrapper = dict(wrapper.items())
    if not isinstance(wrapper, dict):
        return getattr(wrapper, '_accumulative_counts', 1)
    several = [
        value
        for value in wrapper.values()
        if isinstance(value, OptimWrapper)
        or (isinstance(value, dict) and 'optimizer' in value)
    ]
    if not several:
        return wrapper.get('accumulative_counts', 1)
    counts = {accumulated_steps(value) for value in several}
    if len(counts) > 1:
        raise UserError(
            '--auto-scale-lr: optimizers that accumulate over '
            f'{", ".join(map(str, sorted(counts)))} passes have no batch '
            'size in common'
        )
    return counts.pop()
