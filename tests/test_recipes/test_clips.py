"""Which frames of a file the experiments of video see."""

import json
import re

import numpy as np
import pytest

pytest.importorskip('mmaction')

from experiments import (
    RECIPES,
    ROOT,
    SPLITS,
    built,
    config,
    pipeline,
    sampled,
)

GUIDE = (ROOT / 'docs/video.md').read_text()
RECORDED = json.loads((ROOT / 'tests/golden/sampling.json').read_text())
# Shorter than a frame's share of a clip, than a clip, and longer.
LENGTHS = (1, 8, 40, 64, 65, 255, 300, 601)
RATES = (15.0, 25.0, 29.97, 30.0, 50.0)
DENSE = sampled('dense')
EVEN = sampled('uniform', 'sparse')


def sampler_of(experiment: str, split: str):
    """The transform that chooses frames, built."""
    (node,) = (t for t in pipeline(experiment, split) if 'clip_len' in t)
    return built(experiment, [node])


def frames_of(sampler, total: int, rate: float = 30.0) -> np.ndarray:
    """Indices of the frames of each clip (clips, frames) of a file."""
    results = sampler(dict(total_frames=total, start_index=0, avg_fps=rate))
    return results['frame_inds'].reshape(results['num_clips'], -1)


def dense(total: int, frames: int, stride: int, start: float) -> list[int]:
    """A clip by hand: a stretch of the file, cut off at its last frame."""
    step = (frames * stride - 1) / (frames - 1)
    return [min(int(start + i * step), total - 1) for i in range(frames)]


def test_there_are_clips_of_every_kind():
    assert (len(DENSE), len(EVEN)) == (15, 24)


@pytest.mark.parametrize('experiment', DENSE)
@pytest.mark.parametrize('split', ['val', 'test'])
def test_dense_clips_of_a_test(experiment, split):
    """Recorded ones, and those of the formula, whatever the rate."""
    values, views = (
        RECIPES[experiment]['pipeline'],
        RECIPES[experiment]['eval'],
    )
    frames, stride = values['frames'], values['stride']
    clips = views['clips'] if split == 'test' else 1
    sampler = sampler_of(experiment, split)
    recorded = [
        case
        for case in RECORDED['test']
        if (case['frames'], case['stride'], case['clips'])
        == (frames, stride, clips)
        and case['offset_sampling']
    ]
    assert recorded or split == 'val'
    for case in recorded:
        found = frames_of(sampler, case['video_frames'])
        assert found.tolist() == case['indices']
    for total in LENGTHS:
        room = max(total - frames * stride, 0)
        starts = [room // 2]
        if clips > 1:
            starts = [i * (room // (clips - 1)) for i in range(clips)]
        expected = [dense(total, frames, stride, start) for start in starts]
        for rate in RATES:
            assert frames_of(sampler, total, rate).tolist() == expected


@pytest.mark.parametrize('experiment', DENSE)
def test_dense_clips_of_training(experiment, monkeypatch):
    """One stretch from anywhere in the file, whatever the rate."""
    values = RECIPES[experiment]['pipeline']
    frames, stride = values['frames'], values['stride']
    sampler, asked, share = sampler_of(experiment, 'train'), [], 0.0

    def draw(low, high, size):
        asked.append((low, high, size))
        return np.full(size, low + share * (high - low))

    monkeypatch.setattr(np.random, 'uniform', draw)
    for case in RECORDED['train']:
        if (case['frames'], case['stride']) != (frames, stride):
            continue
        low, high = case['start_range']
        share = (case['start'] - low) / (high - low) if high > low else 0.0
        (found,) = frames_of(sampler, case['video_frames'])
        assert found.tolist() == case['indices']
        assert asked[-1] == (low, high, 1)
    for total in LENGTHS:
        room = max(total - frames * stride, 0)
        for share in (0.0, 0.37, 1.0):
            expected = dense(total, frames, stride, share * room)
            for rate in RATES:
                (found,) = frames_of(sampler, total, rate)
                assert found.tolist() == expected
                assert asked[-1] == (0, room, 1)


def test_recorded_clips_are_used():
    """No recorded case is of a kind that no experiment has."""
    kinds = {
        (v['pipeline']['frames'], v['pipeline']['stride'])
        for v in (RECIPES[e] for e in DENSE)
    }
    seen = {(c['frames'], c['stride']) for c in RECORDED['train']}
    assert seen <= kinds


@pytest.mark.parametrize('experiment', EVEN)
def test_even_clips(experiment):
    """A frame of each of as many stretches of the whole file."""
    np.random.seed(0)
    frames = RECIPES[experiment]['pipeline']['frames']
    clips = RECIPES[experiment]['eval']['clips']
    assert clips == 1
    for total in (1, 5, frames, frames + 1, 47, 82, 300):
        length = (total - 1) / frames
        edges = [int(np.round(length * i)) for i in range(frames + 1)]
        for split in ('val', 'test'):
            expected = [edge + int(length / 2) for edge in edges[:-1]]
            for rate in RATES[:2]:
                (found,) = frames_of(
                    sampler_of(experiment, split), total, rate
                )
                assert found.tolist() == expected
        drawn = np.concatenate(
            [
                frames_of(sampler_of(experiment, 'train'), total)
                for _ in range(200 if total == 47 else 60)
            ]
        )
        assert (drawn >= edges[:-1]).all()
        assert (drawn <= edges[1:]).all()
        if total == 47:
            # Every frame of a stretch is drawn.
            width = edges[1] - edges[0] + 1
            assert len(np.unique(drawn[:, 0])) == width


@pytest.mark.parametrize('experiment', DENSE)
def test_a_rate_for_own_videos(experiment):
    """The options of docs/video.md: a clip has one length in seconds."""
    options = re.findall(r'(\w+_dataloader\S+)=30', GUIDE)
    assert len(options) == 3
    cfg = config(experiment).copy()
    cfg.merge_from_dict(dict.fromkeys(options, 30))
    for split in SPLITS:
        node = cfg[f'{split}_dataloader'].dataset.pipeline[1]
        assert node.target_fps == 30
    sampler = built(experiment, [node])
    length = node.clip_len * node.frame_interval
    at_25 = frames_of(sampler, 2000, 25.0)
    assert at_25[0, -1] == int(length * 25 / 30 - 1)
    plain = sampler_of(experiment, 'test')
    at_30 = frames_of(sampler, 2000, 30.0)
    assert (at_30 == frames_of(plain, 2000, 30.0)).all()
