"""What a user brings, looked at before it is used.

One file a kind of input. A check takes a config or a path, changes nothing,
and yields a :class:`Finding` for each thing that is wrong; the functions of
:mod:`mmuniformer.apis` stop at the first error by :func:`stop_on_errors`.
"""

from collections.abc import Collection, Iterator

from mmengine.config import Config

from mmuniformer.checks.checkpoints import check_start
from mmuniformer.checks.class_lists import check_class_numbers
from mmuniformer.checks.finding import Finding, stop_on_errors
from mmuniformer.checks.keypoints import check_keypoints
from mmuniformer.checks.machine import check_machine
from mmuniformer.checks.video_lists import check_video_lists

__all__ = ['Finding', 'check_inputs', 'stop_on_errors']


def check_inputs(
    cfg: Config, phases: Collection[str], decode: bool = False
) -> Iterator[Finding]:
    """Looks at everything that a config names, and at the machine.

    The one door: every command calls it after the config is read and before
    anything is made from it.

    Args:
        cfg (Config): As it was read. It is not changed.
        phases (Collection[str]): Of 'train', 'val' and 'test', those whose
            data the command reads.
        decode (bool): Whether to decode every image and video as well.

    Yields:
        Finding: In the order of what is cheapest to look at.
    """
    yield from check_machine(cfg)
    yield from check_start(cfg)
    yield from check_class_numbers(cfg)
    yield from check_keypoints(cfg, phases, decode)
    yield from check_video_lists(cfg, phases)
