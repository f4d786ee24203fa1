import pytest
import torch

from mmuniformer.compat import mmdet_paste_mask

MASKS = torch.ones(1, 1, 4, 4)


@pytest.fixture
def paste():
    pytest.importorskip('mmdet')
    from mmdet.models.roi_heads.mask_heads import fcn_mask_head

    return fcn_mask_head._do_paste_mask


@pytest.mark.parametrize(
    'box', [[9, 0, 12, 3], [0, 9, 3, 12], [-9, 0, -4, 3], [0, -9, 3, -4]]
)
def test_nothing_is_pasted_outside_the_image(paste, box):
    boxes = torch.tensor([box], dtype=torch.float)
    pasted, place = paste(MASKS, boxes, 6, 8, skip_empty=True)
    image = torch.zeros(1, 6, 8)
    image[(slice(None), *place)] = pasted
    assert image.sum() == 0


def test_a_box_within_the_image_is_pasted_as_before(paste):
    boxes = torch.tensor([[2.0, 1.0, 6.0, 5.0]])
    pasted, place = paste(MASKS, boxes, 6, 8, skip_empty=True)
    image = torch.zeros(1, 6, 8)
    image[(slice(None), *place)] = pasted
    whole, _ = paste(MASKS, boxes, 6, 8, skip_empty=False)
    torch.testing.assert_close(image, whole)
    assert image[0, 1:5, 2:6].min() == 1


def test_status_says_that_it_is_active(paste):
    assert mmdet_paste_mask.status().state == 'active'
