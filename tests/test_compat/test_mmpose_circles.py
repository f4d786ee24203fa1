import numpy as np
import pytest

from mmuniformer.compat import mmpose_circles


@pytest.mark.parametrize('backend', ['opencv', 'matplotlib'])
def test_keypoints_are_drawn(backend):
    pytest.importorskip('mmpose')
    from mmengine.structures import InstanceData
    from mmpose.structures import PoseDataSample
    from mmpose.visualization import PoseLocalVisualizer

    sample = PoseDataSample()
    sample.gt_instances = InstanceData(
        keypoints=np.array([[[20.0, 30.0]]]),
        keypoints_visible=np.ones((1, 1)),
    )
    visualizer = PoseLocalVisualizer(radius=4, backend=backend)
    visualizer.kpt_color = [(255, 0, 0)]
    image = np.zeros((64, 64, 3), np.uint8)
    drawn = visualizer.add_datasample(
        'circle', image, sample, draw_pred=False, draw_bbox=False
    )
    assert drawn[30, 20, 0] > 128
    assert drawn[50, 50].sum() == 0


def test_status_says_whether_numpy_converts():
    pytest.importorskip('mmpose')
    state = mmpose_circles.status().state
    assert (state == 'active') == mmpose_circles._is_defect()
