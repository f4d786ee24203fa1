"""Images and videos below a folder, and their sizes."""

from collections.abc import Sequence
from pathlib import Path

from mmuniformer.checks.finding import few
from mmuniformer.checks.images import Decoder, look_at_images
from mmuniformer.checks.walking import walk_files
from mmuniformer.errors import UserError

IMAGE_SUFFIXES = ('.jpg', '.jpeg', '.png', '.bmp', '.webp', '.tif', '.tiff')
VIDEO_SUFFIXES = ('.mp4', '.avi', '.mkv', '.mov', '.webm', '.mpg', '.mpeg')


def files_below(folder: Path, suffixes: Sequence[str]) -> list[str]:
    """Paths below a folder, sorted, with ``/`` between their parts.

    Hidden files and folders are none, as for the libraries: archives from a
    Mac have a ``._photo.jpg`` beside each photo.

    Raises:
        UserError: If there is no folder, or no such file in it.
    """
    if not folder.is_dir():
        raise UserError(f'{folder} is no folder; --images takes one')
    found = sorted(
        path.relative_to(folder).as_posix()
        for path in walk_files(folder)
        if path.suffix.lower() in suffixes
    )
    if not found:
        raise UserError(
            f'{folder} has no file that ends with {", ".join(suffixes)}'
        )
    return found


def sizes_of(folder: Path, names: Sequence[str]) -> list[tuple[int, int]]:
    """Width and height of images as the pipelines have them.

    An EXIF orientation has turned them: labels are drawn on what is shown.

    Raises:
        UserError: If an image cannot be read.
    """
    files = [str(folder / name) for name in names]
    seen = look_at_images(files, Decoder())
    wrong = [
        f'{file} {one.problem}'
        for file, one in zip(files, seen, strict=True)
        if one.problem and one.level == 'error'
    ]
    if wrong:
        raise UserError(
            f'{len(wrong)} of {len(files)} images cannot be used: '
            f'{few(wrong)}; take them out, or copy them again'
        )
    return [(one.width, one.height) for one in seen]
