"""A run that a cluster asks to stop: it saves what it has, and ends."""

import re
import sys
from functools import partial
from pathlib import Path
from typing import Any

import torch
from mmengine.dist import (
    all_reduce,
    barrier,
    get_comm_device,
    get_world_size,
    is_main_process,
)
from mmengine.fileio import BaseStorageBackend, get_file_backend
from mmengine.hooks import CheckpointHook, EMAHook, Hook
from mmengine.optim import OptimWrapper, OptimWrapperDict
from mmengine.runner import EpochBasedTrainLoop, Runner
from torch import distributed as torch_dist
from torch.utils.data import DataLoader, get_worker_info

from mmuniformer.engine.hooks.checkpoints import (
    SafeCheckpointHook,
    resumed_in,
)
from mmuniformer.engine.loaders import is_endless, sampler_of
from mmuniformer.errors import Preempted
from mmuniformer.registry import HOOKS
from mmuniformer.signals import StopRequest, heed_parent_alone

# In the history of the log: the file that a stopped run left.
LEFT = 'preempted'
_NAME = re.compile(r'(epoch|iter)_\d+\.pth')


class _Agreement:
    """Whether any process of a job was asked to stop, known to all at once.

    The question of one step is answered at the next one: nobody waits.
    """

    def __init__(self, request: StopRequest) -> None:
        self._request = request
        self._asked: tuple[Any, torch.Tensor] | None = None

    def reached(self) -> bool:
        """Whether to stop; called equally often in every process."""
        received = self._request.received is not None
        if get_world_size() == 1:
            return received
        before = self._asked
        flag = torch.tensor([int(received)], device=get_comm_device())
        work = torch_dist.all_reduce(
            flag, torch_dist.ReduceOp.MAX, async_op=True
        )
        self._asked = (work, flag)
        if before is None:
            return False
        before[0].wait()
        return bool(before[1].item())


@HOOKS.register_module()
class PreemptionHook(Hook):
    """Ends a run that received SIGTERM or SIGUSR1, in whichever process.

    The step of the optimizer is finished in all processes, or the validation
    broken off; then a checkpoint is saved from which the run goes on exactly.
    It is removed when the resumed run has saved its next one.

    Args:
        request (StopRequest): What listens to the signals.

    Raises:
        Preempted: When all is saved.
    """

    priority = 'LOWEST'

    def __init__(self, request: StopRequest) -> None:
        self._request = request
        self._agreement = _Agreement(request)
        # Batches of a validation that every process has.
        self._common = 0
        # The checkpoint that an earlier process left, until there is another.
        self._left: str | None = None

    def before_train(self, runner: Runner) -> None:
        """From here on a signal waits for the end of a step."""
        self._request.defer()
        for loop in (runner.train_loop, runner.val_loop):
            if isinstance(getattr(loop, 'dataloader', None), DataLoader):
                _shield_workers(loop.dataloader)
        left = runner.message_hub.runtime_info.get(LEFT)
        folder = _folder(runner, _checkpoint_hook(runner))
        if isinstance(left, str) and _NAME.fullmatch(left):
            # Of that name another folder may have a file of another run.
            self._left = left if resumed_in(runner, folder) else None

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: dict | None = None,
    ) -> None:
        """Stops between two steps of the optimizer."""
        self._look_for_newer(runner)
        # What is accumulated of a step would be lost.
        if not between_steps(runner.optim_wrapper):
            return
        if self._agreement.reached():
            self._stop(runner, f'iter_{runner.iter + 1}.pth', runner.iter + 1)

    def after_train_epoch(self, runner: Runner) -> None:
        """Looks for a new checkpoint, which the epoch may have."""
        self._look_for_newer(runner)

    def before_val_epoch(self, runner: Runner) -> None:
        """Counts the batches of all processes: some may have one more."""
        common = torch.tensor(_length(runner.val_loop), device=_device())
        all_reduce(common, 'min')
        self._common = int(common)

    def after_val_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: Any = None,
    ) -> None:
        """Breaks a validation off: the resumed run makes it again."""
        if batch_idx >= self._common:
            return
        if batch_idx + 1 == self._common:
            # A hook may read the images once more.
            self._common = 0
        if self._agreement.reached():
            _take_average_back(runner)
            self._stop(runner, self._name_at_boundary(runner), runner.iter)

    def after_val(self, runner: Runner) -> None:
        """Stops after a validation whose scores are there."""
        if self._agreement.reached():
            self._stop(runner, self._name_at_boundary(runner), runner.iter)

    @staticmethod
    def _name_at_boundary(runner: Runner) -> str:
        if isinstance(runner.train_loop, EpochBasedTrainLoop):
            return f'epoch_{runner.epoch}.pth'
        return f'iter_{runner.iter}.pth'

    def _stop(self, runner: Runner, name: str, iterations: int) -> None:
        """Saves and ends, in all processes."""
        hook = _checkpoint_hook(runner)
        path = _join(runner, hook, name)
        told = (
            f'saved {path}. The same command with --resume goes on from there'
        )
        if str(getattr(hook, 'last_ckpt', None)) != path:
            if not isinstance(hook, SafeCheckpointHook) or hook.may_save(
                runner, name
            ):
                self._save(runner, hook, name, iterations)
                self._remove_left(runner, path)
            else:
                told = f'its weights are not finite; {how_to_go_on(runner)}'
        barrier()
        runner.visualizer.close()
        source = self._request.received or 'Another process was asked to stop'
        raise Preempted(f'{source}: {told}.')

    @staticmethod
    def _save(
        runner: Runner,
        hook: CheckpointHook | None,
        name: str,
        iterations: int,
    ) -> None:
        runner.message_hub.update_info(LEFT, name)
        runner.call_hook('gather_states')
        runner.save_checkpoint(
            _folder(runner, hook),
            name,
            meta=dict(epoch=runner.epoch, iter=iterations),
            backend_args=getattr(hook, 'backend_args', None),
        )
        if is_main_process():
            pointer = str(Path(runner.work_dir, 'last_checkpoint'))
            path = _join(runner, hook, name)
            get_file_backend(pointer).put_text(path, pointer)

    def _remove_left(self, runner: Runner, newest: str) -> None:
        """Removes what an earlier process left: it is not the newest now."""
        left, self._left = self._left, None
        if left is None or not is_main_process():
            return
        hook = _checkpoint_hook(runner)
        path, backend = _join(runner, hook, left), _backend(runner, hook)
        if path != newest and backend.isfile(path):
            backend.remove(path)

    def _look_for_newer(self, runner: Runner) -> None:
        if self._left is None:
            return
        newest = getattr(_checkpoint_hook(runner), 'last_ckpt', None)
        if newest is not None:
            runner.message_hub.runtime_info.pop(LEFT, None)
            self._remove_left(runner, newest)


def how_to_go_on(runner: Runner) -> str:
    """What to tell who has broken a training off."""
    last = getattr(_checkpoint_hook(runner), 'last_ckpt', None)
    if last is None and runner._resume:
        last = runner._load_from
    if last is None:
        return 'nothing was saved yet'
    return (
        f'the last checkpoint is {last}; the same command with --resume goes '
        'on from there'
    )


def _checkpoint_hook(runner: Runner) -> CheckpointHook | None:
    hooks = (h for h in runner.hooks if isinstance(h, CheckpointHook))
    return next(hooks, None)


def _folder(runner: Runner, hook: CheckpointHook | None) -> str:
    return getattr(hook, 'out_dir', None) or runner.work_dir


def _backend(
    runner: Runner, hook: CheckpointHook | None
) -> BaseStorageBackend:
    return get_file_backend(
        _folder(runner, hook), backend_args=getattr(hook, 'backend_args', None)
    )


def _join(runner: Runner, hook: CheckpointHook | None, name: str) -> str:
    folder = _folder(runner, hook)
    return _backend(runner, hook).join_path(folder, name)


def _device() -> torch.device:
    if get_world_size() == 1:
        return torch.device('cpu')
    return get_comm_device()


def _length(loop: Any) -> int:
    """Batches of a validation, if all processes can know that they have it."""
    loader = getattr(loop, 'dataloader', None)
    if is_endless(sampler_of(loader)):
        return sys.maxsize
    try:
        return len(loader)
    except TypeError:
        # Nobody else is there to agree with.
        return sys.maxsize if get_world_size() == 1 else 0


def between_steps(wrapper: OptimWrapper | OptimWrapperDict) -> bool:
    """Whether no gradient waits for a later forward pass."""
    if isinstance(wrapper, OptimWrapperDict):
        return all(between_steps(each) for each in wrapper.values())
    return wrapper.should_update()


def _take_average_back(runner: Runner) -> None:
    """Gives the model its trained weights: an EMA is validated in place."""
    for hook in runner.hooks:
        if isinstance(hook, EMAHook) and getattr(
            hook, 'evaluate_on_ema', True
        ):
            hook._swap_ema_parameters()


def _shield_workers(loader: DataLoader) -> None:
    loader.worker_init_fn = partial(_init_shielded, loader.worker_init_fn)


def _init_shielded(init: Any, worker: int) -> None:
    """Starts a worker that leaves signals of the cluster to its parent."""
    if get_worker_info() is not None:
        heed_parent_alone()
    if init is not None:
        init(worker)
