#!/usr/bin/env python
"""torchrun for tools/train.py and tools/test.py; takes its arguments.

launch.py --nnodes=1 --nproc-per-node=8 train.py CONFIG --launcher pytorch
"""

import os
import sys

# Read when torch is imported.
LOG_LEVEL = 'TORCH_CPP_LOG_LEVEL'

if __name__ == '__main__':
    # Of a node that is gone torch shows pages of C++ frames. They are left out
    # here, where a line says that, and not in the processes that are started.
    is_set = LOG_LEVEL in os.environ
    os.environ.setdefault(LOG_LEVEL, 'ERROR')
    from mmuniformer.launch.torchrun import launch

    if not is_set:
        del os.environ[LOG_LEVEL]
    sys.exit(launch(sys.argv[1:]))
