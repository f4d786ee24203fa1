"""Real files through the real readers: what order of colours arrives."""

import re
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from experiments import (
    DETECTION,
    POSE,
    RECIPES,
    ROOT,
    SEGMENTATION,
    VIDEO,
    alike,
    built,
    config,
    pipeline,
    preprocessor,
)
from mmengine.structures import BaseDataElement

GUIDE = (ROOT / 'docs/video.md').read_text()
RED_BGR = (0, 0, 255)
ARRIVES = {'rgb': (255, 0, 0), 'bgr': (0, 0, 255)}
SIZE, LENGTH = (64, 48), 70
IMAGENET = torch.tensor([[123.675, 116.28, 103.53], [58.395, 57.12, 57.375]])


@pytest.fixture(scope='module')
def red(tmp_path_factory) -> Path:
    """A folder with a red video, its frames and a red image."""
    folder = tmp_path_factory.mktemp('red')
    frame = np.full((*SIZE[::-1], 3), RED_BGR, np.uint8)
    writer = cv2.VideoWriter(
        str(folder / 'red.mp4'), cv2.VideoWriter_fourcc(*'mp4v'), 25, SIZE
    )
    for _ in range(LENGTH):
        writer.write(frame)
    writer.release()
    for name in ('{:05}.jpg', 'img_{:05}.jpg'):
        for i in range(1, 9):
            cv2.imwrite(str(folder / name.format(i)), frame)
    cv2.imwrite(str(folder / 'red.jpg'), frame)
    return folder


def sample(experiment: str, folder: Path) -> dict:
    """What the data set of an experiment hands to its pipeline."""
    template = RECIPES[experiment]['pipeline']['image_template']
    common = dict(label=0, modality='RGB', start_index=0)
    if template is None:
        return common | dict(filename=str(folder / 'red.mp4'))
    return common | dict(
        frame_dir=str(folder),
        total_frames=8,
        start_index=1,
        offset=0,
        filename_tmpl=template.replace('05d', '05'),
    )


def is_colour(frame: np.ndarray, colour: tuple[int, int, int]) -> bool:
    """Whether a frame (H, W, 3) is of a colour, but for compression."""
    return np.abs(frame.reshape(-1, 3).mean(0) - colour).max() < 8


@pytest.mark.parametrize(
    ('reading', 'same'),
    alike(VIDEO, lambda e: pipeline(e, 'train')[:-1]),
)
def test_clips_of_training(reading, same, red):
    """Everything in front of augmentation."""
    results = built(same[0], reading)(sample(same[0], red))
    orders = {RECIPES[e]['pipeline']['channel_order'] for e in same}
    (order,) = orders
    frames = RECIPES[same[0]]['pipeline']['frames']
    assert len(results['imgs']) == frames
    assert all(is_colour(f, ARRIVES[order]) for f in results['imgs'])


@pytest.mark.parametrize(
    ('nodes', 'same'),
    alike(VIDEO, lambda e: [pipeline(e, s) for s in ('val', 'test')]),
)
def test_clips_of_a_test(nodes, same, red):
    """The whole pipeline, and the model's own first step behind it."""
    (order,) = {RECIPES[e]['pipeline']['channel_order'] for e in same}
    values, views = RECIPES[same[0]]['pipeline'], RECIPES[same[0]]['eval']
    for split, transforms in zip(('val', 'test'), nodes, strict=True):
        packed = built(same[0], transforms)(sample(same[0], red))
        clip = packed['inputs']
        assert clip.dtype == torch.uint8
        crop = values['crop']
        shown = views['clips'] * views['crops'] if split == 'test' else 1
        assert clip.shape == (shown, 3, values['frames'], crop, crop)
        arrived = clip.movedim(1, -1).numpy()
        assert is_colour(arrived, ARRIVES[order])
    first = preprocessor(same[0])
    data = dict(inputs=[clip[:, :, :1]], data_samples=[packed['data_samples']])
    # All channels have the same mean and deviation.
    normal = first(data, training=False)['inputs'].mean((0, 1, 3, 4, 5))
    expected = (torch.tensor(ARRIVES[order]) / 255 - 0.45) / 0.225
    assert (normal - expected).abs().max() < 0.2


@pytest.mark.parametrize('experiment', [e for e in VIDEO if 'sthv' in e])
def test_own_frames_may_stay_red(experiment, red):
    """The options of docs/video.md, for frames of other data."""
    options = re.findall(r'(\w+_dataloader\S+\.order)=rgb', GUIDE)
    assert len(options) == 3
    cfg = config(experiment).copy()
    cfg.merge_from_dict(dict.fromkeys(options, 'rgb'))
    for split in ('train', 'val', 'test'):
        nodes = cfg[f'{split}_dataloader'].dataset.pipeline[:3]
        assert nodes[2].type == 'mmuniformer.ChannelOrder'
        results = built(experiment, nodes)(sample(experiment, red))
        assert is_colour(results['imgs'][0], ARRIVES['rgb'])


@pytest.mark.parametrize(
    ('_', 'same'),
    alike(
        [*DETECTION, *SEGMENTATION, *POSE],
        lambda e: [
            config(e).model.data_preprocessor,
            pipeline(e, 'train')[0],
            pipeline(e, 'test')[0],
        ],
    ),
)
def test_images(_, same, red):
    """RGB after the model's own first step, whose numbers are ImageNet's."""
    experiment = same[0]
    for split in ('train', 'test'):
        (load,) = built(experiment, pipeline(experiment, split)[:1]).transforms
        assert type(load).__name__ in ('LoadImageFromFile', 'LoadImage')
        image = load(dict(img_path=str(red / 'red.jpg')))['img']
        assert is_colour(image, RED_BGR)
    first = preprocessor(experiment)
    inputs = torch.from_numpy(image).permute(2, 0, 1)
    meta = BaseDataElement(metainfo=dict(img_shape=image.shape[:2]))
    data = dict(inputs=[inputs], data_samples=[meta])
    normal = first(data, training=False)['inputs'][0]
    expected = (torch.tensor([255.0, 0, 0]) - IMAGENET[0]) / IMAGENET[1]
    corner = normal[:, : SIZE[1], : SIZE[0]].mean((1, 2))
    assert (corner - expected).abs().max() < 0.1
