"""What is in the files of label maps: headers of all, labels of some.

A map is read as mmseg reads it, by the same decoder; what is kept of it are
the values that the file holds and how many pixels have them.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from mmuniformer.checks import scan
from mmuniformer.checks.images import state_of

# So many pixels are decoded where not all shall be: seconds on two cores.
SAMPLED_PIXELS = 1_000_000_000
# PIL's modes of more than 8 bits, which mmseg cuts to 8.
WIDE_MODES = ('I', 'F', 'I;16', 'I;16B', 'I;16L', 'I;16N')
LOSSY = ('JPEG', 'MPO')
# Orientations of EXIF that exchange width and height.
LYING = (5, 6, 7, 8)
# Of each map, so many colours and values are kept for messages.
KEPT = 24


@dataclass
class Seen:
    """What was seen of a map; values of JSON.

    Attributes:
        mode (str): PIL's mode of the map, 'L'; empty if PIL cannot open it.
        raw (str): How the file packs its values, 'L;4' for four bits.
        format (str): PIL's name of the file format, 'PNG'.
        size (list[int]): Width and height of the map.
        channels (int): Of the map as it is read; 0 if it was not decoded.
        values (list[list[int]]): Value and pixels of each value of a map of
            one channel, as mmseg reads it: in 8 bits.
        cut (list[float]): Values of the file that do not fit into 8 bits.
        colours (list[list[int]]): RGB colours of a map of several channels,
            the most frequent first.
        error (str): Why the map cannot be read.
    """

    mode: str = ''
    raw: str = ''
    format: str = ''
    size: list = field(default_factory=list)
    channels: int = 0
    values: list = field(default_factory=list)
    cut: list = field(default_factory=list)
    colours: list = field(default_factory=list)
    error: str = ''

    @property
    def decoded(self) -> bool:
        """Whether the labels are known."""
        return self.channels == 1


def look_at_maps(
    files: Sequence[str], backend: str, decode: bool
) -> list[Seen]:
    """Looks at the headers of maps, and at the labels of some or all.

    Args:
        files (Sequence[str]): That exist on this machine's disk.
        backend (str): The decoder of mmcv that reads them.
        decode (bool): Whether to read the labels of every map. Otherwise
            they are read of at most about a billion pixels, of maps spread
            over the data set, and of every map whose header is suspicious.

    Returns:
        list[Seen]: In the order of the files.
    """
    found = scan.remembered(
        [],
        ['label maps', state_of(files), backend, decode],
        lambda: [vars(seen) for seen in _look(files, backend, decode)],
    )
    return [Seen(**seen) for seen in found]


def _look(files: Sequence[str], backend: str, decode: bool) -> list[Seen]:
    found = list(scan.each(_header, files, 'headers of label maps'))
    picked = range(len(files)) if decode else _sample(found)
    items = [(files[index], found[index]) for index in picked]
    decoded = scan.each(partial(_labels, backend), items, 'label maps')
    for index, seen in zip(picked, decoded, strict=True):
        found[index] = seen
    return found


def _sample(found: Sequence[Seen]) -> list[int]:
    """Places of the maps whose labels are read."""
    pixels = sum(np.prod(seen.size, dtype=int) for seen in found if seen.size)
    step = max(1.0, pixels / SAMPLED_PIXELS)
    spread = np.arange(0, len(found), step).astype(int).tolist()
    suspicious = [
        index
        for index, seen in enumerate(found)
        if seen.mode in WIDE_MODES or seen.format in LOSSY
    ]
    return sorted({*spread, *suspicious})


def _header(file: str) -> Seen:
    seen = Seen()
    try:
        with Image.open(file) as opened:
            seen.mode, seen.format = opened.mode, opened.format or ''
            seen.size = list(opened.size)
            # A PNG names its packing there; other formats have tuples.
            raw = opened.tile[0][-1] if opened.tile else ''
            seen.raw = raw if isinstance(raw, str) else ''
    # Damaged headers raise anything, and formats that PIL does not know an
    # OSError: the decoder says what it makes of them.
    except Exception:
        return Seen()
    return seen


def _labels(backend: str, item: tuple[str, Seen]) -> Seen:
    file, seen = item
    try:
        labels = read_map(file, backend)
    # Decoders raise what they like about a damaged file.
    except Exception as error:
        seen.error = _reason(error)
        return seen
    if labels.ndim != 2:
        seen.channels = labels.shape[-1] if labels.ndim == 3 else labels.ndim
        seen.colours = _colours(labels) if labels.ndim == 3 else []
        return seen
    seen.channels = 1
    seen.size = [labels.shape[1], labels.shape[0]]
    seen.cut = cut_values(labels)
    as_read = np.ascontiguousarray(labels.astype(np.uint8))
    counts = Image.fromarray(as_read).histogram()
    seen.values = [[v, n] for v, n in enumerate(counts) if n]
    return seen


def _reason(error: Exception) -> str:
    # PIL names the object that it reads, by its address.
    words = re.sub(r' <[^>]* at 0x\w+>', '', str(error)).split()
    return ' '.join(words) or type(error).__name__


def read_map(file: str, backend: str) -> np.ndarray:
    """The values of a file before mmseg cuts them to 8 bits.

    Args:
        file (str): On this machine's disk.
        backend (str): Decoder of mmcv, 'pillow' or 'cv2'.

    Returns:
        np.ndarray: (H, W), or (H, W, C) with the colours in the order BGR.

    Raises:
        OSError: If the decoder returns nothing.
    """
    import mmcv

    content = Path(file).read_bytes()
    labels = mmcv.imfrombytes(content, flag='unchanged', backend=backend)
    if labels is None:
        raise OSError('it is no image, or damaged')
    return labels.squeeze()


def cut_values(labels: np.ndarray) -> list[float]:
    """Values that mmseg changes when it makes 8 bits of them.

    -1 is none of them: in 8 bits it is 255, and ignored as it is meant to be.

    Args:
        labels (np.ndarray): (H, W), as a file holds them.

    Returns:
        list[float]: In ascending order, at most ``KEPT``.
    """
    if labels.dtype in (np.uint8, np.bool_):
        return []
    whole = np.issubdtype(labels.dtype, np.integer)
    wrong = (labels > 255) | (labels < (-1 if whole else 0))
    if not whole:
        wrong |= ~np.isfinite(labels) | (labels != np.floor(labels))
    return np.unique(labels[wrong])[:KEPT].tolist()


def is_wide(file: str) -> bool:
    """Whether a file of this machine's disk has more than 8 bits a value."""
    try:
        with Image.open(file) as opened:
            return opened.mode in WIDE_MODES
    except OSError:
        return False


def _colours(labels: np.ndarray) -> list[list[int]]:
    """The most frequent colours of a map (H, W, C) of several channels."""
    if labels.shape[-1] < 3:
        labels = np.repeat(labels[..., :1], 3, axis=-1)
    rgb = labels[..., 2::-1].reshape(-1, 3).astype(np.int64)
    packed = rgb[:, 0] << 32 | rgb[:, 1] << 16 | rgb[:, 2]
    found = np.unique(packed, return_counts=True)
    frequent = Counter(dict(zip(*found, strict=True)))
    return [
        [int(c) >> 32, int(c) >> 16 & 0xFFFF, int(c) & 0xFFFF]
        for c, _ in frequent.most_common(KEPT)
    ]


def fits_stored(turned: tuple[str, str, str, int]) -> bool | None:
    """Whether a map lies on the pixels of an image as they are stored.

    Where EXIF turns an image into one of the same size, the sizes do not
    tell on which of the two its map was drawn. The edges of the labels do:
    they are where the image has edges.

    Args:
        turned (tuple[str, str, str, int]): File of the map, the decoder that
            reads it, file of the image, and its EXIF orientation, 2 to 8.

    Returns:
        bool, optional: None if they cannot be compared or both fit alike.
    """
    file, backend, image, orientation = turned
    try:
        labels = read_map(file, backend)
        with Image.open(image) as opened:
            grey = np.asarray(opened.convert('L'), np.float32)
    # What cannot be read is told elsewhere.
    except Exception:
        return None
    if labels.ndim != 2 or labels.shape != grey.shape:
        return None
    edges = _edges(labels.astype(np.float32)) > 0
    slopes = _edges(grey)
    if not edges.any():
        return None
    stored = slopes[edges].mean()
    turned_slopes = as_turned(slopes, orientation)[edges].mean()
    if max(stored, turned_slopes) < 1.1 * min(stored, turned_slopes):
        return None
    return bool(stored > turned_slopes)


def _edges(image: np.ndarray) -> np.ndarray:
    return sum(np.abs(slope) for slope in np.gradient(image))


def as_turned(image: np.ndarray, orientation: int) -> np.ndarray:
    """An image (H, W) as EXIF's orientation 1 to 8 has it seen."""
    if orientation in LYING:
        image = image.T
    if orientation in (2, 3, 6, 7):
        image = image[:, ::-1]
    if orientation in (3, 4, 7, 8):
        image = image[::-1]
    return image
