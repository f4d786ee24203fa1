#!/usr/bin/env python
"""torchrun for tools/train.py and tools/test.py; takes its arguments.

launch.py --nnodes=1 --nproc-per-node=8 train.py CONFIG --launcher pytorch
"""

import sys

if __name__ == '__main__':
    from mmuniformer.launch.torchrun import launch

    sys.exit(launch(sys.argv[1:]))
