"""Public names at the places where they stood before.

``import mmuniformer.engine.training`` and the like still work, with a
``DeprecationWarning``.
"""

import sys
import warnings
from importlib import import_module
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_loader
from types import ModuleType
from typing import Any

# Old module: its public names, each with the module and the name of today.
MOVED: dict[str, dict[str, tuple[str, str]]] = {
    'mmuniformer.analysis.report': {
        'complexity_table': ('apis.complexity', 'complexity_table'),
        'get_flops': ('apis', 'get_flops'),
    },
    'mmuniformer.datasets.labels': {
        'CheckLabels': ('datasets', 'CheckLabels'),
    },
    'mmuniformer.engine.browsing': {
        'MODES': ('apis.browsing', 'MODES'),
        'PHASES': ('apis.browsing', 'PHASES'),
        'browse_dataset': ('apis', 'browse'),
    },
    'mmuniformer.engine.checkpoints': {
        'AtomicLocalBackend': ('engine.backends', 'AtomicLocalBackend'),
        'is_url': ('checks.checkpoints', 'is_url'),
        'save_atomically': ('engine.backends', 'save_atomically'),
    },
    'mmuniformer.engine.cli': {
        'OptionsAction': ('cli.arguments', 'OptionsAction'),
        'add_runner_arguments': ('cli', 'add_runner_arguments'),
        'config_parser': ('cli', 'config_parser'),
    },
    'mmuniformer.engine.deployment': {
        'reparameterize': ('apis', 'deploy'),
    },
    'mmuniformer.engine.errors': {
        'INTERRUPTED': ('cli', 'INTERRUPTED'),
        'UserError': ('errors', 'UserError'),
        'readable_errors': ('engine.explain', 'readable_errors'),
        'run_command': ('cli', 'run_command'),
        'suggest': ('checks.finding', 'suggest'),
        'walk': ('nodes', 'walk'),
    },
    'mmuniformer.engine.hosts': {
        'HOSTS': ('hosts', 'HOSTS'),
        'Host': ('hosts', 'Host'),
        'augment_at_test_time': ('engine.tta', 'augment_at_test_time'),
        'draw_predictions': ('engine.prepare', 'draw_predictions'),
        'dump_predictions': ('engine.prepare', 'dump_predictions'),
        'host_of': ('engine.prepare', 'host_of'),
        'set_host_defaults': ('engine.prepare', 'set_host_defaults'),
    },
    'mmuniformer.engine.pictures': {
        'PictureBackend': ('engine', 'PictureBackend'),
    },
    'mmuniformer.engine.testing': {
        'evaluate': ('apis', 'test'),
        'write_metrics': ('apis.testing', 'write_metrics'),
    },
    'mmuniformer.engine.token_pictures': {
        'draw_tokens': ('apis', 'draw_tokens'),
    },
    'mmuniformer.engine.training': {
        'train': ('apis', 'train'),
    },
    'mmuniformer.engine.video_pictures': {
        'VideoPictureHook': ('engine', 'VideoPictureHook'),
    },
    'mmuniformer.engine.videos': {
        'UnreadableVideo': ('errors', 'UnreadableVideo'),
    },
}


class OldModule(ModuleType):
    """A module that has its names from where they stand today."""

    def __getattr__(self, name: str) -> Any:
        if name == '__path__' or name not in MOVED[self.__name__]:
            raise AttributeError(
                f'module {self.__name__!r} has no attribute {name!r}'
            )
        module, today = MOVED[self.__name__][name]
        module = f'mmuniformer.{module}'
        warnings.warn(
            f'{self.__name__}.{name} is now {module}.{today}',
            DeprecationWarning,
            stacklevel=2,
        )
        return getattr(import_module(module), today)


class OldModules:
    """Finds the modules of :data:`MOVED`, and nothing else."""

    @classmethod
    def find_spec(cls, fullname, path=None, target=None) -> ModuleSpec | None:
        if fullname not in MOVED:
            return None
        return spec_from_loader(fullname, cls)

    @staticmethod
    def create_module(spec: ModuleSpec) -> OldModule:
        return OldModule(spec.name)

    @staticmethod
    def exec_module(module: ModuleType) -> None:
        """There is nothing to run."""


def install() -> None:
    """Has the import system find old modules, after all others."""
    if OldModules not in sys.meta_path:
        sys.meta_path.append(OldModules)
