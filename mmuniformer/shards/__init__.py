"""Data sets as few large files: tars of WebDataset's form, with an index.

A folder of shards::

    shards.json          what there is: shards, number of samples, classes
    shard-000000.tar     samples: KEY.jpg and KEY.cls, KEY.mp4 and KEY.cls
    shard-000000.json    where in the tar each sample is, and its label
"""

from mmuniformer.shards.index import (
    INDEX,
    Sample,
    Shard,
    ShardSet,
    read_samples,
    read_shard_set,
)
from mmuniformer.shards.places import (
    PREFIX,
    as_file,
    name_of,
    place_of,
    read_place,
    tar_of,
)
from mmuniformer.shards.writing import Source, write_shards

__all__ = [
    'INDEX',
    'PREFIX',
    'Sample',
    'Shard',
    'ShardSet',
    'Source',
    'as_file',
    'name_of',
    'place_of',
    'read_place',
    'read_samples',
    'read_shard_set',
    'tar_of',
    'write_shards',
]
