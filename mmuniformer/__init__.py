"""UniFormer for OpenMMLab: one backbone for images and video.

Importing the package applies the workarounds of :mod:`mmuniformer.compat`
that this environment needs and registers every module under the scope
``mmuniformer``, so that a config may write ``type='mmuniformer.UniFormer'``.
"""

from mmuniformer import compat, moved
from mmuniformer.errors import (
    CheckpointError,
    InputError,
    SettingError,
    UnreadableVideo,
    UserError,
)
from mmuniformer.version import __version__

compat.apply()
moved.install()

try:
    from mmuniformer import models
    from mmuniformer.checkpoint import (
        entries,
        load_classifier,
        load_pretrained,
    )
    from mmuniformer.models import (
        BatchAugments,
        BatchErasing,
        BatchMixupCutmix,
        MixupCutmix,
        ScoreTokenHead,
        TokenLabelHead,
        UniFormer,
        UniFormer3D,
        UniFormerLight,
        UniFormerLight3D,
    )
except Exception as error:
    # `python -m mmuniformer.doctor` has to start where torch or mmengine is
    # missing or broken; every other use is told what is wrong.
    _cause = error

    def __getattr__(name: str):
        if name.startswith('__'):
            raise AttributeError(name)
        raise ImportError(
            f'mmuniformer.{name} is not available: {_cause}. Run '
            '`python -m mmuniformer.doctor` to see what is missing.'
        ) from _cause


else:
    entries.serve()


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
    'load_classifier',
    'load_pretrained',
    'models',
]
