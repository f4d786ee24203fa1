"""Where the first number of a training step appears that is not finite."""

import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from mmengine.structures import BaseDataElement
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle


@dataclass
class Trace:
    """What was found in a step; empty texts where all is finite.

    Attributes:
        forward (str): The module whose output is the first that is not
            finite, or what came before every module.
        backward (str): The operation whose gradient is, and its module.
        lines (list[str]): The lines of code that made that operation, the
            last one nearest.
    """

    forward: str = ''
    backward: str = ''
    lines: list[str] = field(default_factory=list)


class Tracer:
    """Watches the modules of a model, and then the gradients of its graph.

    Args:
        model (nn.Module): What runs within :meth:`watching`.
    """

    def __init__(self, model: nn.Module) -> None:
        self.trace = Trace()
        self._model = model
        self._names = {
            module: name or 'the model'
            for name, module in model.named_modules()
        }
        self._running: list[nn.Module] = []
        self._last = ''
        # The module of each node of the graph. They are kept: an object that
        # Python makes anew has no place in a dict.
        self._owners: dict[Any, str] = {}
        self._entries: list[set[Any]] = []

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Within it the forward pass is watched."""
        handles: list[RemovableHandle] = []
        for module in self._names:
            handles += [
                module.register_forward_pre_hook(
                    self._enter, with_kwargs=True
                ),
                module.register_forward_hook(self._leave, always_call=True),
            ]
        try:
            with warnings.catch_warnings():
                # That it takes long.
                warnings.simplefilter('ignore')
                # Nodes of the graph then know the lines that made them.
                anomaly = torch.autograd.detect_anomaly(check_nan=False)
            with anomaly:
                yield
        finally:
            for handle in handles:
                handle.remove()

    def watch_gradients(self, loss: Tensor) -> None:
        """Has every operation of a graph looked at in the backward pass.

        Args:
            loss (Tensor): The backward pass starts here.
        """
        self._own([loss], set(), 'the model')
        for node in list(self._owners):
            node.register_hook(self._looks_at(node))

    def _enter(self, module: nn.Module, args: tuple, kwargs: dict) -> None:
        if not self.trace.forward and not _is_finite((args, kwargs)):
            if self._running:
                around = self._names[self._running[-1]]
                self.trace.forward = (
                    f'between modules, in the code of {around}: what '
                    f'{self._name(module)} is given{self._after()}'
                )
            else:
                self.trace.forward = 'what the dataloader gives'
        self._running.append(module)
        nodes = {t.grad_fn for t in _tensors((args, kwargs))}
        self._entries.append(nodes - {None})

    def _leave(self, module: nn.Module, args: Any, output: Any) -> None:
        self._running.pop()
        name = self._name(module)
        if not self.trace.forward and not _is_finite(output):
            self.trace.forward = f'the output of {name}'
            if list(module.children()):
                self.trace.forward += f', of its own code{self._after()}'
            if not _is_finite(list(module.parameters())):
                self.trace.forward += ', whose weights are not finite'
        self._last = name
        self._own(list(_tensors(output)), self._entries.pop(), name)

    def _name(self, module: nn.Module) -> str:
        return f'{self._names[module]} ({type(module).__name__})'

    def _after(self) -> str:
        return f', after {self._last}' if self._last else ''

    def _own(self, outputs: list[Tensor], entries: set, name: str) -> None:
        """Gives a module what is new in the graph between its two ends."""
        waiting = [tensor.grad_fn for tensor in outputs]
        while waiting:
            node = waiting.pop()
            if node is None or node in self._owners or node in entries:
                continue
            self._owners[node] = name
            waiting += [following for following, _ in node.next_functions]

    def _looks_at(self, node: Any) -> Callable[[Any, Any], None]:
        def look(to_inputs: tuple, to_outputs: tuple) -> None:
            if self.trace.backward or not _is_finite(to_outputs):
                return
            if not _is_finite(to_inputs):
                self.trace.backward = f'{node.name()} in {self._owners[node]}'
                lines = node.metadata.get('traceback_', [])
                own = [line for line in lines if not _of_torch(line)]
                self.trace.lines = [line.strip() for line in own[-3:]]

        return look


def _of_torch(line: str) -> bool:
    return os.path.dirname(torch.__file__) + os.sep in line


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from _tensors(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _tensors(each)
    elif isinstance(value, BaseDataElement):
        yield from _tensors(value.values())


def _is_finite(value: Any) -> bool:
    return all(
        bool(torch.isfinite(tensor.detach()).all())
        for tensor in _tensors(value)
        if tensor.is_floating_point()
    )
