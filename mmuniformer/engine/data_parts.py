"""What reads a sample: a data set, those within it, and its transforms."""

from collections.abc import Iterator
from typing import Any

# Where wrappers and pipelines of the libraries have others.
WITHIN = ('dataset', 'datasets', 'pipeline', 'transforms', 'transform')
# mmengine (num_batch_per_epoch), mmpose, mmaction2, mmdet, and albumentations
# in any of them.
WITHIN += ('_dataset', 'pre_transform', 'ops', 'branch_pipelines', 'aug')


def parts(dataset: Any) -> Iterator[Any]:
    """A data set and all that it reads a sample with, each once.

    Args:
        dataset (Any): Of any library, or of a project.
    """
    waiting, seen = [dataset], set()
    while waiting:
        each = waiting.pop()
        if id(each) in seen:
            continue
        seen.add(id(each))
        if isinstance(each, list | tuple):
            # Steps of a pipeline; a list of samples is none.
            waiting += each[:64]
        elif isinstance(each, dict):
            waiting += list(each.values())[:64]
        elif hasattr(each, '__dict__') and not isinstance(each, type):
            yield each
            waiting += [vars(each)[n] for n in WITHIN if n in vars(each)]
