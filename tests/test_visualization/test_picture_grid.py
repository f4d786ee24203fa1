"""Rows of pictures, their sizes and colours."""

import numpy as np
from matplotlib import colormaps
from PIL import Image

from mmuniformer.visualization.picture_grid import (
    Cell,
    ColourBar,
    Row,
    enlarged,
    heat,
    picture_grid,
)


def test_pictures_keep_their_proportions(tmp_path):
    red = np.zeros((40, 80, 3), np.uint8)
    red[..., 0] = 255
    blue = np.zeros((90, 30, 3), np.uint8)
    blue[..., 2] = 255
    out = tmp_path / 'new' / 'grid.png'
    bar = ColourBar('turbo', 'low', 'high', 'what')
    rows = [
        Row([Cell(red, 'one\nmore'), Cell(red)], 'name'),
        Row([Cell(blue)]),
    ]
    picture_grid(out, rows, bar)
    picture = np.asarray(Image.open(out).convert('RGB')).astype(int)
    for colour, shape, number in ((0, (40, 80), 2), (2, (90, 30), 1)):
        others = [c for c in range(3) if c != colour]
        mask = (picture[..., colour] > 250) & (
            picture[..., others].max(-1) < 5
        )
        rows_, columns = np.flatnonzero(mask.any(1)), mask.any(0)
        height = rows_[-1] - rows_[0] + 1
        width = columns.sum() / number
        assert abs(width / height - shape[1] / shape[0]) < 0.02
        assert height > 200


def test_sizes_and_heat():
    picture = np.full((30, 60, 3), 100, np.uint8)
    assert enlarged(picture, 120).shape == (60, 120, 3)
    assert enlarged(picture, 20).shape == (10, 20, 3)
    values = np.zeros((2, 3))
    values[1, 2] = 1
    painted = heat(picture, values, share=0.5, smooth=False, colours='gray')
    assert (painted[15:, 40:] == 178).all()
    assert (painted[:15] == 50).all()
    assert (painted[:, :40] == 50).all()
    smooth = heat(picture, values, share=1.0)
    low, high = (255 * np.array(colormaps['turbo'](v)[:3]) for v in (0.0, 1.0))
    assert np.abs(smooth[0, 0] - low).max() <= 1
    assert np.abs(smooth[-1, -1] - high).max() <= 1
    assert len(np.unique(smooth[:, 45].reshape(-1, 3), axis=0)) > 5


def test_many_rows_fit_into_a_file(tmp_path):
    """More than 2 ** 16 pixels are too many for matplotlib."""
    small = np.full((400, 8, 3), 90, np.uint8)
    picture_grid(tmp_path / 'grid.png', [Row([Cell(small)])] * 9)
    width, height = Image.open(tmp_path / 'grid.png').size
    assert 50_000 < height < 2**16
    assert width > 50


def test_words_are_as_they_are_given(tmp_path):
    """A dollar sign begins no formula, and long lines are broken."""
    one = np.full((40, 40, 3), 90, np.uint8)
    title = 'between $5 and $_{ with a name that is far longer than the cell'
    picture_grid(tmp_path / 'a.png', [Row([Cell(one, title)], title)])
    picture_grid(tmp_path / 'b.png', [Row([Cell(one, 'between')], 'one')])
    (_, tall), (_, low) = (
        Image.open(tmp_path / name).size for name in ('a.png', 'b.png')
    )
    assert tall > low + 10
