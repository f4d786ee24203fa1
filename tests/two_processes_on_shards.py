"""Under torchrun: trainings of two processes on videos in shards.

    torchrun --nproc_per_node 2 two_processes_on_shards.py DATA FOLDER RUNS

RUNS is JSON: a list of ``[workers, work dir, resume, end]``.
"""

import json
import os
import sys
from pathlib import Path

import torch.distributed as dist
from small_runs import Small

# A checkpoint in the middle of an epoch, which has 3 steps.
ON_SHARDS = """
train_dataloader = dict(
    loader,
    sampler=dict(_delete_=True, type='mmuniformer.ShardSampler', window=2),
    dataset=dict(
        _delete_=True,
        type='mmuniformer.ShardedVideos',
        data_root=data_root,
        ann_file='shards/train/shards.json',
        pipeline=[
            *_base_.train_pipeline[:-1],
            dict(type='PackActionInputs', meta_keys=('filename',)),
        ],
    ),
)
default_hooks['checkpoint'].update(by_epoch=False, interval=1)
"""


def main() -> None:
    data, folder, runs = sys.argv[1:]
    for workers, work_dir, resume, end in json.loads(runs):
        own = Path(folder, f'configs_{os.environ["RANK"]}')
        own.mkdir(exist_ok=True)
        small = Small(
            'video', Path(data), own, workers=workers, more=ON_SHARDS
        )
        small.count = len(list(own.iterdir()))
        small.out = Path(folder)
        small.run(work_dir, resume=resume, end=end, launcher='pytorch')
    dist.destroy_process_group()


if __name__ == '__main__':
    main()
