"""mmpose requires chumpy, which cannot be built.

Defect: chumpy's ``setup.py`` imports pip, which an isolated build does not
have, and needs a numpy that is long gone: ``pip install mmpose`` fails.
Nothing that trains or tests pose models here imports it.
Applies to: mmpose 1.x, chumpy 0.70.
Upstream: https://github.com/open-mmlab/mmpose/issues/3218
Gone when: mmpose is installed. No patch: the doctor says how to install it.
"""

from __future__ import annotations

from mmuniformer.compat.status import Status
from mmuniformer.compat.versions import installed

REMEDY = 'pip install --no-deps mmpose'


def apply() -> None:
    """Nothing to patch; the defect is in pip's view of mmpose."""


def status() -> Status:
    name = 'mmpose without chumpy'
    if not installed('mmpose'):
        return Status(
            name,
            'missing',
            'mmpose is not installed; its requirement chumpy does not build',
            REMEDY,
        )
    if installed('chumpy'):
        return Status(name, 'not needed', 'chumpy is installed')
    return Status(name, 'not needed', 'mmpose is there and does without')
