"""What a model gets of an input, as a picture beside the tensor."""

import cv2
import numpy as np
import pytest

import mmuniformer
from mmuniformer.errors import UserError
from mmuniformer.prediction.predictor import _item
from mmuniformer.prediction.views import _pictures, stage_maps, views


@pytest.fixture
def red(tmp_path):
    """A red image with a blue right half, 60 x 100, and a video of it."""
    image = np.zeros((60, 100, 3), np.uint8)
    image[:, :50] = (0, 0, 255)
    image[:, 50:] = (255, 0, 0)
    photo, clip = str(tmp_path / 'red.png'), str(tmp_path / 'red.avi')
    cv2.imwrite(photo, image)
    writer = cv2.VideoWriter(
        clip, cv2.VideoWriter.fourcc(*'MJPG'), 25, (100, 60)
    )
    for _ in range(20):
        writer.write(image)
    writer.release()
    return dict(image=photo, video=clip)


@pytest.mark.parametrize('task', ['det', 'seg', 'pose', 'video', 'cls'])
def test_the_picture_is_that_of_the_tensor(task, checkpoints, red):
    predictor = mmuniformer.load(checkpoints[task])
    source = red['video' if task == 'video' else 'image']
    (view,) = views(predictor, _item(source))
    frames, height, width, _ = view.pictures.shape
    assert view.inputs.shape[:2] == (1, 3)
    assert frames == (view.inputs.shape[2] if task == 'video' else 1)
    assert view.covered == (
        height / view.inputs.shape[-2],
        width / view.inputs.shape[-1],
    )
    middle = view.pictures[frames // 2, height // 2]
    # RGB, whatever the library reads.
    assert middle[width // 4].tolist() == pytest.approx([255, 0, 0], abs=16)
    assert middle[-width // 4].tolist() == pytest.approx([0, 0, 255], abs=16)
    # Of each channel the tensor is the picture, shifted and scaled.
    row = view.inputs[0, ..., height // 2, :width].reshape(3, -1, width)
    for channel in range(3):
        picture = middle[:, channel].astype(float)
        tensor = row[channel, frames // 2].double().cpu().numpy()
        if np.ptp(picture) > 9:
            assert np.corrcoef(picture, tensor)[0, 1] > 0.999


def test_padding_is_not_of_the_picture(checkpoints, red):
    predictor = mmuniformer.load(checkpoints['det'])
    (view,) = views(predictor, _item(red['image']))
    height, width = view.pictures.shape[1:3]
    rows, columns = view.inputs.shape[-2:]
    # 160 x 96: a multiple of 32 at once; 60 of 100 rows.
    assert (height, width) == (96, 160) == (rows, columns)
    tall = cv2.resize(cv2.imread(red['image']), (100, 90))
    (view,) = views(predictor, _item(tall))
    height, width = view.pictures.shape[1:3]
    assert view.inputs.shape[-2] > height
    assert view.inputs.shape[-1] == width
    values = np.arange(view.inputs.shape[-2])[:, None] * np.ones((1, width))
    shown = view.on_picture(values, smooth=True)
    np.testing.assert_allclose(shown, values[:height], atol=1e-4)
    assert len(view.without_padding(values)) == height


def test_stages(checkpoints):
    predictor = mmuniformer.load(checkpoints['pose'])
    # The model has three of them.
    assert list(stage_maps(predictor)) == [1, 2, 3]
    backbone = predictor.loaded.net.backbone
    assert stage_maps(predictor, [2]) == {2: backbone.blocks2[-1]}
    # The head reads the last one through LayerNorm.
    assert stage_maps(predictor, [3]) == {3: backbone.norm3}
    with pytest.raises(UserError, match=r'--stage 4: .* stages 1 to 3'):
        stage_maps(predictor, [4])
    predictor = mmuniformer.load(checkpoints['cls'])
    backbone = predictor.loaded.net.backbone
    assert stage_maps(predictor, [4]) == {4: backbone.blocks4[-1]}


def test_pictures_of_other_channels_and_depths():
    two = np.stack([np.full((4, 6), 40, np.uint8), np.zeros((4, 6))])
    grey = _pictures(two, is_rgb=False)
    assert grey.shape == (1, 4, 6, 3)
    assert (grey == 40).all()
    four = np.zeros((4, 5, 7), np.uint16)
    four[0], four[3] = 65535, 9
    (blue,) = _pictures(four, is_rgb=False)
    assert blue.dtype == np.uint8
    assert blue[0, 0].tolist() == [0, 0, 255]
