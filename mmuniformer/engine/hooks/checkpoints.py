"""Hooks that make saving and loading checkpoints safe."""

import logging
import os
import re
from typing import Any

from mmengine.hooks import CheckpointHook, Hook
from mmengine.logging import print_log
from mmengine.runner import Runner
from torch import nn

from mmuniformer.checkpoint.classifier import name_for_host
from mmuniformer.checkpoint.entries import bare
from mmuniformer.checkpoint.matching import describe_mismatch
from mmuniformer.checkpoint.state_dict import unwrap
from mmuniformer.checkpoint.values import check_values
from mmuniformer.errors import UserError
from mmuniformer.registry import HOOKS

# Names that this hook gives to files.
_OWN_NAME = re.compile(r'(best_.+|(epoch|iter)_\d+)\.pth')


class _DeferredRemoval:
    """A file backend whose removals wait until :meth:`remove_now`.

    Only what the hook itself writes into ``folder`` is removed: other names
    come from the file that a training was resumed from.
    """

    def __init__(self, backend: Any, folder: str) -> None:
        self._backend = backend
        self._folder = folder
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
            if not self._is_own(path):
                print_log(
                    f'{path} is named by the checkpoint that training was '
                    f'resumed from; it is no checkpoint in {self._folder} '
                    'and is left alone.',
                    logger='current',
                    level=logging.WARNING,
                )
            elif self._backend.isdir(path):
                self._backend.rmtree(path)
            elif self._backend.isfile(path):
                self._backend.remove(path)
        self._waiting.clear()

    def _is_own(self, path: str) -> bool:
        folder, _, name = str(path).rpartition('/')
        same = folder == self._folder.rstrip('/')
        if '://' not in self._folder:
            # A link leads to where it was put by somebody else.
            same = not os.path.islink(path) and os.path.realpath(
                folder
            ) == os.path.realpath(self._folder)
        return same and _OWN_NAME.fullmatch(name) is not None


@HOOKS.register_module()
class SafeCheckpointHook(CheckpointHook):
    """A CheckpointHook that removes old files after the new one is there.

    mmengine's removes first: with ``max_keep_ckpts=1`` a process killed while
    it saves leaves no checkpoint at all. It also removes whatever a resumed
    file names as the best checkpoint so far; this one removes checkpoints in
    its own folder only. Arguments are the same.
    """

    def before_train(self, runner: Runner) -> None:
        """Finds where to save, see :class:`CheckpointHook`."""
        info = runner.message_hub.runtime_info
        if 'keep_ckpt_ids' in info:
            # Numbers make names of files in our folder; other values do not.
            info['keep_ckpt_ids'] = [
                step for step in info['keep_ckpt_ids'] if type(step) is int
            ]
        super().before_train(runner)
        self.file_backend = _DeferredRemoval(self.file_backend, self.out_dir)

    def _save_checkpoint_with_step(
        self, runner: Runner, step: int, meta: dict
    ) -> None:
        runner.call_hook('gather_states')
        super()._save_checkpoint_with_step(runner, step, meta)
        self._remove_old()

    def _save_best_checkpoint(self, runner: Runner, metrics: dict) -> None:
        if self.save_best:
            runner.call_hook('gather_states')
        super()._save_best_checkpoint(runner, metrics)
        self._remove_old()

    def _remove_old(self) -> None:
        best = getattr(self, 'best_ckpt_path_dict', {}).values()
        saved = [self.last_ckpt, getattr(self, 'best_ckpt_path', None), *best]
        self.file_backend.remove_now(keep={path for path in saved if path})


@HOOKS.register_module()
class PublishedCheckpointHook(Hook):
    """Gives the tensors of published files the names of the host's model.

    mmengine looks for a ``state_dict`` alone and takes its names as they are;
    an official file has ``model`` or ``model_state`` and a whole classifier
    without prefixes.
    """

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Puts a ``state_dict`` into what was read."""
        source = str(runner._load_from)
        wanted = bare_model(runner).state_dict()
        tensors = name_for_host(unwrap(checkpoint, source), wanted, source)
        check_values(tensors, wanted, source)
        # A file of ours stays the object that it is, with mmengine's metadata.
        if list(tensors) != list(checkpoint.get('state_dict', ())):
            checkpoint['state_dict'] = tensors


@HOOKS.register_module()
class CheckpointMatchHook(Hook):
    """Refuses to test a model that the checkpoint does not fill.

    mmengine logs a warning and tests whatever the missing parameters were
    initialised to: a number that looks like a result.

    Raises:
        UserError: With counts and some names, if a parameter of the model is
            missing or has another shape.
    """

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Compares names and shapes before they are loaded."""
        mismatch = describe_mismatch(
            bare_model(runner),
            checkpoint['state_dict'],
            str(runner._load_from),
        )
        if mismatch:
            raise UserError(mismatch)


def bare_model(runner: Runner) -> nn.Module:
    """The model without wrappers for parallel runs or test augmentation."""
    return bare(runner.model)
