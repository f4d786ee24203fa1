"""Clips of one stretch of a video, as the published models saw them."""

import numpy as np

from mmuniformer.errors import UserError
from mmuniformer.registry import TRANSFORMS


@TRANSFORMS.register_module()
class DenseSample:
    """Chooses frames of a stretch of ``clip_len * frame_interval`` frames.

    The published recipes decode with decord, where a stretch counts frames of
    the file, whatever their rate; mmaction2's ``SampleFrames`` counts either
    steps of exactly ``frame_interval`` or, with its ``target_fps``, seconds.
    Frame ``i`` of a clip that starts at ``s`` is, rounded down,
    ``s + i * (clip_len * frame_interval - 1) / (clip_len - 1)``; where the
    video is over, it is the video's last frame.

    Args:
        clip_len (int): Frames of a clip.
        frame_interval (int): Stride of the recipe's name, in frames.
        num_clips (int): Clips of a video in a test, from its start to its
            end.
        test_mode (bool): Whether clips are at fixed places, or one at a
            random one.
        target_fps (float, optional): Frames a second for which
            ``frame_interval`` is meant. A stretch then has the same length in
            seconds in every video, which no published recipe has.

    Raises:
        ValueError: If a number is less than 1, or ``target_fps`` not above 0.
        UserError: Later, if ``target_fps`` is given and the reader of videos
            does not tell the rate of a file.
    """

    def __init__(
        self,
        clip_len: int,
        frame_interval: int,
        num_clips: int = 1,
        test_mode: bool = False,
        target_fps: float | None = None,
    ) -> None:
        for name, value in dict(
            clip_len=clip_len,
            frame_interval=frame_interval,
            num_clips=num_clips,
        ).items():
            if value < 1:
                raise ValueError(f'{name} must be at least 1, not {value}')
        if target_fps is not None and not target_fps > 0:
            raise ValueError(f'target_fps must be above 0, not {target_fps}')
        self.clip_len = clip_len
        self.frame_interval = frame_interval
        self.num_clips = num_clips
        self.test_mode = test_mode
        self.target_fps = target_fps

    def __call__(self, results: dict) -> dict:
        """Adds ``frame_inds`` (num_clips * clip_len,) to what was opened."""
        total = results['total_frames']
        length = self.clip_len * self.frame_interval
        if self.target_fps:
            if 'avg_fps' not in results:
                raise UserError(
                    f'target_fps={self.target_fps} needs the rate of each '
                    'file, which the reader of this pipeline does not tell: '
                    'read with DecordInit, or leave target_fps out'
                )
            # A file may not know its own.
            length *= (results['avg_fps'] or self.target_fps) / self.target_fps
        starts = self._starts(max(total - length, 0))
        within = np.linspace(0, max(length - 1, 0), self.clip_len)
        indices = (starts[:, None] + within).astype(int)
        indices = np.minimum(indices, total - 1).ravel()
        results['frame_inds'] = indices + results.get('start_index', 0)
        results['clip_len'] = self.clip_len
        results['frame_interval'] = self.frame_interval
        results['num_clips'] = len(starts)
        return results

    def _starts(self, last: float) -> np.ndarray:
        """Where clips start: from 0 to ``last``, in frames."""
        if not self.test_mode:
            return np.random.uniform(0, last, self.num_clips)
        if self.num_clips == 1:
            return np.array([last // 2])
        return np.arange(self.num_clips) * (last // (self.num_clips - 1))

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}(clip_len={self.clip_len}, '
            f'frame_interval={self.frame_interval}, '
            f'num_clips={self.num_clips}, test_mode={self.test_mode}, '
            f'target_fps={self.target_fps})'
        )
