"""Images of classes that lie in shards."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from mmengine.dataset import BaseDataset

from mmuniformer.registry import DATASETS
from mmuniformer.shards import place_of, read_samples, read_shard_set

# Threads that read indices: on a network each has to wait.
READING = 16


class InShards:
    """Before a data set in the list of base classes: it reads an index.

    The samples are in the order of the shards, and any of them can be read:
    samplers, several processes and resuming are those of other data sets.
    """

    ann_file: str
    _metainfo: dict[str, Any]
    _indices: int | Sequence[int] | None

    def entry(self, place: str, label: int | list[int] | None) -> dict:
        """What the transforms get of a sample.

        Args:
            place (str): The path by which mmengine reads it.
            label (int or list[int] or None): Its class or classes.
        """
        raise NotImplementedError

    def load_data_list(self) -> list[dict]:
        """Reads the indices of all shards.

        Raises:
            UserError: If a shard or an index is missing, or a shard is not
                what its index is of.
        """
        found = read_shard_set(self.ann_file)
        if found.classes:
            self._metainfo.setdefault('classes', found.classes)
        with ThreadPoolExecutor(READING) as pool:
            samples = list(pool.map(read_samples, found.shards))
        self._sizes = [len(each) for each in samples]
        # Workers may be in another folder.
        tars = [os.path.abspath(shard.tar) for shard in found.shards]
        return [
            self.entry(place_of(tar, sample), sample.label)
            for tar, each in zip(tars, samples, strict=True)
            for sample in each
        ]

    @property
    def shard_numbers(self) -> np.ndarray:
        """The number of the shard of each sample, for :class:`ShardSampler`.

        Of all that the config's ``indices`` leave.
        """
        self.full_init()
        numbers = np.repeat(np.arange(len(self._sizes)), self._sizes)
        indices = self._indices
        if indices is None:
            return numbers
        if isinstance(indices, int):
            return numbers[:indices] if indices >= 0 else numbers[indices:]
        return numbers[list(indices)]


@DATASETS.register_module()
class ShardedImages(InShards, BaseDataset):
    """Images in shards, for mmpretrain.

    ``tools/dataset_tools/make_shards.py`` writes them. Transforms that load
    images from files load these. Arguments are those of mmengine's
    ``BaseDataset``; ``ann_file`` is the list of the shards, ``shards.json``.
    The classes are those of the folders that the shards were made of, unless
    ``metainfo`` names them.
    """

    def entry(self, place: str, label: int | list[int] | None) -> dict:
        """``img_path``, and ``gt_label`` if there is one."""
        entry = dict(img_path=place)
        return entry if label is None else dict(entry, gt_label=label)

    def get_cat_ids(self, idx: int) -> list[int]:
        """Classes of a sample, for mmengine's ``ClassBalancedDataset``."""
        label = self.get_data_info(idx)['gt_label']
        return label if isinstance(label, list) else [label]
