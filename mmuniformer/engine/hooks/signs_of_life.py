"""Telling the launcher that a process goes on."""

from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmuniformer.launch.environment import be_done_before


class SignsOfLifeHook(Hook):
    """Promises the launcher, at each step, another one within some time.

    Processes that wait for each other notice one that hangs by themselves.
    One process alone, or all that hang at once, are noticed by the launcher.

    Args:
        seconds (float): What an iteration, a validation's metrics or a
            checkpoint may take.
    """

    priority = 'LOWEST'

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.has_stepped = False

    def _sign(self, *args: Any, **kwargs: Any) -> None:
        be_done_before(self.seconds, self.has_stepped)

    before_train = before_val = before_test = _sign
    after_val_iter = after_test_iter = _sign
    after_val = after_test = after_train_epoch = _sign

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: dict | None = None,
    ) -> None:
        """A step of training, which a restart is worth."""
        self.has_stepped = True
        self._sign()
