"""Which keys something reads at each place of a config.

Known keys come from what will be built: the constructor of the class that a
``type`` names, torch's DataLoader, mmengine's own functions. What a library
reads from plain dicts (``test_cfg``, ``filter_cfg``) is in its source.
"""

import inspect
import re
from collections.abc import Callable, Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from mmengine import dist as mmengine_dist
from mmengine.config import Config
from mmengine.registry import DATA_SAMPLERS, OPTIM_WRAPPER_CONSTRUCTORS
from mmengine.runner import (
    EpochBasedTrainLoop,
    FlexibleRunner,
    IterBasedTrainLoop,
    LogProcessor,
    Runner,
    TestLoop,
    ValLoop,
)
from mmengine.utils import import_modules_from_strings
from mmengine.utils.dl_utils import set_multi_processing
from mmengine.visualization import Visualizer
from torch.distributed import init_process_group
from torch.utils.data import DataLoader

from mmuniformer.checks.options.signatures import (
    OF_BUILDING,
    Arguments,
    anywhere,
    arguments,
    registered,
)

# How code reads a key of a dict: d.get('key'), d['key'], 'key' in d.
READING = re.compile(
    r"""\.(?:get|pop|setdefault)\(\s*['"](\w+)['"]"""
    r"""|\[['"](\w+)['"]\]"""
    r"""|['"](\w+)['"]\s+(?:not\s+)?in\s"""
    r"""|cfg\.(\w+)\b(?!\()"""
)
# Read from the top level by the command lines of the libraries, as no
# signature says.
OF_COMMAND_LINES = {
    'custom_imports',
    'preprocess_cfg',
    'runner_type',
    'strategy',
    'tta_model',
    'tta_pipeline',
}
# What mmengine builds where a dict has no `type`.
DEFAULT_TYPES = {
    'log_processor': LogProcessor,
    'visualizer': Visualizer,
    'model_wrapper_cfg': 'MMDistributedDataParallel',
}
# Of plain dicts that a data set reads itself, and passes on to nobody.
OWN_DICTS = {'data_prefix', 'filter_cfg'}


def read_words(*sources: Any) -> frozenset[str]:
    """The keys that functions, classes or modules read from dicts."""
    words: set[str] = set()
    for source in sources:
        words |= _words_of(source)
    return frozenset(words)


@cache
def _words_of(source: Any) -> frozenset[str]:
    try:
        text = source if isinstance(source, str) else inspect.getsource(source)
    except (OSError, TypeError):
        return frozenset()
    found = READING.findall(text)
    return frozenset(word for words in found for word in words if word)


def top_level() -> frozenset[str]:
    """Keys that a command line or mmengine's runners read."""
    names = arguments(Runner).names | arguments(FlexibleRunner).names
    own = re.findall(
        r"self\.cfg\.get\(\s*'(\w+)'",
        inspect.getsource(inspect.getmodule(Runner)),
    )
    return frozenset(OF_COMMAND_LINES | names | set(own)) - {'cfg'}


def built_by(kind: Any, scope: str = '') -> list[Callable]:
    """What a ``type`` stands for, and what takes its place here.

    A class of this package of the same name, which inherits from it, is put
    in its place in a run: its arguments are taken, too.

    Args:
        kind (Any): The value of ``type``.
        scope (str): The library that is asked first, by a ``_scope_``.
    """
    found = []
    if scope and isinstance(kind, str) and '.' not in kind:
        found = anywhere(f'{scope}.{kind}')
    found = found or anywhere(kind)
    name = kind.rpartition('.')[2] if isinstance(kind, str) else ''
    name = name or getattr(kind, '__name__', '')
    for ours in anywhere(f'mmuniformer.{name}'):
        if inspect.isclass(ours) and ours not in found:
            found += [ours] if set(ours.__mro__) & set(found) else []
    return found


class Places:
    """The dicts of a config, and what may be in each.

    Args:
        before (Config): Without the options; its default scope is active.
        cfg (Config): With all options merged.
        amp (bool): Whether the command trains in mixed precision.
    """

    def __init__(self, before: Config, cfg: Config, amp: bool) -> None:
        self.before = before
        self.cfg = cfg
        self.amp = amp

    def takes(self, parts: tuple[str, ...], node: dict) -> Arguments | None:
        """The keys that the dict at a place takes.

        Args:
            parts (tuple[str, ...]): The place; ``()`` is the config itself.
            node (dict): What is there.

        Returns:
            Arguments: None where neither a class nor a function tells.
        """
        if not parts:
            return Arguments(top_level())
        of_place = self._of_place(parts, node)
        if of_place is not None:
            return of_place
        kind = node.get('type')
        if kind is None:
            return None
        found = Arguments(OF_BUILDING)
        kinds = self.built_at(parts, node)
        for built in kinds:
            found |= arguments(built)
        name = _name(parts)
        if name.endswith('_cfg'):
            found |= Arguments(_of_layers())
        if name == 'init_cfg':
            found |= _of_weights()
        if name in ('default_hooks', 'custom_hooks') or (
            parts[0] == 'default_hooks'
        ):
            found |= Arguments(frozenset(('priority',)))
        # A function of a library's own table (nms), or a mistyped name, which
        # the build tells about.
        return found if kinds else Arguments(OF_BUILDING, open=True)

    def _of_place(
        self, parts: tuple[str, ...], node: dict
    ) -> Arguments | None:
        """Of the dicts that mmengine or torch read themselves."""
        first, last = parts[0], parts[-1]
        if re.fullmatch(r'(train|val|test)_dataloader(\.\d+)?', first):
            return self._of_loader(parts, node)
        if first == 'optim_wrapper':
            return self._of_wrapper(parts[1:], node)
        if len(parts) == 1 and first in ('train_cfg', 'val_cfg', 'test_cfg'):
            return _of_loop(first, node)
        if first == 'param_scheduler' and 'type' in node:
            found = Arguments(OF_BUILDING | {'convert_to_iter_based'})
            for built in built_by(node['type']):
                found |= arguments(built)
            return found
        if len(parts) == 1 and first in DEFAULT_TYPES:
            return _of_types(node.get('type', DEFAULT_TYPES[first]))
        joined = 'metrics' in node and 'type' not in node
        if len(parts) == 1 and first.endswith('_evaluator') and joined:
            return _of_types('Evaluator')
        if parts == ('custom_imports',):
            return _of_calls(import_modules_from_strings)
        if last == 'compile':
            return _of_calls(torch.compile, without={'model'})
        if parts == ('randomness',):
            return _of_calls(Runner.set_randomness)
        if parts == ('auto_scale_lr',):
            return Arguments(_words_of(Runner.scale_lr))
        if first == 'env_cfg':
            if len(parts) == 1:
                return Arguments(_words_of(Runner.setup_env))
            if last == 'mp_cfg':
                return _of_calls(set_multi_processing, without={'distributed'})
            if last == 'dist_cfg':
                return _of_init_dist()
        return None

    def _of_loader(
        self, parts: tuple[str, ...], node: dict
    ) -> Arguments | None:
        if len(parts) == 1:
            found = arguments(DataLoader).names
            return Arguments(found | _words_of(Runner.build_dataloader))
        if len(parts) > 2:
            return None
        if parts[1] in ('sampler', 'batch_sampler') and 'type' in node:
            built = registered(node['type'], DATA_SAMPLERS)
            return _of_types(built) if callable(built) else None
        return None

    def _of_wrapper(
        self, parts: tuple[str, ...], node: dict
    ) -> Arguments | None:
        wrapper = self.cfg.optim_wrapper
        several = 'constructor' in wrapper and 'optimizer' not in wrapper
        if several:
            # A dict of wrappers by the names of parts of the model.
            if not parts:
                return Arguments(
                    OF_BUILDING | {'constructor', 'paramwise_cfg'}, open=True
                )
            if parts[0] not in ('paramwise_cfg', 'constructor'):
                wrapper, parts = wrapper[parts[0]], parts[1:]
        if not parts:
            kind = wrapper.get('type', 'OptimWrapper')
            found = _of_types(kind)
            name = getattr(kind, '__name__', str(kind)).rpartition('.')[2]
            if self.amp and name == 'OptimWrapper':
                found |= _of_types('AmpOptimWrapper')
            return found | Arguments(
                frozenset(('constructor', 'paramwise_cfg', 'optimizer'))
            )
        constructor = registered(
            self.cfg.optim_wrapper.get(
                'constructor', 'DefaultOptimWrapperConstructor'
            ),
            OPTIM_WRAPPER_CONSTRUCTORS,
        )
        if parts == ('clip_grad',):
            clip = torch.nn.utils.clip_grad_norm_
            if node.get('type', 'norm') == 'value':
                clip = torch.nn.utils.clip_grad_value_
            found = _of_calls(clip, without={'parameters'})
            return found | Arguments(frozenset(('type',)))
        if parts == ('paramwise_cfg',):
            bases = getattr(constructor, '__mro__', ())[:-1]
            return Arguments(read_words(*bases), open=not bases)
        if len(parts) == 2 and parts[1] == 'custom_keys':
            return Arguments(open=True)
        if len(parts) == 3 and parts[1] == 'custom_keys':
            return Arguments(frozenset(('lr_mult', 'decay_mult')))
        return None

    def owners(self, parts: tuple[str, ...]) -> list[Callable]:
        """The classes that are built from the dicts around a place."""
        scope, found = '', []
        for node in self._around(parts):
            scope = node.get('_scope_', scope)
            if 'type' in node:
                found += built_by(node['type'], scope)
        return found

    def built_at(self, parts: tuple[str, ...], node: dict) -> list[Callable]:
        """What the ``type`` of the dict at a place stands for.

        A ``_scope_`` holds for all that is built within its dict.
        """
        scopes = [one.get('_scope_') for one in self._around(parts)]
        scope = next(filter(None, reversed(scopes)), '')
        return built_by(node.get('type'), scope)

    def _around(self, parts: tuple[str, ...]) -> Iterator[dict]:
        """The dicts on the way to a place and the one that is there."""
        node = self.cfg._cfg_dict
        for part in parts:
            if isinstance(node, (list, tuple)):
                node = node[int(part)]
            elif isinstance(node, dict):
                node = node.get(part)
            if isinstance(node, dict):
                yield node


def _name(parts: tuple[str, ...]) -> str:
    """The last key that is no place in a list."""
    return next((p for p in reversed(parts) if not p.isdigit()), '')


def _of_types(kind: Any) -> Arguments:
    found = Arguments(OF_BUILDING)
    for built in built_by(kind):
        found |= arguments(built)
    return found


def _of_calls(function: Callable, without: set[str] = frozenset()):
    found = arguments(function)
    return Arguments(found.names - without, found.open)


@cache
def _of_init_dist() -> Arguments:
    """The keys of ``dist_cfg``, whatever the launcher."""
    by_launcher = [
        function
        for name, function in vars(mmengine_dist.utils).items()
        if name.startswith('_init_dist_')
    ]
    names = arguments(init_process_group).names
    for function in (mmengine_dist.init_dist, *by_launcher):
        names |= arguments(function).names
    return Arguments(names - {'launcher'})


def _of_loop(name: str, node: dict) -> Arguments:
    if 'type' in node:
        return _of_types(node['type'])
    if name != 'train_cfg':
        return _of_types(ValLoop if name == 'val_cfg' else TestLoop)
    if 'by_epoch' in node:
        loop = EpochBasedTrainLoop if node['by_epoch'] else IterBasedTrainLoop
        found = _of_types(loop)
    else:
        found = _of_types(EpochBasedTrainLoop) | _of_types(IterBasedTrainLoop)
    return found | Arguments(frozenset(('by_epoch',)))


@cache
def _of_layers() -> frozenset[str]:
    """What mmcv takes from a dict before it builds a layer from it."""
    from mmcv.cnn import bricks

    return read_words(
        bricks.build_activation_layer,
        bricks.build_conv_layer,
        bricks.build_norm_layer,
        bricks.build_padding_layer,
        bricks.build_upsample_layer,
        bricks.build_plugin_layer,
    )


@cache
def _of_weights() -> Arguments:
    """What ``init_cfg`` takes besides the arguments of an initializer."""
    from mmengine.model import weight_init

    from mmuniformer.checkpoint import load_pretrained

    return arguments(load_pretrained) | Arguments(_words_of(weight_init))


def packages_of(owners: list[Callable]) -> list[str]:
    """The packages whose source may read a dict of these classes."""
    modules = [
        parent.__module__.partition('.')[0]
        for owner in owners
        for parent in getattr(owner, '__mro__', (owner,))
    ]
    found = dict.fromkeys(['mmengine', 'mmcv', *modules])
    return [name for name in found if name not in ('builtins', 'torch')]


def modules_of(owners: list[Callable]) -> Iterator[Any]:
    """The modules of classes and of their bases, torch's left out."""
    seen = set()
    for owner in owners:
        for parent in getattr(owner, '__mro__', (owner,)):
            module = inspect.getmodule(parent)
            name = getattr(module, '__name__', 'builtins')
            if name.partition('.')[0] in ('builtins', 'torch'):
                continue
            if name not in seen:
                seen.add(name)
                yield module


@cache
def source_of(package: str) -> str:
    """The text of all modules of a package, but its configs."""
    try:
        spec = find_spec(package)
    except ValueError:
        # A script: it has no package.
        spec = None
    if spec is None or spec.origin is None:
        return ''
    if not spec.submodule_search_locations:
        return Path(spec.origin).read_text(errors='replace')
    folder = Path(spec.origin).parent
    return '\n'.join(
        path.read_text(errors='replace')
        for path in sorted(folder.rglob('*.py'))
        if path.relative_to(folder).parts[0] not in ('.mim', 'configs')
    )


@cache
def words_of_package(package: str) -> frozenset[str]:
    """The keys that a package reads from dicts."""
    return read_words(source_of(package))


def is_mentioned(word: str, packages: list[str]) -> bool:
    """Whether a word stands anywhere in the source of packages."""
    pattern = re.compile(rf'\b{re.escape(word)}\b')
    return any(pattern.search(source_of(package)) for package in packages)
