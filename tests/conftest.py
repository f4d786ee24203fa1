import gc
import os
import sys
from pathlib import Path

import cv2
import pytest
import torch
from mmengine.visualization import Visualizer

sys.path.insert(0, str(Path(__file__).parent))
# Workers are as many as cores, and a tool that a test starts is one more.
os.environ.setdefault('OMP_NUM_THREADS', '1')
torch.set_num_threads(1)
cv2.setNumThreads(1)


def pytest_collection_finish() -> None:
    """Leaves what is there now to itself: it stays until the end.

    mmengine collects all garbage of the process for each data set.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture(scope='session')
def shared(tmp_path_factory) -> Path:
    """A folder of this session that every worker of it sees."""
    base = tmp_path_factory.getbasetemp()
    folder = base.parent if 'PYTEST_XDIST_WORKER' in os.environ else base
    folder = folder / 'shared'
    folder.mkdir(exist_ok=True)
    return folder


pytest_plugins = ['launch_run', 'package_build', 'tools_run']


@pytest.fixture(autouse=True)
def no_visualizer_of_another_test():
    """Hooks draw with the newest visualizer of the process.

    mmengine takes for the newest what was last registered under a new name,
    so one that an earlier test left behind would draw instead.
    """
    classes = [Visualizer]
    for cls in classes:
        cls._instance_dict.clear()
        classes += cls.__subclasses__()


@pytest.fixture(autouse=True)
def exact_convolutions(request):
    """On a GPU float32 convolutions are in TF32, unless told otherwise."""
    if request.node.get_closest_marker('cuda') is None:
        yield
        return
    with torch.backends.cudnn.flags(allow_tf32=False):
        yield
