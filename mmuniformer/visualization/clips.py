"""A clip as one picture: some of its frames side by side."""

from collections.abc import Sequence

import cv2
import numpy as np

Colour = tuple[int, int, int]

_FRAMES = 8
_LINE_HEIGHT = 18


def draw_clip(
    frames: Sequence[np.ndarray], lines: Sequence[tuple[str, Colour]] = ()
) -> np.ndarray:
    """Frames of a clip, spread over it, with lines of text in a corner.

    Args:
        frames: RGB pictures (H, W, 3) of one size, 0 to 255.
        lines: Texts and their RGB colours.

    Returns:
        An RGB picture (H, n * W, 3) of n frames, 8 at most.
    """
    step = -(-len(frames) // _FRAMES)
    shown = [np.clip(f, 0, 255).astype(np.uint8) for f in frames[::step]]
    picture = np.ascontiguousarray(np.concatenate(shown, axis=1))
    for index, (text, colour) in enumerate(lines):
        font = dict(fontFace=cv2.FONT_HERSHEY_SIMPLEX, fontScale=0.45)
        (width, _), _ = cv2.getTextSize(text, thickness=1, **font)
        top = index * _LINE_HEIGHT
        picture[top : top + _LINE_HEIGHT, : width + 8] //= 4
        cv2.putText(picture, text, (4, top + 13), color=colour, **font)
    return picture


def class_name(label: int, classes: Sequence[str] | None) -> str:
    """Name of a class, or its number where the names are not known.

    mmaction2 has -1 for a video that no label is known of.
    """
    if label < 0:
        return 'not known'
    return classes[label] if classes else str(label)
