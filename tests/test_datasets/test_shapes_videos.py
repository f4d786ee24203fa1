"""The generated videos: the class is the motion, and only the motion."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from mmengine.config import Config
from scipy.stats import ks_2samp

from mmuniformer.datasets.shapes import (
    MOTIONS,
    generate,
    generate_videos,
    sample_clip,
    videos,
)
from mmuniformer.datasets.shapes.draw import mask_of

ROOT = Path(__file__).resolve().parents[2]
REQUEST = {'train': 10, 'val': 3, 'size': 64, 'frames': 6, 'seed': 3}


@pytest.fixture(scope='module')
def root(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp('data') / 'shapes_video'
    assert generate_videos(root, **REQUEST)
    return root


def contents(root: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob('*'))
        if path.is_file()
    }


def decode(path: Path) -> np.ndarray:
    """All frames (T, H, W, 3), BGR."""
    reader = cv2.VideoCapture(str(path))
    frames = []
    while (frame := reader.read()[1]) is not None:
        frames.append(frame)
    return np.stack(frames)


def masks(motion: str, seed: int, frames: int = 8) -> list[np.ndarray]:
    """Where the moving thing is, (64, 64) bool for each frame."""
    clip = sample_clip(np.random.default_rng(seed), motion, 64, frames)
    return [mask_of(scene.things[0].parts, 64) for scene in clip]


def middle(mask: np.ndarray) -> np.ndarray:
    """Mean place on a picture whose edges are joined, x and y in pixels."""
    angle = np.stack(np.nonzero(mask)[::-1]) * 2 * np.pi / len(mask)
    return np.angle(np.exp(1j * angle).mean(1)) / 2 / np.pi * len(mask)


def test_lists_name_videos_and_their_motion(root):
    names = (root / 'label_map.txt').read_text().split()
    assert tuple(names) == MOTIONS
    for split in ('train', 'val'):
        lines = (root / f'shapes_{split}_list_videos.txt').read_text()
        entries = [line.split(' ') for line in lines.splitlines()]
        assert len(entries) == REQUEST[split]
        assert [int(label) for _, label in entries] == [
            index % len(MOTIONS) for index in range(REQUEST[split])
        ]
        folder = root / f'videos_{split}'
        assert sorted(p.name for p in folder.iterdir()) == [
            name for name, _ in entries
        ]
        for name, _ in entries:
            assert decode(folder / name).shape == (6, 64, 64, 3)


@pytest.mark.parametrize('seed', range(3))
@pytest.mark.parametrize('motion', MOTIONS)
def test_things_move_as_their_class_says(motion, seed):
    clip = masks(motion, seed)
    steps = np.diff([middle(mask) for mask in clip], axis=0)
    step = np.median((steps + 32) % 64 - 32, axis=0)
    expected = {
        'left': (-1, 0),
        'right': (1, 0),
        'up': (0, -1),
        'down': (0, 1),
    }
    direction = np.array(expected.get(motion, (0, 0)))
    if direction.any():
        assert 1.3 < step @ direction < 3.2
        assert abs(step @ direction[::-1]) < 0.5
    else:
        assert np.abs(step).max() < 0.8
    growth = np.median(np.diff(np.log([mask.sum() for mask in clip])))
    expected = {'grow': 1, 'shrink': -1}.get(motion, 0)
    assert np.round(growth / 0.09) == pytest.approx(expected, abs=0.5)


@pytest.mark.parametrize('motion', ['right', 'up', 'grow'])
def test_no_frame_tells_how_it_was_reached(motion):
    def features(shown):
        shown = list(shown)
        places = np.array([middle(mask) for mask in shown])
        return [mask.sum() for mask in shown], *places.T

    # At the start nothing has moved yet.
    first = features(masks(motion, seed, 1)[0] for seed in range(150))
    last = features(masks(motion, seed)[-1] for seed in range(150, 300))
    for before, after in zip(first, last, strict=True):
        assert ks_2samp(before, after).pvalue > 0.005


def test_same_seed_same_frames_other_seed_other_frames(root, tmp_path):
    generate_videos(tmp_path / 'again', **REQUEST)
    assert contents(tmp_path / 'again') == contents(root)
    generate_videos(tmp_path / 'few', **REQUEST | {'train': 2, 'val': 1})
    generate_videos(tmp_path / 'other', **REQUEST | {'seed': 4, 'train': 1})
    name = 'videos_train/000001.mp4'
    same, other = (decode(tmp_path / kind / name) for kind in ('few', 'other'))
    assert (same == decode(root / name)).all()
    assert (other != decode(root / name)).any()


def test_a_finished_data_set_is_kept_and_another_is_refused(root, tmp_path):
    before = contents(root)
    assert not generate_videos(root, **REQUEST)
    for other in ({'seed': 1}, {'frames': 7}):
        with pytest.raises(FileExistsError, match='another shapes data set'):
            generate_videos(root, **REQUEST | other)
    with pytest.raises(FileExistsError, match='kind=videos'):
        generate(root, train=10, val=3, size=64, seed=3)
    assert contents(root) == before


def test_interruption_leaves_nothing(tmp_path, monkeypatch):
    calls = []

    def stop(path, frames):
        if calls:
            raise KeyboardInterrupt
        calls.append(write(path, frames))

    write = videos.write_video
    monkeypatch.setattr(videos, 'write_video', stop)
    with pytest.raises(KeyboardInterrupt):
        generate_videos(tmp_path / 'new', **REQUEST)
    assert calls
    assert not list(tmp_path.iterdir())


def test_a_video_that_cannot_be_written_is_an_error(tmp_path):
    path = tmp_path / 'missing' / '000001.mp4'
    with pytest.raises(OSError, match=r'cannot write the video .*000001'):
        videos.write_video(path, [np.zeros((64, 64, 3), np.uint8)] * 2)


@pytest.mark.parametrize(
    ('name', 'value', 'message'),
    [
        ('train', 0, 'train must be at least 1'),
        ('frames', 1, 'frames must be at least 2'),
        ('size', 65, 'size must be even'),
    ],
)
def test_bad_arguments_are_named(tmp_path, name, value, message):
    with pytest.raises(ValueError, match=message):
        generate_videos(tmp_path / 'new', **{name: value})
    assert not (tmp_path / 'new').exists()


def test_the_config_names_the_motions_and_their_mirror_images():
    config = Config.fromfile(
        ROOT / 'configs/quickstart/uniformer-tiny_8x2x1_shapes.py'
    )
    dataset = config.train_dataloader.dataset
    assert dataset.metainfo.classes == MOTIONS
    assert config.model.cls_head.num_classes == len(MOTIONS)
    mirrored = [
        {MOTIONS[a]: MOTIONS[b] for a, b in step.flip_label_map.items()}
        for step in dataset.pipeline
        if step.type == 'Flip'
    ]
    assert mirrored == [
        {'left': 'right', 'right': 'left'},
        {'up': 'down', 'down': 'up'},
    ]
