"""Whether an epoch has a step."""

from collections.abc import Iterator

from mmengine.config import Config

from mmuniformer.checks.data_sets import DataSet
from mmuniformer.checks.finding import Finding
from mmuniformer.nodes import type_name


def check_whole_batch(
    cfg: Config, data_set: DataSet, samples: int
) -> Iterator[Finding]:
    """Looks whether there is a whole batch, if only whole ones are used.

    Args:
        cfg (Config): The config.
        data_set (DataSet): One of it. Within a wrapper there may be more
            samples than it has, and nothing is looked at.
        samples (int): How many it has.
    """
    place = f'{data_set.phase}_dataloader'
    loader = cfg[place]
    size = loader.get('batch_size', 1)
    parts = (loader, loader.get('batch_sampler') or {})
    indices = data_set.node.get('indices')
    if isinstance(indices, int):
        samples = min(samples, abs(indices))
    endless = 'Infinite' in type_name(loader.get('sampler'))
    if data_set.path != f'{place}.dataset' or endless:
        return
    if any(part.get('drop_last') for part in parts) and samples < size:
        yield Finding(
            f'{place}.batch_size is {size} with drop_last, and '
            f'{data_set.ann_file} gives {samples} images: an epoch would '
            'have no step',
            'take a smaller batch, or set drop_last=False',
            entry=f'{place}.batch_size',
        )
