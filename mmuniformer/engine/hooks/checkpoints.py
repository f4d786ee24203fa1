"""Hooks that make saving and loading checkpoints safe."""

import logging
import os
import re
from string import Formatter
from typing import Any

import torch
from mmengine.dist import broadcast, is_main_process
from mmengine.hooks import CheckpointHook, EMAHook, Hook
from mmengine.logging import print_log
from mmengine.runner import Runner
from torch import nn

from mmuniformer.checkpoint.classifier import name_for_host
from mmuniformer.checkpoint.entries import bare
from mmuniformer.checkpoint.matching import describe_mismatch, some
from mmuniformer.checkpoint.reading import check_whole
from mmuniformer.checkpoint.state_dict import unwrap
from mmuniformer.checkpoint.values import check_values, not_finite
from mmuniformer.engine.backends import remove_partial_files
from mmuniformer.errors import CheckpointError, UserError
from mmuniformer.registry import HOOKS

# What the names of averages begin with, in messages.
AVERAGE = 'average of '
# Names that this hook gives to files, besides those of its template.
_OWN_NAME = re.compile(r'(best_.+|(epoch|iter)_\d+)\.pth')


class _DeferredRemoval:
    """A file backend whose removals wait until :meth:`remove_now`.

    Only what the hook itself writes into ``folder`` is removed: other names
    come from the file that a training was resumed from.

    Args:
        backend (Any): The backend.
        folder (str): Where the hook writes.
        template (str): Names of its files, with a place for a number.
    """

    def __init__(
        self, backend: Any, folder: str, template: str = 'epoch_{}.pth'
    ) -> None:
        self._backend = backend
        self._folder = folder
        self._template = _as_pattern(template)
        self._waiting: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._backend, name)

    def remove(self, path: str) -> None:
        self._waiting.append(path)

    def rmtree(self, path: str) -> None:
        self._waiting.append(path)

    def is_waiting(self) -> bool:
        return bool(self._waiting)

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
        is_own = _OWN_NAME.fullmatch(name) or self._template.fullmatch(name)
        return same and is_own is not None


def _as_pattern(template: str) -> re.Pattern[str]:
    """What a template such as ``step_{:05d}.pth`` makes of numbers."""
    parts = Formatter().parse(template)
    return re.compile(
        ''.join(
            re.escape(text) + ('' if field is None else r'\d+')
            for text, field, _, _ in parts
        )
    )


@HOOKS.register_module()
class SafeCheckpointHook(CheckpointHook):
    """A CheckpointHook that loses no good checkpoint. Arguments are the same.

    - mmengine's removes old files first: with ``max_keep_ckpts=1`` a process
      killed while it saves leaves no checkpoint at all. Here the new one is
      written and read again before that.
    - It also removes whatever a resumed file names as the best checkpoint so
      far; this one removes checkpoints in its own folder only.
    - Weights that are not finite are not saved, the average's among them. If
      it is the average alone, the run ends: it stays so.
    """

    def before_train(self, runner: Runner) -> None:
        """Finds where to save, see :class:`CheckpointHook`."""
        info = runner.message_hub.runtime_info
        folder = self._own_folder(runner)
        surplus: list[int] = []
        if 'keep_ckpt_ids' in info:
            # Numbers make names of files in our folder; other values do not.
            ids = [step for step in info['keep_ckpt_ids'] if type(step) is int]
            if not resumed_in(runner, folder):
                # Those are of another one, and here is another run's.
                ids = []
            if self.max_keep_ckpts > 0:
                # Removed with the next one that is saved, not now.
                surplus = ids[: -self.max_keep_ckpts]
            info['keep_ckpt_ids'] = ids[len(surplus) :]
        _find_best(info, folder)
        super().before_train(runner)
        self.file_backend = _DeferredRemoval(
            self.file_backend, self.out_dir, self.filename_tmpl
        )
        if is_main_process():
            for step in surplus:
                self.file_backend.remove(self._path(step))
            if self._is_local():
                remove_partial_files(self.out_dir)
        # What is so from the start is meant: a mask, often.
        self._meant = set(not_finite(_saved(runner)))
        self._whole: dict[str, int] = {}
        self._average_is_lost = False

    def _own_folder(self, runner: Runner) -> str:
        """Where files will be saved, as mmengine will have it."""
        work_dir = runner.work_dir
        if self.out_dir in (None, work_dir):
            return work_dir
        name = os.path.basename(work_dir.rstrip(os.sep))
        return os.path.join(self.out_dir, name)

    def _path(self, step: int) -> str:
        name = self.filename_tmpl.format(step)
        return self.file_backend.join_path(self.out_dir, name)

    def _is_local(self) -> bool:
        return '://' not in str(self.out_dir)

    def _save_checkpoint_with_step(
        self, runner: Runner, step: int, meta: dict
    ) -> None:
        if self.may_save(runner, self.filename_tmpl.format(step)):
            runner.call_hook('gather_states')
            super()._save_checkpoint_with_step(runner, step, meta)
            self._remove_old()
        elif self._average_is_lost:
            rest = '; --resume goes on from there' if self.last_ckpt else ''
            raise UserError(
                'the average of the weights (EMA) is not finite, and no step '
                'brings it back: nothing would be saved any more. '
                f'{self._kept()}{rest}'
            )

    def _save_best_checkpoint(self, runner: Runner, metrics: dict) -> None:
        if self.save_best and self.may_save(runner, 'the best checkpoint'):
            runner.call_hook('gather_states')
            super()._save_best_checkpoint(runner, metrics)
            self._remove_old()

    def may_save(self, runner: Runner, name: str) -> bool:
        """Whether what would be saved is finite; the first process says.

        Every process has to ask. A line of the log says what is not.

        Args:
            runner (Runner): Its model, and averages of it, are looked at.
            name (str): What would be saved.
        """
        names = not_finite(_saved(runner))
        wrong = [each for each in names if each not in self._meant]
        in_average = [each for each in wrong if each.startswith(AVERAGE)]
        numbers = torch.tensor([len(wrong), len(in_average)])
        broadcast(numbers)
        number, averages = numbers.tolist()
        # A step that is refused for the others says so itself.
        self._average_is_lost = 0 < averages == number
        if not number:
            return True
        runner.logger.error(
            f'Not saved: {name} would hold {len(wrong)} tensors that are not '
            f'finite ({some(wrong)}). {self._kept()}.'
        )
        return False

    def _kept(self) -> str:
        if self.last_ckpt is None:
            return 'This run has saved nothing yet'
        return f'{self.last_ckpt} stays'

    def _remove_old(self) -> None:
        if not self.file_backend.is_waiting():
            return
        best = getattr(self, 'best_ckpt_path_dict', {}).values()
        saved = [self.last_ckpt, getattr(self, 'best_ckpt_path', None), *best]
        keep = {path for path in saved if path}
        try:
            for path in filter(os.path.isfile, keep):
                self._read_again(path)
        except CheckpointError as error:
            print_log(
                f'No older checkpoint is removed: {error}',
                logger='current',
                level=logging.ERROR,
            )
            return
        self.file_backend.remove_now(keep)

    def _read_again(self, path: str) -> None:
        """Looks at the checksums of a local file, once."""
        written = os.stat(path).st_mtime_ns
        if self._whole.get(path) != written:
            check_whole(path)
            self._whole[path] = written


def resumed_in(runner: Runner, folder: str) -> bool:
    """Whether a run goes on from a file that lies in a folder."""
    path = str(runner._load_from or '')
    if not runner._resume or not path:
        return False
    found, _, _ = path.rpartition('/')
    if '://' in path:
        return found == str(folder).rstrip('/')
    return os.path.realpath(found or '.') == os.path.realpath(folder)


def _find_best(info: dict[str, Any], folder: str) -> None:
    """Looks for the best checkpoints so far, as a resumed file names them.

    A work dir may have been moved. Of one that is gone the score is
    forgotten: the best of the validations that follow is saved.

    Args:
        info (dict): What the history of the log says of the run.
        folder (str): Where checkpoints are saved.
    """
    for key in [key for key in info if key.startswith('best_ckpt')]:
        path = str(info[key])
        beside = os.path.join(folder, os.path.basename(path))
        if '://' in path or os.path.exists(path):
            continue
        if os.path.isfile(beside):
            info[key] = beside
            continue
        del info[key]
        info.pop(key.replace('best_ckpt', 'best_score', 1), None)
        print_log(
            f'The best checkpoint so far, {path}, is gone: the best of the '
            'validations that follow is saved.',
            logger='current',
            level=logging.WARNING,
        )


def _saved(runner: Runner) -> dict[str, Any]:
    """The tensors of a model, and of its averages, as they are saved."""
    tensors = dict(bare_model(runner).state_dict())
    for hook in runner.hooks:
        if isinstance(hook, EMAHook):
            for name, tensor in hook.ema_model.state_dict().items():
                tensors[f'{AVERAGE}{name}'] = tensor
    return tensors


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
        model = bare_model(runner)
        tensors = name_for_host(unwrap(checkpoint, source), model, source)
        check_values(tensors, model.state_dict(), source)
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
