"""Whether label maps lie on the pixels of their images."""

from collections.abc import Iterator, Mapping, Sequence

from mmuniformer.checks import images as image_files
from mmuniformer.checks import scan
from mmuniformer.checks.finding import Finding
from mmuniformer.checks.label_maps.files import LYING, Seen, fits_stored
from mmuniformer.checks.label_maps.folders import finding_of
from mmuniformer.checks.label_maps.sets import LabelMaps

# Of the images that EXIF turns into the same size, so many are compared.
COMPARED = 64


def check_sizes(
    maps: LabelMaps,
    pairs: Sequence[tuple[str, str]],
    found: Sequence[Seen],
    images: Mapping[str, image_files.Seen],
) -> Iterator[Finding]:
    """Looks for maps of another size than their images, or turned.

    Args:
        maps (LabelMaps): The data set.
        pairs (Sequence[tuple[str, str]]): Files of each map and its image.
        found (Sequence[Seen]): What was seen of the maps.
        images (Mapping[str, image_files.Seen]): What was seen of images.
    """
    turns = maps.decoder is not None and maps.decoder.flag in (
        'color',
        'grayscale',
    )
    other, lying, doubtful = [], [], []
    for (map_, image), seen in zip(pairs, found, strict=True):
        read = images.get(image)
        if not seen.size or read is None or not read.width:
            continue
        size = [read.width, read.height]
        turned = turns and read.orientation > 1
        stored = size[::-1] if read.orientation in LYING else size
        if seen.size != size:
            is_lying = turned and seen.size == stored
            (lying if is_lying else other).append((map_, image, seen, read))
        elif turned and seen.size == stored:
            doubtful.append((map_, image, seen, read))
    if other:
        map_, image, seen, read = other[0]
        yield finding_of(
            other,
            f'{map_} is {seen.size[0]} x {seen.size[1]} pixels and its '
            f'image {image} {read.width} x {read.height}',
        )
    if lying:
        _, _, seen, read = lying[0]
        yield _turned(
            lying,
            f' to {read.width} x {read.height} pixels, and not its map of '
            f'{seen.size[0]} x {seen.size[1]}',
            'error',
        )
    # Enough to see how the maps of a data set were drawn.
    doubtful = doubtful[:: max(1, len(doubtful) // COMPARED)]
    work = [
        (map_, maps.backend, image, read.orientation)
        for map_, image, _, read in doubtful
    ]
    fits = scan.each(fits_stored, work, 'turned images')
    doubtful = [d for d, fit in zip(doubtful, fits, strict=True) if fit]
    if doubtful:
        yield _turned(
            doubtful,
            ', and its map has edges where the image has them as it is stored',
            'warning',
        )


def _turned(
    files: list[tuple[str, str, Seen, image_files.Seen]],
    sizes: str,
    level: str,
) -> Finding:
    """Images that EXIF turns, and their maps not."""
    _, image, _, read = files[0]
    return finding_of(
        files,
        f'EXIF orientation {read.orientation} turns {image}{sizes}',
        'turn the maps alike, or read the images as they are stored: '
        "LoadImageFromFile(color_type='color_ignore_orientation')",
        level=level,
    )
