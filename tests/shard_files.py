"""Small sets of images and videos, as files and as shards."""

import json
import os
from pathlib import Path

import torch
from mmengine.runner import Runner

from mmuniformer.apis import make_shards
from mmuniformer.datasets.shapes import generate_portraits, generate_videos

QUICKSTART = Path(__file__).parents[1] / 'configs' / 'quickstart'
IMAGES = 'uniformer-tiny_shapes.py'
VIDEOS = 'uniformer-tiny_8x2x1_shapes.py'
CLASSES = 6
TRAIN, VAL = 26, 8


def make_images(root: Path) -> None:
    """Images of classes in folders, and shards of 4 of them in ``shards``."""
    generate_portraits(root, train=TRAIN, val=VAL, size=64)
    for phase in ('train', 'val'):
        out = root / 'shards' / phase
        make_shards(str(root / phase), str(out), max_samples=4, processes=1)


def make_videos(root: Path) -> None:
    """The same of videos and their lists."""
    generate_videos(root, train=12, val=4, size=64, frames=16)
    for phase in ('train', 'val'):
        make_shards(
            str(root / f'videos_{phase}'),
            str(root / 'shards' / phase),
            ann_file=str(root / f'shapes_{phase}_list_videos.txt'),
            max_samples=4,
            processes=1,
        )


def names_of_epochs(
    rank: int, port: int, ann_file: str, out: str, epochs: int
) -> None:
    """Writes what the workers of a process of two read in some epochs."""
    torch.set_num_threads(1)
    torch.distributed.init_process_group(
        'gloo',
        init_method=f'tcp://127.0.0.1:{port}',
        rank=rank,
        world_size=2,
    )
    loader = Runner.build_dataloader(
        dict(
            batch_size=3,
            num_workers=2,
            dataset=dict(type='mmuniformer.ShardedImages', ann_file=ann_file),
            sampler=dict(type='mmuniformer.ShardSampler', window=2),
            collate_fn=lambda samples: [
                (os.getpid(), sample['img_path']) for sample in samples
            ],
        ),
        seed=7,
    )
    read = []
    for epoch in range(epochs):
        loader.sampler.set_epoch(epoch)
        read.append([sample for batch in loader for sample in batch])
    Path(out, f'{rank}.json').write_text(json.dumps(read))
    torch.distributed.destroy_process_group()
