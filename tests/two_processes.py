"""Under torchrun: trainings of two processes, one after the other.

    torchrun --nproc_per_node 2 two_processes.py DATA FOLDER RUNS

RUNS is JSON: a list of ``[task, workers, work dir, resume, end]``.
"""

import json
import sys
from pathlib import Path

import torch.distributed as dist
from mmengine.dist import get_rank
from small_runs import Small


def main() -> None:
    data, folder, runs = sys.argv[1:]
    for task, workers, work_dir, resume, end in json.loads(runs):
        rank = get_rank() if dist.is_initialized() else None
        own = Path(folder, f'configs_{rank}')
        own.mkdir(exist_ok=True)
        small = Small(task, Path(data), own, workers=workers)
        small.count = len(list(own.iterdir()))
        small.out = Path(folder)
        small.run(work_dir, resume=resume, end=end, launcher='pytorch')
    dist.destroy_process_group()


if __name__ == '__main__':
    main()
