"""What happens to the clips of training, over many draws."""

import re
from collections import Counter
from copy import deepcopy

import numpy as np
import pytest
from experiments import RECIPES, VIDEO, alike, augmentation, built, near

FRAMES = 2


def policy(experiment: str) -> dict:
    return augmentation(experiment)[0]


def geometry(experiment: str) -> list[dict]:
    """Crop, size, flip and erasing."""
    return augmentation(experiment)[1:-2]


def ramp() -> dict:
    """A clip (frames of (H, W, 3)) that grows brighter to the right."""
    row = np.linspace(0, 250, 160).astype(np.uint8)
    frame = np.repeat(np.repeat(row[None, :, None], 120, 0), 3, 2)
    return dict(
        imgs=[frame.copy() for _ in range(FRAMES)],
        img_shape=frame.shape[:2],
        original_shape=frame.shape[:2],
        modality='RGB',
        num_clips=1,
        clip_len=FRAMES,
        label=0,
    )


def erased(frame: np.ndarray) -> np.ndarray:
    """Which pixels (H, W) are not those of a ramp, whose rows are alike."""
    return (abs(frame - np.median(frame, axis=0)) > 3).any(2)


class Draws:
    """Stands in for RandAugment's operations, and notes what they draw."""

    def __init__(self, randaug, monkeypatch) -> None:
        self.seen = []
        for index, operation in enumerate(randaug.transforms):
            monkeypatch.setattr(
                operation,
                'transform',
                lambda results, op=operation, i=index: self.note(
                    results, i, op
                ),
            )

    def note(self, results: dict, index: int, operation) -> dict:
        active = not operation.random_disable()
        level = None
        if operation.magnitude_range is not None:
            low, high = operation.magnitude_range
            share = (operation.random_magnitude() - low) / (high - low)
            level = share * operation.total_level
        self.seen.append((index, active, level))
        return results


@pytest.mark.parametrize(('node', 'same'), alike(VIDEO, policy))
def test_each_operation_is_drawn_for_itself(node, same, monkeypatch):
    """Number, choice, strength and probability of each; alike in frames."""
    name = {RECIPES[e]['pipeline']['randaug'] for e in same}.pop()
    # The plain name is short for the defaults.
    name = 'rand-m10-n2-mstd0.0' if name == 'rand' else name
    found = re.match(r'rand-m(\d+)-n(\d)-mstd([\d.]+)', name)
    level, count, spread = (float(group) for group in found.groups())
    assert RECIPES[same[0]]['pipeline']['interpolation'] == 'bicubic'

    np.random.seed(0)
    (augment,) = built(same[0], [node]).transforms
    draws = Draws(augment.randaug, monkeypatch)
    frame = np.zeros((2, 2, 3), np.uint8)
    clips, total = [], 1200
    for _ in range(total):
        draws.seen.clear()
        augment(dict(imgs=[frame] * FRAMES))
        by_frame = [draws.seen[i::FRAMES] for i in range(FRAMES)]
        assert by_frame[0] == by_frame[1]
        clips.append(by_frame[0])

    operations = [draw for clip in clips for draw in clip]
    assert {len(clip) for clip in clips} == {count}
    chosen = Counter(index for index, *_ in operations)
    assert len(chosen) == 15
    assert all(near(c, 1 / 15, len(operations)) for c in chosen.values())
    active = sum(active for _, active, _ in operations)
    assert near(active, 0.5, len(operations))
    levels = np.array([v for *_, v in operations if v is not None])
    assert levels.mean() == pytest.approx(level, abs=4 * spread / 40 + 1e-9)
    assert levels.std() == pytest.approx(spread, rel=0.1)
    assert levels.min() >= 0
    assert levels.max() <= 10 + 1e-9

    # An operation that is drawn twice in a clip.
    pairs = [
        (first, second)
        for clip in clips
        for i, first in enumerate(clip)
        for second in clip[i + 1 :]
        if first[0] == second[0]
    ]
    assert near(len(pairs), 1 / 15, total * count * (count - 1) / 2)
    differ = sum(first[1] != second[1] for first, second in pairs)
    assert near(differ, 0.5, len(pairs))
    if spread:
        strong = [p for p in pairs if p[0][2] is not None]
        assert strong
        assert all(first[2] != second[2] for first, second in strong)


@pytest.mark.parametrize(('nodes', 'same'), alike(VIDEO, augmentation))
def test_frames_share_what_copies_do_not(nodes, same):
    """Two copies of a clip; each with one crop, flip, policy and box."""
    np.random.seed(1)
    repeat = [dict(type='mmuniformer.RepeatAugment', transforms=nodes)]
    copies = built(same[0], repeat)(ramp())
    assert len(copies) == RECIPES[same[0]]['batch']['repeated_aug'] == 2
    crop = RECIPES[same[0]]['pipeline']['crop']
    clips = [copy['inputs'].numpy() for copy in copies]
    assert not (clips[0] == clips[1]).all()
    for clip in clips:
        assert clip.shape == (1, 3, FRAMES, crop, crop)
        first, second = clip[0].transpose(1, 2, 3, 0)
        other = (first != second).any(2)
        if other.any():
            # Noise within one box, and nothing besides.
            rows, columns = np.where(other)
            box = other[
                rows.min() : rows.max() + 1, columns.min() : columns.max() + 1
            ]
            assert box.mean() > 0.95


@pytest.mark.parametrize(('nodes', 'same'), alike(VIDEO, geometry))
def test_how_often_clips_are_flipped_and_erased(nodes, same):
    np.random.seed(2)
    values = RECIPES[same[0]]['pipeline']
    flips = {RECIPES[e]['pipeline']['hflip'] for e in same}
    assert len(flips) == 1
    # The size has no part in it: smaller is faster.
    nodes = deepcopy(nodes)
    (resize,) = (t for t in nodes if t['type'] == 'Resize')
    assert resize['scale'] == (values['crop'],) * 2
    resize['scale'] = (48, 48)
    transform, total = built(same[0], nodes), 400
    flipped = changed = 0
    shares = []
    for _ in range(total):
        results = transform(ramp())
        width = results['crop_bbox'][2:] - results['crop_bbox'][:2]
        shares.append(width.prod() / (160 * 120))
        assert 0.7 < width[0] / width[1] < 1.43
        first = results['imgs'][0]
        changed += erased(first).mean() > 0.01
        columns = np.median(first[..., 0], axis=0).astype(int)
        flipped += columns[0] > columns[-1]
    assert near(flipped, 0.5, total) if values['hflip'] else not flipped
    assert near(changed, values['random_erasing'], total)
    low, high = values['area']
    assert low - 0.01 <= min(shares) < low + 0.05
    assert high - 0.1 < max(shares) <= high


def test_something_something_is_never_flipped():
    kept = [e for e in VIDEO if not RECIPES[e]['pipeline']['hflip']]
    assert kept == [e for e in VIDEO if 'sthv' in e]
    for experiment in kept:
        kinds = [t['type'] for t in augmentation(experiment)]
        assert 'Flip' not in kinds
