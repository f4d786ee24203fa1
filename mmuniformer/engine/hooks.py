"""Hooks that make saving and loading checkpoints safe."""

from typing import Any

import torch
from mmengine.hooks import CheckpointHook, Hook
from mmengine.model import BaseTTAModel, is_model_wrapper
from mmengine.runner import Runner

from mmuniformer.checkpoint.state_dict import unwrap
from mmuniformer.engine.errors import UserError
from mmuniformer.registry import HOOKS

SHOWN_NAMES = 3
# mmpose renames these itself while it loads a file from before its version 1.
OLD_NAMES = {'keypoint_head.': 'head.'}


class _DeferredRemoval:
    """A file backend whose removals wait until :meth:`remove_now`."""

    def __init__(self, backend: Any) -> None:
        self._backend = backend
        self._waiting: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._backend, name)

    def remove(self, path: str) -> None:
        self._waiting.append(path)

    def rmtree(self, path: str) -> None:
        self._waiting.append(path)

    def remove_now(self, keep: set[str]) -> None:
        for path in self._waiting:
            if path in keep:
                continue
            if self._backend.isdir(path):
                self._backend.rmtree(path)
            elif self._backend.isfile(path):
                self._backend.remove(path)
        self._waiting.clear()


@HOOKS.register_module()
class SafeCheckpointHook(CheckpointHook):
    """A CheckpointHook that removes old files after the new one is there.

    mmengine's removes first: with ``max_keep_ckpts=1`` a process killed while
    it saves leaves no checkpoint at all. Arguments are the same.
    """

    def before_train(self, runner: Runner) -> None:
        """Finds where to save, see :class:`CheckpointHook`."""
        super().before_train(runner)
        self.file_backend = _DeferredRemoval(self.file_backend)

    def _save_checkpoint_with_step(
        self, runner: Runner, step: int, meta: dict
    ) -> None:
        super()._save_checkpoint_with_step(runner, step, meta)
        self._remove_old()

    def _save_best_checkpoint(self, runner: Runner, metrics: dict) -> None:
        super()._save_best_checkpoint(runner, metrics)
        self._remove_old()

    def _remove_old(self) -> None:
        best = getattr(self, 'best_ckpt_path_dict', {}).values()
        saved = [self.last_ckpt, getattr(self, 'best_ckpt_path', None), *best]
        self.file_backend.remove_now(keep={path for path in saved if path})


@HOOKS.register_module()
class CheckpointMatchHook(Hook):
    """Refuses to test a model that the checkpoint does not fill.

    mmengine logs a warning and tests whatever the missing parameters were
    initialised to: a number that looks like a result. Buffers may be missing
    and the checkpoint may hold more than the model.

    Raises:
        UserError: With counts and some names, if a parameter of the model is
            missing or has another shape.
    """

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Compares names and shapes before they are loaded."""
        model = runner.model
        while is_model_wrapper(model) or isinstance(model, BaseTTAModel):
            model = model.module
        source = str(runner._load_from)
        # mmengine looks for 'state_dict' alone; published files have others.
        checkpoint.setdefault('state_dict', unwrap(checkpoint, source))
        parameters = dict(model.named_parameters())
        state = {
            _present_name(key.removeprefix('module.'), parameters): value
            for key, value in checkpoint['state_dict'].items()
            if isinstance(value, torch.Tensor)
        }
        missing = [key for key in parameters if key not in state]
        reshaped = [
            f'{key} ({_shape(state[key])} in the file, {_shape(value)} here)'
            for key, value in parameters.items()
            if key in state and state[key].shape != value.shape
        ]
        if not missing and not reshaped:
            return
        unknown = [key for key in state if key not in model.state_dict()]
        matched = len(parameters) - len(missing) - len(reshaped)
        parts = [
            f'{source} does not fit the model of the config: '
            f'{matched} of {len(parameters)} parameters match'
        ]
        for words, names in (
            ('not in the file', missing),
            ('of another shape', reshaped),
            ('only in the file', unknown),
        ):
            if names:
                more = ', ...' if len(names) > SHOWN_NAMES else ''
                some = ', '.join(names[:SHOWN_NAMES])
                parts.append(f'{len(names)} {words}: {some}{more}')
        raise UserError('; '.join(parts))


def _present_name(key: str, parameters: dict) -> str:
    for old, new in OLD_NAMES.items():
        if key not in parameters and key.startswith(old):
            return key.replace(old, new, 1)
    return key


def _shape(tensor: torch.Tensor) -> str:
    return 'x'.join(map(str, tensor.shape)) or 'scalar'
