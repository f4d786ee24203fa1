"""The hook of steps that are not taken, and of the run's end after a few."""

import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from mmengine.dist import (
    all_gather_object,
    get_rank,
    get_world_size,
    is_main_process,
)
from mmengine.hooks import EMAHook, Hook
from mmengine.logging import HistoryBuffer
from mmengine.optim import OptimWrapper, OptimWrapperDict
from mmengine.runner import Runner
from mmengine.runner.checkpoint import weights_to_cpu

from mmuniformer.checks.finding import few
from mmuniformer.engine import kept_attributes, random_states
from mmuniformer.engine.backends import AtomicLocalBackend
from mmuniformer.engine.batch_files import files_of, to_plain
from mmuniformer.engine.finite import Buffers, StepGuard, all_finite
from mmuniformer.engine.hooks.checkpoints import bare_model
from mmuniformer.engine.replaying import PROGRESS
from mmuniformer.errors import UserError
from mmuniformer.registry import HOOKS

FOLDER = 'not_finite'
SKIPPED = 'train/skipped_steps'
# Bytes of weights that are written beside a batch. Of a larger model the last
# checkpoint is named.
SMALL = 512 << 20
SHOWN_FILES = 8


@dataclass
class _Batch:
    """A batch of this process, and what its step began with."""

    data: Any
    before: dict[str, Any]
    terms: dict[str, float] = field(default_factory=dict)


@HOOKS.register_module()
class FiniteStepsHook(Hook):
    """Takes no step from a loss or a gradient that is not finite.

    Every run has it. All processes leave such a step out together; weights,
    the optimizer's averages and BatchNorm's statistics stay what they were,
    and so does what an EMA averages. After a few in a row the run ends, with
    the batch in a file for ``tools/misc/replay_batch.py``. A step that the
    scaler of mixed precision leaves out, because its scale is too high, is
    none of them.

    Args:
        stop_after (int, optional): Steps in a row that are not taken before
            the run ends; None to go on without an end.
    """

    # After RuntimeInfoHook has read the losses, before an average is updated.
    priority = 'HIGH'

    def __init__(self, stop_after: int | None = 3) -> None:
        if stop_after is not None and stop_after < 1:
            raise UserError(
                f'FiniteStepsHook: stop_after={stop_after} must be at least '
                '1, or None to go on without an end'
            )
        self.stop_after = stop_after
        self._in_a_row = 0
        self._guards: list[StepGuard] | None = None
        self._suspect: _Batch | None = None
        # Whether the next forward pass is the first one of a step.
        self._begins = True
        # The last checkpoint that a finite step has followed.
        self._proven: str | None = None

    def before_train(self, runner: Runner) -> None:
        """Begins to look at the optimizers of a run."""
        self._begins = True
        if self._guards is not None:
            return
        model = bare_model(runner)
        self._buffers = Buffers(model)
        self._changing = [
            (name, module)
            for name, module in model.named_modules()
            if type(module).__name__ in kept_attributes.ATTRIBUTES
        ]
        self._guards = [
            StepGuard(wrapper, self._buffers.to_be_finite)
            for wrapper in _wrappers(runner.optim_wrapper)
        ]
        self._averaged = any(isinstance(h, EMAHook) for h in runner.hooks)

    def before_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None
    ) -> None:
        """Keeps what a forward pass changes."""
        if self._begins:
            self._buffers.keep()
            self._begins = False
        info = runner.message_hub.runtime_info
        self._before = dict(
            random=random_states.take(),
            attributes=kept_attributes.take(self._changing),
            # Some models ask for them.
            info={name: info[name] for name in PROGRESS if name in info},
        )
        for guard in self._guards or ():
            guard.outcome = ''

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: dict | None = None,
    ) -> None:
        """Looks at what became of the step.

        Raises:
            UserError: After :attr:`stop_after` steps in a row that were not
                taken, or if the weights themselves are not finite.
        """
        terms = _terms_not_finite(runner, outputs or {})
        if terms:
            _forget(runner, terms)
            self._suspect = self._suspect or _Batch(
                data_batch, self._before, terms
            )
        guards = [guard for guard in self._guards or () if guard.outcome]
        if not guards:
            if terms:
                # Gradients are accumulated, and the next pass is another's.
                self._buffers.restore()
            return
        self._begins = True
        reasons = list(dict.fromkeys(r for g in guards for r in g.reasons))
        left_out = [g.wrapper for g in guards if g.outcome != 'taken']
        _forget(runner, [getattr(w, 'grad_name', '') for w in left_out])
        if reasons:
            batch = self._suspect or _Batch(data_batch, self._before)
            self._refuse(runner, reasons, batch)
        elif not left_out:
            self._in_a_row = 0
            self._proven = runner.message_hub.get_info('last_ckpt')
            if self._averaged:
                self._check_weights(runner)
        self._suspect = None

    def _refuse(
        self, runner: Runner, reasons: list[str], batch: _Batch
    ) -> None:
        self._buffers.restore()
        self._in_a_row += 1
        history = runner.message_hub.log_scalars.get(SKIPPED)
        skipped = 0 if history is None else int(history.current())
        runner.message_hub.update_scalar(SKIPPED, skipped + 1)
        mine = dict(
            terms={k: str(v) for k, v in batch.terms.items()},
            files=files_of(batch.data),
        )
        everywhere = all_gather_object(mine)
        # A gradient is everybody's, and says not whose it was.
        ranks = [r for r, each in enumerate(everywhere) if each['terms']]
        ranks = ranks or list(range(len(everywhere)))
        told = [_describe(rank, everywhere[rank]) for rank in ranks[:4]]
        what = f'iteration {runner.iter + 1}, {"; ".join(told)}'
        self._check_weights(runner, what)
        reason = f'not finite: {", ".join(reasons)}'
        if self.stop_after is None or self._in_a_row < self.stop_after:
            runner.logger.warning(
                f'{what[0].upper()}{what[1:]}: no step is taken ({reason}; '
                f'{self._in_a_row} in a row).'
            )
            return
        written = self._write(runner, ranks, batch)
        raise UserError(
            f'{self._in_a_row} steps in a row were not taken ({reason}), and '
            f'the run ends: {what}. {written}. {self._last_checkpoint(runner)}'
        )

    def _check_weights(self, runner: Runner, what: str = '') -> None:
        """Ends a run whose weights are lost: no step brings them back."""
        if not all_finite(bare_model(runner).parameters()):
            what = what or f'iteration {runner.iter + 1}'
            raise UserError(
                f'the weights are not finite in {what}: a step has made '
                f'them so. {self._last_checkpoint(runner)}; a lower learning '
                'rate or clip_grad may help'
            )

    def _last_checkpoint(self, runner: Runner) -> str:
        """A sentence about where the run may go on."""
        last = runner.message_hub.get_info('last_ckpt')
        if not last:
            return 'There is no checkpoint'
        told = f'The last checkpoint is {last}'
        if last == self._proven:
            return told
        older = 'an older one may be better'
        if self._proven and Path(self._proven).exists():
            older = f'the one before it is {self._proven}'
        return (
            f'{told}, but no finite step has followed it and its weights may '
            f'be ruined already: {older}'
        )

    def _write(self, runner: Runner, ranks: list[int], batch: _Batch) -> str:
        """Writes batches and weights; a sentence about the files."""
        folder = Path(runner.work_dir) / FOLDER
        weights = _Weights(runner, folder)
        mine = ''
        try:
            if is_main_process():
                weights.write()
            if get_rank() in ranks:
                path = folder / f'iter_{runner.iter + 1}_rank_{get_rank()}.pth'
                _write_file(path, _content(runner, batch, weights.name))
                mine = (
                    'python tools/misc/replay_batch.py '
                    f'{path}{_config_to_name(runner)}'
                )
                mine = f'`{mine}`'
        except OSError as error:
            mine = f'the batch could not be written ({error})'
        told = [text for text in all_gather_object(mine) if text]
        if not told:
            return 'The batch was not written'
        says = ' says where it begins' if told[0][0] == '`' else ''
        more = f' (and of {len(told) - 1} more)' if len(told) > 1 else ''
        return f'{told[0]}{says}{more}'


class _Weights:
    """Where the weights of a batch are: in a file beside it, if small."""

    def __init__(self, runner: Runner, folder: Path) -> None:
        self._model = bare_model(runner)
        tensors = [*self._model.parameters(), *self._model.buffers()]
        size = sum(t.numel() * t.element_size() for t in tensors)
        self._file: Path | None = None
        self.name = str(runner.message_hub.get_info('last_ckpt') or '')
        if size <= SMALL:
            self._file = folder / f'iter_{runner.iter + 1}_weights.pth'
            self.name = self._file.name

    def write(self) -> None:
        if self._file is not None:
            state = weights_to_cpu(self._model.state_dict())
            _write_file(self._file, dict(state_dict=state))


def _content(runner: Runner, batch: _Batch, weights: str) -> dict:
    """What a file of a batch holds; :mod:`engine.replaying` reads it."""
    scalers = [
        wrapper.loss_scaler.get_scale()
        for wrapper in _wrappers(runner.optim_wrapper)
        if hasattr(wrapper, 'loss_scaler')
    ]
    return dict(
        meta=dict(
            cfg=runner.cfg.pretty_text,
            iter=runner.iter + 1,
            rank=get_rank(),
            world_size=get_world_size(),
        ),
        terms=dict(batch.terms),
        files=files_of(batch.data),
        batch=to_plain(batch.data),
        **batch.before,
        weights=weights,
        loss_scale=float(scalers[0]) if scalers else 1.0,
    )


def _config_to_name(runner: Runner) -> str:
    """An argument for the replay: a config that imports is not in the file."""
    cfg = runner.cfg
    if not cfg.get('custom_imports') or not cfg.filename:
        return ''
    # As mmengine has written it, with options of the command line.
    written = Path(runner.work_dir, Path(cfg.filename).name)
    return f' {written if written.is_file() else cfg.filename}'


def _write_file(path: Path, content: dict) -> None:
    with io.BytesIO() as file:
        torch.save(content, file)
        AtomicLocalBackend().put(file.getvalue(), path)


def _wrappers(wrapper: Any) -> list[OptimWrapper]:
    """The wrappers of single optimizers of torch."""
    several = (
        list(wrapper.values())
        if isinstance(wrapper, OptimWrapperDict)
        else [wrapper]
    )
    return [w for w in several if isinstance(w, OptimWrapper)]


def _terms_not_finite(
    runner: Runner, outputs: Mapping[str, Any]
) -> dict[str, float]:
    """Terms of a loss of this process, if it is not finite."""
    found = {}
    histories = runner.message_hub.log_scalars
    for name, value in outputs.items():
        # RuntimeInfoHook has read it from the device already.
        history = histories.get(f'train/{name}')
        number = float(value) if history is None else float(history.current())
        found[name] = number
    wrong = {k: v for k, v in found.items() if not _is_finite(v)}
    # Not what is only shown, such as an accuracy of nothing.
    losses = ['loss'] if 'loss' in found else [k for k in found if 'loss' in k]
    return wrong if any(name in wrong for name in losses) else {}


def _is_finite(number: float) -> bool:
    return number - number == 0


def _forget(runner: Runner, names: Any) -> None:
    """Leaves what is not finite out of the averages of the log."""
    histories = runner.message_hub.log_scalars
    for name in names:
        key = f'train/{name}'
        history = histories.get(key)
        if history is None or _is_finite(float(history.current())):
            continue
        values, counts = history.data
        if len(values) > 1:
            histories[key] = HistoryBuffer(values[:-1], counts[:-1])
        else:
            del histories[key]


def _describe(rank: int, each: dict) -> str:
    """A process in a message: what of its loss, and which files."""
    terms = ', '.join(f'{k} is {v}' for k, v in each['terms'].items())
    files = few(each['files'], SHOWN_FILES)
    return (
        f'rank {rank}: {terms or "the loss is finite"}, '
        f'{files or "the batch names no files"}'
    )
