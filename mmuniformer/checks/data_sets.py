"""The data sets and evaluators that a config names."""

import os.path as osp
from collections.abc import Collection, Iterator
from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.dataset import BaseDataset
from mmengine.registry import DATASETS
from mmengine.utils import is_abs

from mmuniformer.hosts import HOSTS
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
        """What the library makes of ``metainfo``, its own values included."""
        own = self.kind.METAINFO | deepcopy(
            dict(self.node.get('metainfo') or {})
        )
        return dict(self.kind._load_metainfo(own) or {})


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
    for phase in phases:
        loader = cfg.get(f'{phase}_dataloader') or {}
        path = f'{phase}_dataloader.dataset'
        yield from _within(loader.get('dataset'), path, phase)


def _within(node: Any, path: str, phase: str) -> Iterator[DataSet]:
    if isinstance(node, (list, tuple)):
        for index, member in enumerate(node):
            yield from _within(member, f'{path}.{index}', phase)
        return
    if not isinstance(node, dict):
        return
    inner = [key for key in ('dataset', 'datasets') if key in node]
    for key in inner:
        yield from _within(node[key], f'{path}.{key}', phase)
    kind = _class_of(node)
    if not inner and kind is not None and issubclass(kind, BaseDataset):
        yield DataSet(path, phase, node, kind)


def _class_of(node: dict) -> type | None:
    kind = node.get('type')
    if isinstance(kind, str):
        # The registry of the active scope, as a build from a config has it.
        with DATASETS.switch_scope_and_registry(None) as registry:
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
