"""Keypoints are those of their numbers, also in the config of a run."""

import numpy as np
import pytest
from mmengine import Config

from mmuniformer.compat import mmpose_keypoint_order


def test_a_written_config_has_the_same_keypoints():
    pytest.importorskip('mmpose.datasets')
    from mmpose.datasets.datasets import utils
    from mmpose.datasets.datasets.base import base_coco_style_dataset

    parse = utils.parse_pose_metainfo
    cfg = Config.fromfile(_place('ap10k'))
    written = Config.fromstring(cfg.pretty_text, '.py')
    assert list(written.dataset_info.keypoint_info)[:3] == [0, 1, 10]
    wanted, found = parse(cfg.dataset_info), parse(written.dataset_info)
    assert list(found['keypoint_id2name']) == list(range(17))
    for key in ('keypoint_id2name', 'flip_indices'):
        assert found[key] == wanted[key]
    # Which keypoint a mirrored one becomes, by its name.
    names = found['keypoint_id2name']
    mirrored = {
        names[i]: names[j] for i, j in enumerate(found['flip_indices'])
    }
    assert mirrored['L_F_Paw'] == 'R_F_Paw'
    for key in ('keypoint_colors', 'sigmas', 'dataset_keypoint_weights'):
        np.testing.assert_array_equal(found[key], wanted[key])
    # What the data sets read by is that function, too.
    assert base_coco_style_dataset.parse_pose_metainfo is parse
    assert mmpose_keypoint_order.status().state == 'active'


def _place(name: str) -> str:
    import mmpose

    return f'{mmpose.__path__[0]}/.mim/configs/_base_/datasets/{name}.py'
