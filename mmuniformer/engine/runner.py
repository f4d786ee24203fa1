"""The run itself: mmengine's runner, with what every run of ours has."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.registry import RUNNERS
from mmengine.runner import Runner

from mmuniformer.engine.backends import save_atomically
from mmuniformer.engine.explain import readable_errors
from mmuniformer.engine.hooks import PublishedCheckpointHook


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
        UserError: See :func:`readable_errors`.
    """
    save_atomically()
    with readable_errors(cfg):
        # The one that a config names by `runner_type`, or mmengine's.
        build = RUNNERS.build if 'runner_type' in cfg else Runner.from_cfg
        runner = build(cfg)
        for note in notes:
            runner.logger.warning(note)
        # Before any other hook sees what was read: that of EMA copies it.
        runner.register_hook(PublishedCheckpointHook(), priority='VERY_HIGH')
        for hook in hooks:
            runner.register_hook(hook)
        yield runner
