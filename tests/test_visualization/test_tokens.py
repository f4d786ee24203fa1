"""Pictures of kept tokens show what the blocks keep."""

import runpy
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from golden_data import CASES, fill, make_input, recorded, scale_qkv
from PIL import Image

from mmuniformer.apis import draw_tokens
from mmuniformer.checkpoint import CheckpointError
from mmuniformer.errors import UserError
from mmuniformer.models import UniFormerLight, UniFormerLight3D
from mmuniformer.visualization.tokens import (
    KeptTokens,
    fade,
    kept_tokens,
    token_sheet,
)

ROOT = Path(__file__).parents[2]
TINY = dict(
    depths=(1, 1, 3, 2), embed_dims=(16, 32, 64, 96), head_dim=16, mlp_ratio=3
)
CONFIG = """
default_scope = 'mmengine'
model = dict(
    backbone=dict(type='mmuniformer.{}', arch={}, init_cfg=dict(
        type='Pretrained', checkpoint='not/needed.pth')),
    data_preprocessor=dict(mean=[127.5] * 3, std=[127.5] * 3),
)
"""


@pytest.mark.parametrize(
    'case_id', ['det_xxs_tiny_32x32', 'vid_light_ls_fp32_xxs_4x128_qkvx2']
)
def test_masks_are_the_recorded_sets(case_id):
    case, expected = CASES[case_id], recorded(case_id)
    if case_id.startswith('vid'):
        model = UniFormerLight3D('xxs', layer_scale_init_value=0.1)
    else:
        model = UniFormerLight('xxs')
    scale_qkv(fill(model), case['qkv_gain'])
    noted = kept_tokens(model.double().eval(), make_input(case).double())
    names = [f'stage 3, block {i}' for i in range(1, 9)]
    names += ['stage 4, block 1', 'stage 4, block 2']
    assert [block.name for block in noted] == names
    # The first block keeps everything.
    first, *others = [block.mask for block in noted]
    assert first.all()
    for k, mask in enumerate(others):
        kept = np.flatnonzero(mask).tolist()
        if mask.size == 1:
            # The only token is its own mean.
            assert kept == [0]
            continue
        assert kept == expected[f'kept_set_{k}'][0].tolist()
    assert not any(module._forward_pre_hooks for module in model.modules())


def test_fading_follows_the_mask():
    pictures = np.arange(4 * 8 * 12 * 3, dtype=np.uint8).reshape(4, 8, 12, 3)
    mask = np.zeros((2, 2, 3), bool)
    mask[1, 0, 2] = True
    faded = fade(pictures, mask)
    assert faded.dtype == np.uint8
    same = (faded == pictures).all(-1)
    assert same[2:, :4, 8:].all()
    grey = faded[:2].astype(int)
    assert abs(grey - 160).max() <= 25
    assert same.sum() < 2 * 4 * 4 + 40


def test_sheet_of_an_image_and_of_a_video(tmp_path):
    white = np.full((4, 32, 64, 3), 255, np.uint8)
    for frames in (1, 4):
        mask = np.zeros((frames, 2, 2), bool)
        blocks = [KeptTokens(3, 2, mask)] * 2
        out = tmp_path / 'new' / f'{frames}.png'
        token_sheet(out, white[:frames], blocks)
        picture = np.asarray(Image.open(out).convert('L'))
        # What is not kept is faded: of the input nothing, of two blocks all.
        grey = picture == 174
        assert grey.mean() == pytest.approx(2 / 3, abs=0.12)
        # The input is at the left, or above.
        height, width = picture.shape
        assert grey[height - 20, width - 20]
        first = grey[:, : width // 4] if frames == 1 else grey[: height // 4]
        assert not first.any()


@pytest.fixture
def image(tmp_path):
    path = tmp_path / 'photo.png'
    random = np.random.default_rng(0)
    cv2.imwrite(str(path), random.integers(0, 256, (96, 130, 3), np.uint8))
    return str(path)


@pytest.fixture
def video(tmp_path):
    path = tmp_path / 'clip.mp4'
    writer = cv2.VideoWriter(
        str(path), cv2.VideoWriter.fourcc(*'mp4v'), 30, (96, 64)
    )
    random = np.random.default_rng(0)
    for _ in range(12):
        writer.write(random.integers(0, 256, (64, 96, 3), np.uint8))
    writer.release()
    return str(path)


def write(tmp_path, cls):
    """A config and a checkpoint of a whole model."""
    config = tmp_path / f'{cls.__name__}.py'
    checkpoint = config.with_suffix('.pth')
    config.write_text(CONFIG.format(cls.__name__, TINY))
    model = scale_qkv(fill(cls(TINY)), 2)
    tensors = {f'backbone.{k}': v for k, v in model.state_dict().items()}
    torch.save({'state_dict': tensors}, checkpoint)
    return str(config), str(checkpoint)


@pytest.mark.parametrize('cls', [UniFormerLight, UniFormerLight3D])
def test_from_file_to_picture(cls, image, video, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config, checkpoint = write(tmp_path, cls)
    source = image if cls.ndim == 2 else video
    draw_tokens(config, checkpoint, source, size=64, frames=8)
    out = Path('work_dirs', cls.__name__, f'tokens_{Path(source).stem}.png')
    width, height = Image.open(out).size
    # Input and four blocks, side by side, or rows of four frames.
    across, down = (5, 1) if cls.ndim == 2 else (4, 5)
    assert height / down == pytest.approx(width / across * 64 / 96, rel=0.2)
    draw_tokens(
        config, checkpoint, source, out='b.png', size=64, blocks=['4.2']
    )
    assert Image.open('b.png').size != (width, height)


def test_command_line(image, tmp_path, monkeypatch):
    config, checkpoint = write(tmp_path, UniFormerLight)
    out = tmp_path / 'tokens.png'
    arguments = [config, checkpoint, image, '--out', str(out), '--size', '64']
    monkeypatch.setattr(sys, 'argv', ['draw_tokens.py', *arguments])
    tool = ROOT / 'tools/visualization/draw_tokens.py'
    with pytest.raises(SystemExit) as done:
        runpy.run_path(str(tool), run_name='__main__')
    assert done.value.code == 0
    assert out.is_file()


def test_mistakes_are_named(image, video, tmp_path):
    config, checkpoint = write(tmp_path, UniFormerLight)
    clips, clip_checkpoint = write(tmp_path, UniFormerLight3D)
    out = str(tmp_path / 'out.png')

    def expect(words, *arguments, error=UserError, **options):
        with pytest.raises(error, match=words):
            draw_tokens(*arguments, out=out, **options)

    expect('no image that can be read', config, checkpoint, video)
    expect('no video whose frames', clips, clip_checkpoint, image)
    expect('no file nowhere.jpg', config, checkpoint, 'nowhere.jpg')
    expect('--size must be', config, checkpoint, image, size=8)
    expect(
        'no block 3.9 .*3.1, 3.2', config, checkpoint, image, blocks=['3.9']
    )
    expect(
        'light video model', config, clip_checkpoint, image,
        error=CheckpointError,
    )  # fmt: skip
    full = tmp_path / 'full.py'
    full.write_text(CONFIG.format('UniFormer', TINY))
    expect('no light model', str(full), checkpoint, image)
    all_kept = {'model.backbone.keep_ratio': 1.0}
    expect('keeps all tokens', config, checkpoint, image,
           cfg_options=all_kept)  # fmt: skip
    assert not Path(out).exists()
