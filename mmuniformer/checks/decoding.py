"""Decoding every image of data sets, if asked to."""

from collections.abc import Collection, Iterator

from mmengine.config import Config

from mmuniformer.checks.data_sets import data_sets
from mmuniformer.checks.finding import Finding
from mmuniformer.checks.images import (
    check_image_files,
    decoder_of,
    look_at_images,
)
from mmuniformer.checks.summaries import summary_of

# Libraries whose annotations are looked at without their images.
HOSTS = ('mmseg', 'mmpose')


def check_decoding(
    cfg: Config, phases: Collection[str], decode: bool
) -> Iterator[Finding]:
    """Decodes the images of a config as its pipelines do.

    Those of mmdet and mmpretrain and the videos of mmaction2 are decoded where
    their annotations are looked at.

    Args:
        cfg (Config): Its default scope is active.
        phases (Collection[str]): Of 'train', 'val' and 'test'.
        decode (bool): Whether to do it.
    """
    done = []
    for data_set in data_sets(cfg, phases if decode else ()):
        # Of joined data sets the pipeline that loads may be of the whole.
        loader = cfg[f'{data_set.phase}_dataloader']
        decoder = decoder_of(data_set.node) or decoder_of(loader)
        if data_set.host not in HOSTS or data_set.node in done or not decoder:
            continue
        done.append(data_set.node)
        summary = summary_of(data_set)
        # Missing ones are told by the check of the annotations.
        files = (
            [str(f) for f in summary.files if f.exists()] if summary else []
        )
        seen = look_at_images(files, decoder, decode=True)
        yield from check_image_files(files, seen, data_set.path)
