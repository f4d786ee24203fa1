import numpy as np
import pytest
import torch

from mmuniformer.compat import mmpose_bfloat16


def test_a_head_decodes_heatmaps_of_bfloat16():
    pytest.importorskip('mmpose.models')
    from mmpose.models.heads.heatmap_heads import heatmap_head
    from mmpose.utils.tensor_utils import to_numpy

    pair = [torch.full((2, 3), 0.5, dtype=torch.bfloat16), torch.ones(2, 1)]
    found = to_numpy(pair, unzip=True)
    assert found[0][0].dtype == np.float32
    assert found[1][0].tolist() == [[0.5, 0.5, 0.5]]
    # What the heads decode by is that function, too.
    assert heatmap_head.HeatmapHead.decode.__globals__['to_numpy'] is to_numpy
    assert mmpose_bfloat16.status().state == 'active'
