"""decord given the path of a video, not its bytes.

Defect: mmaction2 reads the file and has decord decode it from memory. There
decord 0.6.0 crashes (a segmentation fault) on many files that are cut off,
AVI and WebM nearly always: the process that loads data dies, and no message
names the file. Given the path decord raises an error. The frames are the same.
Applies to: mmaction2 1.2.0 with decord 0.6.0, files on disk.
Upstream: https://github.com/dmlc/decord/issues/229, which crashes likewise
Gone when: mmaction2 passes the path.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable
from types import ModuleType

from mmuniformer.compat.import_hooks import after_import
from mmuniformer.compat.replacing import is_replaced, replace_once
from mmuniformer.compat.status import Status
from mmuniformer.compat.versions import installed

_MODULE = 'mmaction.datasets.transforms.loading'


def _is_defect(init: type) -> bool:
    return 'BytesIO' in inspect.getsource(init._get_video_reader)


def _by_path(from_memory: Callable) -> Callable:
    def _get_video_reader(self, filename):
        if self.io_backend != 'disk' or not installed('decord'):
            return from_memory(self, filename)
        from decord import VideoReader

        if not os.path.splitext(filename)[1]:
            filename += '.mp4'
        return VideoReader(filename, num_threads=self.num_threads)

    return _get_video_reader


def _patch(module: ModuleType) -> None:
    init = module.DecordInit
    if _is_defect(init):
        replace_once(init, '_get_video_reader', _by_path, by=__name__)


def apply() -> None:
    after_import(_MODULE, _patch)


def status() -> Status:
    name = 'decord and files cut off'
    for package in ('mmaction', 'decord'):
        if not installed(package):
            return Status(name, 'not needed', f'{package} is not installed')
    from mmaction.datasets.transforms import DecordInit

    if is_replaced(DecordInit._get_video_reader, by=__name__):
        return Status(name, 'active', 'videos are opened by their path')
    return Status(name, 'not needed', 'mmaction2 opens videos by their path')
