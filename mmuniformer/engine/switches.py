"""Hooks that change a run in one epoch, and are asked in no later one.

mmpose's compare the number of the epoch with theirs, where mmdet's ask
whether it is over: a run that is resumed behind it would train on with the
mosaic and the losses of its beginning.
"""

from mmengine.runner import Runner

from mmuniformer.engine.loops import EpochBasedTrainLoop

HOOKS = ('RTMOModeSwitchHook', 'YOLOXPoseModeSwitchHook')


def make_up(runner: Runner, epochs: int) -> None:
    """Has hooks change what they have changed in the epochs that are over.

    Args:
        runner (Runner): It goes on from a checkpoint.
        epochs (int): So many have begun.
    """
    loop = runner.train_loop
    hooks = [hook for hook in runner.hooks if type(hook).__name__ in HOOKS]
    if not hooks or not isinstance(loop, EpochBasedTrainLoop):
        return
    now = loop._epoch
    try:
        for epoch in range(epochs):
            loop._epoch = epoch
            for hook in hooks:
                hook.before_train_epoch(runner)
    finally:
        loop._epoch = now
