"""Lists of videos, of which some may be unreadable.

Imports mmaction2: the registry does it when a config names a class.
"""

import logging
from multiprocessing import Lock
from typing import Any

import torch
from mmaction.datasets import RepeatAugDataset as MMActionRepeatAugDataset
from mmaction.datasets import VideoDataset as MMActionVideoDataset
from mmengine.dataset import Compose
from mmengine.logging import print_log

from mmuniformer.datasets.video_readers import with_names
from mmuniformer.errors import UnreadableVideo, UserError
from mmuniformer.registry import DATASETS

# Of all processes that load for one that trains.
SKIPPING = Lock()


@DATASETS.register_module()
class VideoDataset(MMActionVideoDataset):
    """mmaction2's VideoDataset, which names a video that cannot be read.

    Args:
        ann_file (str): The list of videos.
        pipeline (list): Transforms; those that read videos name the one that
            they cannot read.
        args: Those of mmaction2's that follow.
        unreadable (str): What to do about such a video. 'stop' ends the run,
            'skip' goes on in training: another video, chosen at random, takes
            its place, and one line of the log names it. A test always stops:
            its metrics would be of other videos than those of the list.
        test_mode (bool): Whether it is for validation or test.
        kwargs: Those of mmaction2's.

    Raises:
        UserError: If ``unreadable`` is neither, or 'skip' in a test; later,
            if no video of the list can be read.
        UnreadableVideo: Later, naming the file and what to do.
    """

    def __init__(
        self,
        ann_file: str,
        pipeline: list,
        *args: Any,
        unreadable: str = 'stop',
        test_mode: bool = False,
        **kwargs: Any,
    ) -> None:
        if unreadable not in ('stop', 'skip'):
            raise UserError(
                f"unreadable must be 'stop' or 'skip', not {unreadable!r}"
            )
        if unreadable == 'skip' and test_mode:
            raise UserError(
                "unreadable='skip' is for training: a test on fewer videos "
                'cannot be compared with others; mend the list instead'
            )
        self.unreadable = unreadable
        super().__init__(
            ann_file,
            with_names(pipeline),
            *args,
            test_mode=test_mode,
            **kwargs,
        )

    def full_init(self) -> None:
        """Reads the list, see :class:`BaseDataset`."""
        if self._fully_initialized:
            return
        super().full_init()
        # Shared: the processes that load come and go with the epochs.
        self._skipped = torch.zeros(len(self), dtype=torch.bool)
        self._skipped.share_memory_()

    def prepare_data(self, idx: int) -> Any:
        """Gives the packed sample; None if its video is skipped."""
        if self._skipped[idx]:
            return None
        try:
            return super().prepare_data(idx)
        except UnreadableVideo as error:
            if self.test_mode:
                raise UnreadableVideo(
                    f'{error}; replace it or take it off {self.ann_file}'
                ) from error
            if self.unreadable == 'stop':
                raise UnreadableVideo(
                    f'{error}; replace it, take it off {self.ann_file}, or '
                    'train without such videos: --cfg-options '
                    'train_dataloader.dataset.unreadable=skip'
                ) from error
            self._skip(idx, error)
            return None

    def _skip(self, idx: int, error: UnreadableVideo) -> None:
        with SKIPPING:
            known = bool(self._skipped[idx])
            self._skipped[idx] = True
        if known:
            # Another worker has read it at the same time, and said so.
            return
        # An error, because processes other than the first log nothing less.
        print_log(
            f'{error}; training goes on without it',
            logger='current',
            level=logging.ERROR,
        )
        if self._skipped.all():
            raise UserError(f'no video of {self.ann_file} can be read')


@DATASETS.register_module()
class RepeatAugDataset(MMActionRepeatAugDataset):
    """mmaction2's RepeatAugDataset, which names a video that cannot be read.

    Args:
        ann_file (str): The list of videos.
        pipeline (list): Transforms that begin as mmaction2's class asks for.
        args, kwargs: Those of mmaction2's.

    Raises:
        UnreadableVideo: Later, naming the file.
    """

    def __init__(
        self, ann_file: str, pipeline: list, *args: Any, **kwargs: Any
    ) -> None:
        super().__init__(ann_file, pipeline, *args, **kwargs)
        # Only now: the base class knows its readers by name.
        self.pipeline = Compose(with_names(pipeline))
