"""What counts epochs in a run that counts iterations."""

from collections.abc import Iterator

from mmengine.config import Config

from mmuniformer.checks.finding import Finding
from mmuniformer.nodes import type_name, walk


def counts_iterations(cfg: Config) -> bool:
    """Whether the loop of a config is mmengine's by iterations."""
    loop = cfg.get('train_cfg') or {}
    if loop.get('type') is None:
        return not loop.get('by_epoch', True)
    return type_name(loop) == 'IterBasedTrainLoop'


def counts_other_epochs(cfg: Config, node: dict) -> bool:
    """Whether a schedule waits for epochs that a run does not have."""
    return (
        counts_iterations(cfg)
        and node.get('by_epoch', True)
        and not node.get('convert_to_iter_based')
    )


def check_counting(cfg: Config) -> Iterator[Finding]:
    """Looks for schedules and checkpoints that come once, at the end.

    For mmengine a run by iterations is one epoch, however often the data are
    read. ``by_epoch=True`` is what schedules and the hook of checkpoints take
    if nothing is said.

    Args:
        cfg (Config): As it was read.
    """
    if not counts_iterations(cfg):
        return
    for path, node in walk(cfg.get('param_scheduler'), 'param_scheduler'):
        if type_name(node) and counts_other_epochs(cfg, node):
            yield Finding(
                f'{path}: {type_name(node)} counts epochs, and the run '
                'counts iterations: it takes its first step when the run is '
                'over',
                'set by_epoch=False, and its numbers in iterations',
                entry=f'{path}.by_epoch',
                level='warning',
            )
    hook = (cfg.get('default_hooks') or {}).get('checkpoint')
    is_theirs = type_name(hook).endswith('CheckpointHook')
    if is_theirs and hook.get('by_epoch', True):
        yield Finding(
            'default_hooks.checkpoint counts epochs, and the run counts '
            'iterations: it writes one checkpoint, when the run is over',
            'set by_epoch=False, and an interval in iterations',
            entry='default_hooks.checkpoint.by_epoch',
            level='warning',
        )
