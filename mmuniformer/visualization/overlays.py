"""What a model finds, drawn over its image in the image's own size."""

from collections.abc import Sequence

import cv2
import numpy as np

from mmuniformer.visualization.tags import Colour, Tags, line_width

# How much of a pixel its mask or class covers.
MASK, MAP = 0.45, 0.55
# Of the longer side of a figure: its lines, which are no thicker than those of
# the picture by this factor.
LIMB, THICKEST = 1 / 70, 2.0
# Classes of a smaller share of the picture are not named in it.
NAMED = 0.004
# Longest side of the map on which places of names are looked for.
COARSE = 320
GROUND: Colour = (40, 40, 40)


def draw_objects(
    image: np.ndarray,
    boxes: np.ndarray,
    texts: Sequence[str],
    colours: Sequence[Colour],
    masks: np.ndarray | None = None,
) -> None:
    """Draws boxes with names, and masks.

    Args:
        image (np.ndarray): (H, W, 3), BGR, uint8; it is drawn on.
        boxes (np.ndarray): (N, 4) x1, y1, x2, y2; the most important first.
        texts (Sequence[str]): N names.
        colours (Sequence[Colour]): N colours, BGR.
        masks (np.ndarray, optional): (N, H, W) bool.
    """
    width = line_width(image)
    # The most important ones are above the others.
    for index in reversed(range(len(boxes))):
        if masks is not None:
            _draw_mask(image, masks[index], colours[index], width)
        x1, y1, x2, y2 = (round(float(value)) for value in boxes[index])
        cv2.rectangle(
            image, (x1, y1), (x2, y2), colours[index], width, cv2.LINE_AA
        )
    tags = Tags(image)
    for box, text, colour in zip(boxes, texts, colours, strict=True):
        tags.beside(box, text, colour)


def _draw_mask(
    image: np.ndarray, mask: np.ndarray, colour: Colour, width: int
) -> None:
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        return
    part = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    view, inside = image[part], mask[part]
    view[inside] = (1 - MASK) * view[inside] + MASK * np.array(colour)
    outlines, _ = cv2.findContours(
        inside.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE
    )
    offset = (int(columns[0]), int(rows[0]))
    cv2.drawContours(
        image,
        outlines,
        -1,
        colour,
        max(1, width // 2),
        cv2.LINE_AA,
        offset=offset,
    )


def draw_skeletons(
    image: np.ndarray,
    points: np.ndarray,
    shown: np.ndarray,
    links: Sequence[tuple[int, int]],
    point_colours: Sequence[Colour],
    link_colours: Sequence[Colour],
) -> None:
    """Draws skeletons, as thick as picture and figure are large.

    Args:
        image (np.ndarray): (H, W, 3), BGR, uint8; it is drawn on.
        points (np.ndarray): (N, K, 2) x, y in pixels.
        shown (np.ndarray): (N, K) bool.
        links (Sequence[tuple[int, int]]): Pairs of keypoints that are joined.
        point_colours (Sequence[Colour]): K colours, BGR.
        link_colours (Sequence[Colour]): One for each link.
    """
    for figure, visible in zip(points, shown, strict=True):
        if not visible.any():
            continue
        width = limb_width(image.shape, figure[visible])
        places = [tuple(map(int, np.rint(point))) for point in figure]
        for (first, last), colour in zip(links, link_colours, strict=True):
            if visible[first] and visible[last]:
                cv2.line(
                    image,
                    places[first],
                    places[last],
                    colour,
                    width,
                    cv2.LINE_AA,
                )
        radius = max(1, round(0.9 * width))
        for place, colour, seen in zip(
            places, point_colours, visible, strict=True
        ):
            if not seen:
                continue
            cv2.circle(image, place, radius, colour, -1, cv2.LINE_AA)
            if radius > 2:
                # Joints stand out of limbs of the same colour.
                edge = max(1, radius // 4)
                cv2.circle(
                    image, place, radius, (255, 255, 255), edge, cv2.LINE_AA
                )


def limb_width(shape: Sequence[int], points: np.ndarray) -> int:
    """Width of the lines of a skeleton.

    Args:
        shape (Sequence[int]): Height and width of the picture.
        points (np.ndarray): (K, 2) keypoints of the figure.

    Returns:
        int: Pixels.
    """
    figure = float(np.ptp(points, axis=0).max()) if len(points) else 0.0
    thickest = THICKEST * max(shape[:2]) / 320
    return max(1, round(min(LIMB * figure, thickest)))


def draw_label_map(
    image: np.ndarray,
    labels: np.ndarray,
    classes: Sequence[str],
    colours: Sequence[Colour],
) -> None:
    """Colours the classes of pixels, and names the large ones.

    Args:
        image (np.ndarray): (H, W, 3), BGR, uint8; it is drawn on.
        labels (np.ndarray): (H, W) indices of classes.
        classes (Sequence[str]): Their names.
        colours (Sequence[Colour]): As many, BGR.
    """
    table = np.array(colours, np.uint8).reshape(-1, 3)
    painted = table[np.minimum(labels, len(table) - 1)]
    cv2.addWeighted(painted, MAP, image, 1 - MAP, 0, dst=image)
    step = max(1, -(-max(labels.shape) // COARSE))
    coarse = labels[::step, ::step]
    tags = Tags(image)
    found, counts = np.unique(coarse, return_counts=True)
    for index in np.argsort(-counts):
        if counts[index] < NAMED * coarse.size:
            continue
        label = found[index]
        x, y = _middle(coarse == label)
        place = (x * step + step // 2, y * step + step // 2)
        tags.at(place, classes[label], tuple(map(int, table[label])))


def _middle(mask: np.ndarray) -> tuple[int, int]:
    """The place x, y of a mask that is farthest from its edge."""
    padded = np.pad(mask, 1).astype(np.uint8)
    distance = cv2.distanceTransform(padded, cv2.DIST_L2, 3)
    y, x = np.unravel_index(distance.argmax(), distance.shape)
    return int(x) - 1, int(y) - 1


def draw_classes(image: np.ndarray, lines: Sequence[str]) -> None:
    """Writes the classes of an image or video into its corner.

    Args:
        image (np.ndarray): (H, W, 3), BGR, uint8; it is drawn on.
        lines (Sequence[str]): The most likely class first.
    """
    Tags(image).list(lines, GROUND)
