"""What a user brings, looked at before it is used.

One file a kind of input. A check takes a config or a path, changes nothing,
and yields a :class:`Finding` for each thing that is wrong; the functions of
:mod:`mmuniformer.apis` stop at the first error by :func:`stop_on_errors`.
"""

from collections.abc import Collection, Iterator
from itertools import chain

from mmengine.config import Config

from mmuniformer.checks.checkpoints import check_start
from mmuniformer.checks.classes import check_classes
from mmuniformer.checks.coco_file import forget_files
from mmuniformer.checks.counting import check_counting
from mmuniformer.checks.data_sets import check_types
from mmuniformer.checks.decoding import check_decoding
from mmuniformer.checks.detection.coco import check_coco
from mmuniformer.checks.detection.voc import check_voc
from mmuniformer.checks.finding import Finding, stop_on_errors
from mmuniformer.checks.keypoints import check_keypoints
from mmuniformer.checks.label_maps import check_label_maps
from mmuniformer.checks.layer_decay import check_layer_decay
from mmuniformer.checks.lists.images import check_image_lists
from mmuniformer.checks.lists.shards import check_shards
from mmuniformer.checks.lists.videos import check_video_lists
from mmuniformer.checks.machine import check_machine, check_packages
from mmuniformer.checks.scoring import check_scoring
from mmuniformer.checks.token_labels import check_token_labels

__all__ = ['Finding', 'check_inputs', 'data_checks', 'stop_on_errors']


def check_inputs(
    cfg: Config,
    phases: Collection[str],
    decode: bool = False,
    data: bool = True,
) -> Iterator[Finding]:
    """Looks at everything that a config names, and at the machine.

    The one door: every command calls it after the config is read and before
    anything is made from it.

    Args:
        cfg (Config): As it was read. It is not changed.
        phases (Collection[str]): Of 'train', 'val' and 'test', those whose
            data the command reads.
        decode (bool): Whether to decode every image and video as well.
        data (bool): Whether to look at the data; what a run starts from and
            where it runs is looked at always.

    Yields:
        Finding: In the order of what is cheapest to look at.
    """
    yield from check_machine(cfg)
    yield from check_packages(cfg, phases)
    yield from check_start(cfg)
    if 'train' in phases:
        yield from check_layer_decay(cfg)
        yield from check_counting(cfg)
    if not data:
        return
    try:
        yield from chain(*data_checks(cfg, phases, decode))
    finally:
        # A large file takes gigabytes that the run needs.
        forget_files()


def data_checks(
    cfg: Config, phases: Collection[str], decode: bool = False
) -> list[Iterator[Finding]]:
    """What looks at the data of a config and at its classes, on any machine.

    Args:
        cfg (Config): As for :func:`check_inputs`.
        phases (Collection[str]): As there.
        decode (bool): As there.

    Returns:
        list[Iterator[Finding]]: One for each kind of input. Nothing is read
        before one is asked for its findings, and each can be asked alone.
    """
    return [
        check_types(cfg, phases),
        check_classes(cfg, phases),
        check_coco(cfg, phases, decode),
        check_voc(cfg, phases, decode),
        check_keypoints(cfg, phases, decode),
        check_video_lists(cfg, phases, decode),
        check_image_lists(cfg, phases, decode),
        check_shards(cfg, phases, decode),
        check_label_maps(cfg, phases, decode),
        check_token_labels(cfg, phases),
        check_scoring(cfg, phases),
        check_decoding(cfg, phases, decode),
    ]
