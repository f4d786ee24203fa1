"""Videos that lie in shards.

Imports mmaction2: the registry does it when a config names a class.
"""

from mmuniformer.datasets.sharded import InShards
from mmuniformer.datasets.videos import VideoDataset
from mmuniformer.registry import DATASETS


@DATASETS.register_module()
class ShardedVideos(InShards, VideoDataset):
    """Videos in shards, for mmaction2.

    ``tools/dataset_tools/make_shards.py`` writes them. Arguments are those of
    :class:`mmuniformer.datasets.videos.VideoDataset`; ``ann_file`` is the list
    of the shards, ``shards.json``. Videos are opened by decord, OpenCV or
    PyAV, whichever the pipeline names.
    """

    def entry(self, place: str, label: int | list[int] | None) -> dict:
        """``filename`` and ``label``, -1 for none as mmaction2 has it."""
        return dict(filename=place, label=-1 if label is None else label)
