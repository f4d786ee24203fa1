"""UniFormer for OpenMMLab: one backbone for images and video.

Importing the package applies the workarounds of :mod:`mmuniformer.compat`
that this environment needs, and has mmengine find every class of the scope
``mmuniformer``, so that a config may write ``type='mmuniformer.UniFormer'``.

torch and mmengine are imported with the first name that needs them: a command
line reads its arguments, and the doctor looks, before that.
"""

from importlib import import_module
from typing import Any

from mmuniformer import compat, config_files, moved
from mmuniformer.compat.import_hooks import after_import
from mmuniformer.errors import (
    CheckpointError,
    InputError,
    SettingError,
    UnreadableVideo,
    UserError,
)
from mmuniformer.version import __version__

# Where each of the names is that need torch.
_LATER = {
    'BatchAugments': 'models',
    'BatchErasing': 'models',
    'BatchMixupCutmix': 'models',
    'MixupCutmix': 'models',
    'ScoreTokenHead': 'models',
    'TokenLabelHead': 'models',
    'UniFormer': 'models',
    'UniFormer3D': 'models',
    'UniFormerLight': 'models',
    'UniFormerLight3D': 'models',
    'load': 'apis',
    'load_classifier': 'checkpoint',
    'load_pretrained': 'checkpoint',
}
_ROOMS = ('apis', 'checkpoint', 'models', 'registry', 'zoo')

compat.apply()
moved.install()
config_files.serve()
# Has mmengine read links and name tensors as this package does.
after_import(
    'mmengine.runner.checkpoint',
    lambda module: import_module('mmuniformer.checkpoint.entries').serve(),
)


def __getattr__(name: str) -> Any:
    if name not in _LATER and name not in _ROOMS:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    try:
        module = import_module(f'{__name__}.{_LATER.get(name, name)}')
    except Exception as error:
        raise ImportError(
            f'{__name__}.{name} is not available: {error}. Run '
            '`python -m mmuniformer.doctor` to see what is missing.'
        ) from error
    return getattr(module, name) if name in _LATER else module


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATER, *_ROOMS})


__all__ = [
    'BatchAugments',
    'BatchErasing',
    'BatchMixupCutmix',
    'CheckpointError',
    'InputError',
    'MixupCutmix',
    'ScoreTokenHead',
    'SettingError',
    'TokenLabelHead',
    'UniFormer',
    'UniFormer3D',
    'UniFormerLight',
    'UniFormerLight3D',
    'UnreadableVideo',
    'UserError',
    '__version__',
    'load',
    'load_classifier',
    'load_pretrained',
    'models',
]
