import sys
from pathlib import Path

import pytest
import torch
from mmengine.visualization import Visualizer

sys.path.insert(0, str(Path(__file__).parent))
torch.set_num_threads(2)

pytest_plugins = ['tools_run']


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
