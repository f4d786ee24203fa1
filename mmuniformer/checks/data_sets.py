"""The data sets and evaluators that a config names."""

import os.path as osp
from collections.abc import Collection, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.dataset import BaseDataset
from mmengine.registry import DATASETS
from mmengine.utils import is_abs

from mmuniformer.checks.finding import Finding, suggest
from mmuniformer.checks.options.signatures import OF_BUILDING, arguments
from mmuniformer.hosts import HOSTS, packages
from mmuniformer.nodes import type_name

PHASES = ('train', 'val', 'test')


@dataclass(frozen=True)
class DataSet:
    """A data set of a config that reads annotations itself: no wrapper.

    Attributes:
        path (str): Where it stands, ``'train_dataloader.dataset'``.
        phase (str): 'train', 'val' or 'test'.
        node (dict): Its part of the config. It is not changed.
        kind (type): The class that it builds.
    """

    path: str
    phase: str
    node: dict
    kind: type[BaseDataset]

    @property
    def name(self) -> str:
        """Name of the class without its scope."""
        return type_name(self.node)

    @cached_property
    def host(self) -> str:
        """The library whose way it reads files, 'mmdet'; '' for none.

        That of the class, or of the nearest class that it inherits, so that
        a data set of a user's own project is looked at like its base.
        """
        packages = (c.__module__.partition('.')[0] for c in self.kind.__mro__)
        return next((name for name in packages if name in HOSTS), '')

    @property
    def read_by(self) -> str:
        """Name of the library's class whose way to read annotations it has.

        That of the host's or mmengine's class that it inherits
        ``load_data_list`` from; '' if a class of another project has its own.
        """
        owner = next(
            c for c in self.kind.__mro__ if 'load_data_list' in vars(c)
        )
        return owner.__name__ if _is_known(owner) else ''

    @property
    def ann_file(self) -> Path | None:
        """The annotation file where the library looks for it.

        None if there is none, or if it is not on this machine's disk.
        """
        file = self.node.get('ann_file')
        if not file or '://' in str(file):
            return None
        return self.below_root(file)

    def below_root(self, place: str | Path) -> Path:
        """A file or folder, below ``data_root`` unless it is absolute."""
        root = self.node.get('data_root')
        if root and not is_abs(str(place)):
            place = osp.join(root, place)
        return Path(place)

    @cached_property
    def metainfo(self) -> dict[str, Any]:
        """What the library makes of ``metainfo``, its own values included.

        Those alone where it is none: the check of classes says so.
        """
        given = self.node.get('metainfo')
        if not isinstance(given, Mapping):
            given = None
        return dict(self.kind._load_metainfo(deepcopy(given)) or {})

    @property
    def own_defaults(self) -> bool:
        """Whether a class of a user's project may say what a config lacks."""
        owner = next(c for c in self.kind.__mro__ if '__init__' in vars(c))
        return not _is_known(owner)


def _is_known(kind: type) -> bool:
    """Whether a class is one of the libraries."""
    return kind.__module__.partition('.')[0] in (*HOSTS, 'mmengine')


def library_of(cfg: Config) -> str:
    """The library that a config is for, 'mmdet'; '' if it is none of ours.

    Its default scope, or that of its data sets: pure Python configs name
    classes and need no scope.
    """
    scope = cfg.get('default_scope')
    if scope in HOSTS:
        return scope
    found = (data_set.host for data_set in data_sets(cfg, PHASES))
    return next(filter(None, found), '')


def data_sets(cfg: Config, phases: Collection[str]) -> Iterator[DataSet]:
    """The data sets of the loaders of a config, within their wrappers.

    Args:
        cfg (Config): Its default scope is active.
        phases (Collection[str]): Of 'train', 'val' and 'test'.
    """
    for phase, path, node in _nodes_of(cfg, phases):
        kind = _class_of(node)
        wrapper = 'dataset' in node or 'datasets' in node
        if not wrapper and kind is not None and issubclass(kind, BaseDataset):
            yield DataSet(path, phase, node, kind)


def check_types(cfg: Config, phases: Collection[str]) -> Iterator[Finding]:
    """Looks whether data sets of a config exist and take what it gives them.

    Args:
        cfg (Config): Its default scope is active.
        phases (Collection[str]): Of 'train', 'val' and 'test'.
    """
    for _, path, node in _nodes_of(cfg, phases):
        kind = _class_of(node)
        if kind is not None:
            yield from _check_arguments(path, node, kind)
        elif isinstance(node.get('type'), str):
            yield _unknown(path, node)


def _check_arguments(path: str, node: dict, kind: type) -> Iterator[Finding]:
    taken = arguments(kind)
    if taken.open:
        return
    ours = _ours_for(kind)
    own = arguments(ours).names if ours else set()
    for key in sorted(node.keys() - taken.names - own - OF_BUILDING):
        mend = f'{kind.__name__} takes {", ".join(sorted(taken.names))}'
        guess = suggest(key, taken.names)
        if key.lower() in ('classes', 'palette') and 'metainfo' in taken.names:
            guess = ''
            mend = f'set {path}.metainfo=dict({key.lower()}=...)'
        yield Finding(
            f'{path}: {kind.__name__} takes no argument {key!r}{guess}',
            mend,
            entry=f'{path}.{key}',
        )


def _ours_for(kind: type) -> type | None:
    """The class of ours that a run puts in the place of mmaction2's.

    Looking for it imports that library, which may not be installed.
    """
    if not kind.__module__.startswith('mmaction.'):
        return None
    ours = DATASETS.get(f'mmuniformer.{kind.__name__}')
    return ours if ours and issubclass(ours, kind) else None


def _unknown(path: str, node: dict) -> Finding:
    kind, entry = node['type'], f'{path}.type'
    owner = node.get('_scope_') or kind.rpartition('.')[0]
    if owner in HOSTS and find_spec(owner) is None:
        return Finding(
            f"{entry}: '{kind}' is a data set of {owner}, which is not "
            'installed',
            f'pip install {packages()[owner]}',
            entry=entry,
        )
    with DATASETS.switch_scope_and_registry(None) as registry:
        known = {*registry.module_dict, *DATASETS.module_dict}
    return Finding(
        f"{entry}: there is no data set '{kind}'{suggest(kind, known)}",
        entry=entry,
    )


def _nodes_of(
    cfg: Config, phases: Collection[str]
) -> Iterator[tuple[str, str, dict]]:
    """Phase, dotted path and node of each data set, wrappers included."""
    for phase in phases:
        loader = cfg.get(f'{phase}_dataloader')
        path = f'{phase}_dataloader.dataset'
        if isinstance(loader, dict):
            for place, node in _nodes(loader.get('dataset'), path):
                yield phase, place, node


def _nodes(node: Any, path: str) -> Iterator[tuple[str, dict]]:
    """A data set, and those within it: no transforms or indices."""
    if isinstance(node, (list, tuple)):
        for index, member in enumerate(node):
            yield from _nodes(member, f'{path}.{index}')
    elif isinstance(node, dict):
        yield path, node
        for key in ('dataset', 'datasets'):
            yield from _nodes(node.get(key), f'{path}.{key}')


def _class_of(node: dict) -> type | None:
    kind = node.get('type')
    if isinstance(kind, str):
        # The registry of the active scope, as a build from a config has it.
        scope = node.get('_scope_')
        with DATASETS.switch_scope_and_registry(scope) as registry:
            kind = registry.get(kind)
    return kind if isinstance(kind, type) else None


def evaluators(
    cfg: Config, phases: Collection[str]
) -> Iterator[tuple[str, str, dict]]:
    """The metrics of a config: phase, dotted path and node of each."""
    for phase in phases:
        path = f'{phase}_evaluator'
        nodes = cfg.get(path)
        if isinstance(nodes, dict):
            yield phase, path, nodes
        elif isinstance(nodes, (list, tuple)):
            for index, node in enumerate(nodes):
                yield phase, f'{path}.{index}', node
