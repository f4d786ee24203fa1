"""torch and torchvision of different releases.

Defect: torchvision's compiled part only loads into the torch it was built
for. With another torch, ``import torchvision`` (mmpose, and every library that
uses ``mmcv.ops`` without a compiled mmcv) ends in ``operator torchvision::nms
does not exist``.
Applies to: any pair whose minor versions, or CPU and CUDA builds, differ.
Upstream: https://github.com/pytorch/vision/issues/8985
Gone when: torchvision imports. No patch: the error names the version.
"""

from __future__ import annotations

import importlib
from types import ModuleType

from mmuniformer.compat.import_hooks import ExecModule, around_import
from mmuniformer.compat.status import Status
from mmuniformer.compat.versions import installed, release


def matching_version(torch: str) -> str:
    """The torchvision release for a torch version: '0.29' for '2.14.1'.

    Args:
        torch (str): Version of torch.
    """
    return f'0.{release(torch)[1] + 15}'


def explain(torch: str, torchvision: str) -> str:
    """The mismatch in one line, with the version that fits.

    Args:
        torch (str): Version of torch.
        torchvision (str): Version of torchvision.
    """
    want = matching_version(torch)
    if release(torchvision) != release(want):
        return (
            f'torchvision {torchvision} does not load into torch {torch}, '
            f'which needs torchvision {want}'
        )
    return (
        f'torchvision {torchvision} was built for another build (CPU or '
        f'CUDA version) of torch than {torch}: install both from one index'
    )


def remedy(torch: str, torchvision: str = '') -> str:
    """What to type.

    Args:
        torch (str): Version of torch.
        torchvision (str): Version of torchvision, if there is one. The right
            version of another build has to be forced.
    """
    want = matching_version(torch)
    same = torchvision and release(torchvision) == release(want)
    force = '--force-reinstall --no-deps ' if same else ''
    return f'pip install {force}"torchvision=={want}.*"'


def _is_mismatch(error: BaseException | None) -> bool:
    return 'operator torchvision::' in str(error)


def _import_torchvision(exec_module: ExecModule, module: ModuleType) -> None:
    try:
        exec_module(module)
    except RuntimeError as error:
        if not _is_mismatch(error):
            raise
        pair = installed('torch'), installed('torchvision')
        raise RuntimeError(f'{explain(*pair)}: {remedy(*pair)}') from error


def apply() -> None:
    around_import('torchvision', _import_torchvision)


def status() -> Status:
    name = 'torchvision fits torch'
    torch, torchvision = installed('torch'), installed('torchvision')
    if not torch:
        return Status(name, 'missing', 'torch is not installed')
    if not torchvision:
        return Status(
            name, 'missing', 'torchvision is not installed', remedy(torch)
        )
    try:
        importlib.import_module('torchvision')
    except Exception as error:
        if _is_mismatch(error.__cause__):
            message = explain(torch, torchvision)
            return Status(name, 'broken', message, remedy(torch, torchvision))
        return Status(name, 'broken', str(error).splitlines()[0])
    return Status(name, 'not needed', 'they are a matching pair')
