"""Words on a picture: as large as it needs, and beside each other."""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

Colour = tuple[int, int, int]
Place = tuple[int, int]

# Of the longer side of a picture; on a screen the whole picture is shown.
TEXT, SMALLEST = 1 / 48, 10
LINE = 1 / 320


def text_size(image: np.ndarray) -> int:
    """Height of text on a picture (H, W, 3), in pixels."""
    return max(SMALLEST, round(TEXT * max(image.shape[:2])))


def line_width(image: np.ndarray) -> int:
    """Width of lines on a picture (H, W, 3), in pixels."""
    return max(1, round(LINE * max(image.shape[:2])))


def palette(number: int) -> list[Colour]:
    """Colours that differ, also from their neighbours in the list.

    Args:
        number (int): How many; the first ones are the same for any number.

    Returns:
        list[Colour]: BGR.
    """
    colours = []
    for index in range(number):
        # The golden ratio spreads hues, however many there are.
        hue = (0.02 + index * 0.618034) % 1
        value = (1.0, 0.78, 0.9)[index % 3]
        colours.append(_of_hue(hue, 0.75, value))
    return colours


def _of_hue(hue: float, saturation: float, value: float) -> Colour:
    sector, part = divmod(hue * 6, 1)
    low = value * (1 - saturation)
    falling = value * (1 - saturation * part)
    rising = value * (1 - saturation * (1 - part))
    red, green, blue = (
        (value, rising, low),
        (falling, value, low),
        (low, value, rising),
        (low, falling, value),
        (rising, low, value),
        (value, low, falling),
    )[int(sector) % 6]
    return round(255 * blue), round(255 * green), round(255 * red)


class Tags:
    """Text on a picture, in places that are free.

    Args:
        image (np.ndarray): (H, W, 3), BGR, uint8; it is drawn on.
        size (int, optional): Height of the text in pixels.
    """

    def __init__(self, image: np.ndarray, size: int | None = None) -> None:
        self.image = image
        self.size = size or text_size(image)
        self._taken: list[tuple[int, int, int, int]] = []

    def beside(self, box: Sequence[float], text: str, colour: Colour) -> None:
        """Names a box x1, y1, x2, y2: above it, or where there is room."""
        tile = tag(text, self.size, colour)
        height, width = tile.shape[:2]
        x1, y1, x2, y2 = (round(float(value)) for value in box)
        self._place(
            tile,
            [
                (x1, y1 - height),
                (x2 - width, y1 - height),
                (x1, y1),
                (x1, y2),
                (x2 - width, y2),
                (x1, y2 - height),
                (x1, y1 - 2 * height),
                (x1, y1 + height),
            ],
        )

    def at(self, centre: Place, text: str, colour: Colour) -> None:
        """Writes around a point x, y."""
        tile = tag(text, self.size, colour)
        height, width = tile.shape[:2]
        left, top = centre[0] - width // 2, centre[1] - height // 2
        self._place(tile, [(left, top + step * height) for step in (0, 1, -1)])

    def list(self, lines: Sequence[str], colour: Colour) -> None:
        """Writes lines into the upper left corner."""
        tiles = [tag(line, self.size, colour) for line in lines]
        width = max((tile.shape[1] for tile in tiles), default=0)
        edge, top = self.size // 2, self.size // 2
        for tile in tiles:
            wide = np.empty((tile.shape[0], width, 3), np.uint8)
            wide[:] = colour
            wide[:, : tile.shape[1]] = tile
            self._put(wide, edge, top)
            top += tile.shape[0]

    def _place(self, tile: np.ndarray, choices: Sequence[Place]) -> None:
        """Puts a tile to the first free place, or the one least covered."""
        height, width = tile.shape[:2]
        bottom, right = self.image.shape[:2]
        least = None
        for x, y in choices:
            # Text stays inside the picture.
            x = max(0, min(x, right - width))
            y = max(0, min(y, bottom - height))
            place = (x, y, x + width, y + height)
            covered = sum(_overlap(place, other) for other in self._taken)
            if least is None or covered < least[0]:
                least = (covered, place)
            if not covered:
                break
        _, place = least
        self._taken.append(place)
        self._put(tile, place[0], place[1])

    def _put(self, tile: np.ndarray, x: int, y: int) -> None:
        part = self.image[y : y + tile.shape[0], x : x + tile.shape[1]]
        part[:] = tile[: part.shape[0], : part.shape[1]]


def _overlap(
    one: tuple[int, int, int, int], other: tuple[int, int, int, int]
) -> int:
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    return max(0, width) * max(0, height)


@lru_cache(maxsize=1024)
def tag(text: str, size: int, colour: Colour) -> np.ndarray:
    """Text on its colour.

    Args:
        text (str): One line.
        size (int): Height of the text in pixels.
        colour (Colour): BGR of the ground; the text is black or white,
            whichever shows.

    Returns:
        np.ndarray: (H, W, 3), BGR; shared, not to be changed.
    """
    font = _font(size)
    pad = max(2, size // 5)
    left, _, right, _ = font.getbbox(text)
    ascent, descent = font.getmetrics()
    shape = (right - left + 2 * pad, ascent + descent + pad)
    tile = Image.new('RGB', shape, colour[::-1])
    blue, green, red = colour
    bright = 0.114 * blue + 0.587 * green + 0.299 * red > 150
    ImageDraw.Draw(tile).text(
        (pad - left, pad // 2),
        text,
        font=font,
        fill=(0, 0, 0) if bright else (255, 255, 255),
    )
    return np.asarray(tile)[..., ::-1]


@lru_cache(maxsize=8)
def _font(size: int) -> ImageFont.FreeTypeFont:
    # A font that is always there, and has more than the letters of English.
    from matplotlib import get_data_path

    path = Path(get_data_path(), 'fonts', 'ttf', 'DejaVuSans.ttf')
    return ImageFont.truetype(str(path), size)
