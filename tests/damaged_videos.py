"""Videos as interrupted copies and full disks leave them."""

import struct
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from mmuniformer.datasets.shapes.videos import write_video


def textured(frames: int = 24, size: int = 96) -> list[np.ndarray]:
    """A texture that moves: enough bytes for a cut to matter."""
    noise = np.random.default_rng(0).integers(0, 256, (size, size, 3))
    texture = cv2.GaussianBlur(noise.astype(np.uint8), (0, 0), 1.5)
    return [np.roll(texture, 2 * t, axis=1) for t in range(frames)]


def index_first(content: bytes) -> bytes:
    """An mp4 whose index stands in front, as that of most downloads does.

    OpenCV puts it at the end: without an end, such a file is nothing at all.
    """
    boxes, start = {}, 0
    while start < len(content):
        length, kind = struct.unpack_from('>I4s', content, start)
        boxes[kind] = content[start : start + length]
        start += length
    index = bytearray(boxes[b'moov'])
    before = content.index(boxes[b'mdat'])
    shift = len(boxes[b'ftyp']) + len(index) - before
    table = index.index(b'stco')  # positions of the frames in the file
    (count,) = struct.unpack_from('>I', index, table + 8)
    for entry in range(table + 12, table + 12 + 4 * count, 4):
        (position,) = struct.unpack_from('>I', index, entry)
        struct.pack_into('>I', index, entry, position + shift)
    return boxes[b'ftyp'] + bytes(index) + boxes[b'mdat']


DAMAGES: dict[str, Callable[[bytes], bytes | None]] = {
    'missing': lambda content: None,
    'empty': lambda content: b'',
    'text': lambda content: b'<html>404 Not Found</html>',
    'no frames': lambda content: index_first(content)[:1000],
    'cut': lambda content: content[: len(content) // 2],
    'cut, index first': lambda content: index_first(content)[
        : int(0.6 * len(content))
    ],
}


def write_damaged(path: Path, damage: str) -> None:
    """Writes a video of 24 frames and damages it."""
    write_video(path, textured())
    content = DAMAGES[damage](path.read_bytes())
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)
