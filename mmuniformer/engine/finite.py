"""Steps of an optimizer that are not taken, as something is not finite.

What is asked in each step stays on the device, and is read there once: one
number for the loss, one for the gradient and one for the running statistics.
mmengine waits for the device in every iteration anyway, for the norm of the
gradient or the scaler of mixed precision before the step, and for the losses
of its log after it.
"""

import math
from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any, Literal

import torch
from mmengine.dist import all_reduce
from mmengine.optim import OptimWrapper
from torch import Tensor, nn
from torch.optim import Optimizer

# taken: the weights have changed. refused: they have not, as something was
# not finite. scaled: the scaler of mixed precision has left the step out.
Outcome = Literal['', 'taken', 'refused', 'scaled']
REASONS = ('the loss', 'the gradient', 'the running statistics')


def largest(tensors: Iterable[Tensor]) -> Tensor | None:
    """The largest magnitude in some tensors; not finite if any number is not.

    Args:
        tensors (Iterable[Tensor]): On one device or several; whole numbers
            are left out.

    Returns:
        Tensor or None: A scalar on the first tensor's device, which nobody
        has waited for; None if there are no numbers.
    """
    floats = [
        tensor.coalesce().values() if tensor.is_sparse else tensor
        for tensor in (tensor.detach() for tensor in tensors)
        if tensor.is_floating_point() or tensor.is_complex()
    ]
    floats = [tensor for tensor in floats if tensor.numel()]
    if not floats:
        return None
    # No sum, which may overflow: of half precision at 65504.
    norms = torch._foreach_norm(floats, math.inf)
    return torch.stack([n.float().to(floats[0].device) for n in norms]).amax()


def all_finite(tensors: Iterable[Tensor]) -> bool:
    """Whether all numbers of some tensors are finite, in all processes."""
    found = largest(tensors)
    if found is None:
        return True
    wrong = (~torch.isfinite(found)).float()
    all_reduce(wrong, 'max')
    return not wrong.item()


class StepGuard:
    """Stands between the gradients of an optimizer and its step.

    All processes of a run leave out a step together, whichever of them has
    the reason.

    Args:
        wrapper (OptimWrapper): Its loss, its clipping and the steps of its
            optimizer are looked at from now on.
        statistics (Callable): Gives further tensors that have to be finite.

    Attributes:
        outcome (str): What became of the last step; set it to ``''`` before
            the next. Between two steps of accumulated gradients it stays so.
        reasons (list[str]): Of :data:`REASONS`, why it was refused.
    """

    def __init__(
        self, wrapper: OptimWrapper, statistics: Callable[[], list[Tensor]]
    ) -> None:
        self.wrapper = wrapper
        self.outcome: Outcome = ''
        self.reasons: list[str] = []
        self._statistics = statistics
        self._loss_is_wrong: Tensor | None = None
        self._gradient: Tensor | None = None
        self._backward = wrapper.backward
        self._step = wrapper.step
        wrapper.backward = self._look_at_loss
        # With the marks that schedules have put on it.
        wrapper.step = wraps(wrapper.step)(lambda **kw: self._try_step(**kw))
        if wrapper.clip_grad_kwargs:
            self._clip = wrapper.clip_func
            wrapper.clip_func = self._look_and_clip
        wrapper.optimizer.register_step_pre_hook(self._before_step)

    @property
    def scaler(self) -> Any:
        """The scaler of mixed precision, if it looks at the gradient."""
        scaler = getattr(self.wrapper, 'loss_scaler', None)
        enabled = getattr(scaler, 'is_enabled', lambda: False)()
        return scaler if enabled else None

    def _look_at_loss(self, loss: Tensor, **kwargs: Any) -> None:
        wrong = ~torch.isfinite(loss.detach()).all()
        earlier = self._loss_is_wrong
        self._loss_is_wrong = wrong if earlier is None else earlier | wrong
        self._backward(loss, **kwargs)

    def _look_and_clip(self, params: list[Tensor], **kwargs: Any) -> Any:
        by_value = self.wrapper.grad_name == 'grad_value'
        if by_value:
            # An infinite number would be as good as any after it.
            self._gradient = largest(p.grad for p in params)
        result = self._clip(params, **kwargs)
        if not by_value:
            self._gradient = result
        return result

    def _try_step(self, **kwargs: Any) -> None:
        self.outcome = '' if self.scaler is None else 'scaled'
        self.reasons = []
        self._step(**kwargs)
        if self.outcome == 'scaled':
            self._judge_scaler()
        self._loss_is_wrong = self._gradient = None

    def _before_step(self, optimizer: Optimizer, args: Any, kw: Any) -> None:
        gradients = [
            param.grad
            for group in optimizer.param_groups
            for param in group['params']
            if param.grad is not None
        ]
        gradient = self._gradient
        if self.scaler is not None:
            # It is looked at, and may be multiplied still.
            gradient = None
        elif gradient is None:
            gradient = largest(gradients)
        # What a fused optimizer is told; it leaves the step out itself.
        overflow = getattr(optimizer, 'found_inf', None)
        wrong = self._agree(gradient, overflow)
        self.outcome = 'scaled' if wrong[-1] else 'taken'
        self.reasons = [r for r, w in zip(REASONS, wrong, strict=False) if w]
        if self.reasons:
            self.outcome = 'refused'
            # Without gradients a step changes nothing, not even an average.
            for group in optimizer.param_groups:
                for param in group['params']:
                    param.grad = None

    def _agree(
        self, gradient: Tensor | None, overflow: Tensor | None
    ) -> list[bool]:
        """What is not finite in any process: :data:`REASONS`, and a scale."""
        statistics = largest(self._statistics())
        wrong = [
            self._loss_is_wrong,
            None if gradient is None else ~torch.isfinite(gradient),
            None if statistics is None else ~torch.isfinite(statistics),
            overflow,
        ]
        known = [flag for flag in wrong if flag is not None]
        device = known[0].device if known else 'cpu'
        zero = torch.zeros((), device=device)
        flags = torch.stack(
            [
                zero if flag is None else flag.reshape(()).to(zero)
                for flag in wrong
            ]
        )
        all_reduce(flags, 'max')
        return [bool(flag) for flag in flags.tolist()]

    def _judge_scaler(self) -> None:
        """Finds whether a step that the scaler left out was a bad one.

        A scale that is too high is lowered, and that is all. A loss that is
        not finite, a scale that is fixed, of bfloat16 or below 1 are other
        reasons.
        """
        wrong = self._agree(None, None)
        self.reasons = [r for r, w in zip(REASONS, wrong, strict=False) if w]
        fixed = getattr(self.wrapper, '_scale_update_param', None) is not None
        wide = getattr(self.wrapper, 'cast_dtype', None) is torch.bfloat16
        if not self.reasons and (fixed or wide or self.scaler.get_scale() < 1):
            self.reasons = ['the gradient']
        if self.reasons:
            self.outcome = 'refused'


class Buffers:
    """The buffers of a model, and a copy: BatchNorm's statistics, above all.

    A forward pass changes them, before anything is known of its loss.

    Args:
        model (nn.Module): Buffers that it gets later are not seen. Those that
            are not finite now are meant so.
    """

    def __init__(self, model: nn.Module) -> None:
        self._places = [
            (module._buffers, name)
            for module in model.modules()
            for name, buffer in module._buffers.items()
            if buffer is not None
        ]
        self._copies: list[Tensor] = []
        self._meant = {
            index
            for index, buffer in enumerate(self._now())
            if not torch.isfinite(buffer).all()
        }

    def _now(self) -> list[Tensor]:
        return [buffers[name] for buffers, name in self._places]

    def to_be_finite(self) -> list[Tensor]:
        """Those that were finite at first."""
        return [
            buffer
            for index, buffer in enumerate(self._now())
            if index not in self._meant
        ]

    @torch.no_grad()
    def keep(self) -> None:
        """Copies them as they are."""
        now = self._now()
        if not self._fit(now):
            self._copies = [buffer.clone() for buffer in now]
            return
        _copy(self._copies, now)

    @torch.no_grad()
    def restore(self) -> None:
        """Puts back what was copied."""
        now = self._now()
        if self._fit(now):
            _copy(now, self._copies)
            return
        for (buffers, name), copy in zip(
            self._places, self._copies, strict=True
        ):
            buffers[name] = copy.clone()

    def _fit(self, now: list[Tensor]) -> bool:
        return len(now) == len(self._copies) and all(
            a.shape == b.shape and a.dtype == b.dtype and a.device == b.device
            for a, b in zip(now, self._copies, strict=True)
        )


def _copy(to: list[Tensor], source: list[Tensor]) -> None:
    """Copies tensors, those of a kind at once."""
    kinds: dict[tuple, tuple[list[Tensor], list[Tensor]]] = {}
    for a, b in zip(to, source, strict=True):
        kind = kinds.setdefault((a.device, a.dtype), ([], []))
        kind[0].append(a)
        kind[1].append(b)
    for targets, sources in kinds.values():
        torch._foreach_copy_(targets, sources)
