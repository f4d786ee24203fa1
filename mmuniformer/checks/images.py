"""Image files: whether they are there, their sizes, whether they decode."""

import hashlib
import io
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, BinaryIO, NamedTuple

from PIL import ExifTags, Image

from mmuniformer.checks import scan
from mmuniformer.checks.finding import Finding, few
from mmuniformer.nodes import type_name, walk

# Transforms that read the one file of ``img_path``: mmpose names its own.
LOADERS = ('LoadImageFromFile', 'LoadImage')
# What a whole file ends with. Phones append to JPEGs: others are read.
_ENDS = {'JPEG': b'\xff\xd9', 'PNG': b'IEND\xaeB`\x82'}


@dataclass(frozen=True)
class Decoder:
    """How a pipeline reads its images: the arguments of mmcv's decoder."""

    backend: str = 'cv2'
    flag: str = 'color'


class Seen(NamedTuple):
    """What was seen of an image file.

    Attributes:
        width, height (int): In pixels, as the pipeline has the image: turned
            by its EXIF orientation if the decoder does so. 0 if unknown.
        orientation (int): EXIF's; 1 for none.
        problem (str): What is wrong with the file; empty if nothing is.
        level (str): Of the problem, as in a finding.
    """

    width: int = 0
    height: int = 0
    orientation: int = 1
    problem: str = ''
    level: str = 'error'


def is_local(backend_args: Any) -> bool:
    """Whether mmengine's backend of these arguments is this machine's disk."""
    backend = (backend_args or {}).get('backend', 'local')
    return backend in ('local', 'LocalBackend')


def decoder_of(pipeline: Any) -> Decoder | None:
    """The decoder of a pipeline's image files.

    None if it does not read one file of this machine for each image.
    """
    for _, node in walk(pipeline):
        if type_name(node) in LOADERS:
            remote = node.get('file_client_args')
            if remote or not is_local(node.get('backend_args')):
                return None
            return Decoder(
                node.get('imdecode_backend') or 'cv2',
                node.get('color_type') or 'color',
            )
    return None


def look_at_images(
    files: Sequence[str], decoder: Decoder, decode: bool = False
) -> list[Seen]:
    """Looks at the headers of image files, and at all of them on demand.

    Args:
        files (Sequence[str]): Paths on this machine.
        decoder (Decoder): How the pipeline reads them.
        decode (bool): Whether to decode each of them.

    Returns:
        list[Seen]: In the order of the files.
    """
    work = partial(_look, decoder, decode)
    about = ['images', state_of(files), decoder.backend, decoder.flag, decode]
    seen = scan.remembered(
        [], about, lambda: list(scan.each(work, files, 'images'))
    )
    return [Seen(*values) for values in seen]


def check_image_files(
    files: Sequence[str], seen: Sequence[Seen], source: str
) -> Iterator[Finding]:
    """Tells what is wrong with image files, a finding for each kind.

    Args:
        files (Sequence[str]): The files.
        seen (Sequence[Seen]): What :func:`look_at_images` saw of them.
        source (str): What names the files, for the message.
    """
    kinds: dict[tuple[str, str], list[str]] = {}
    for file, image in zip(files, seen, strict=True):
        if image.problem:
            kinds.setdefault((image.problem, image.level), []).append(file)
    for (problem, level), wrong in kinds.items():
        share = f'{len(wrong)} of {len(files)} images'
        what = f'{wrong[0]} {problem}'
        if len(wrong) > 1:
            what = f'{share} that {source} names: each {problem}: {few(wrong)}'
        else:
            what += f' (named by {source})'
        yield Finding(what, file=wrong[0], entry=wrong[0], level=level)


def state_of(files: Sequence[str]) -> str:
    """A digest of names, sizes and times; other if any of them changes."""
    digest = hashlib.blake2b()
    for file in files:
        try:
            stat = os.stat(file)
            state = f'{stat.st_size} {stat.st_mtime_ns}'
        except (OSError, ValueError):
            state = 'none'
        digest.update(f'{file}\0{state}\0'.encode(errors='replace'))
    return digest.hexdigest()


def _look(decoder: Decoder, decode: bool, file: str) -> Seen:
    try:
        with open(file, 'rb') as stream:
            return look_at_stream(decoder, decode, stream)
    except FileNotFoundError:
        return Seen(problem='does not exist')
    except (OSError, ValueError) as error:
        reason = getattr(error, 'strerror', None) or error
        return Seen(problem=f'cannot be read ({reason})')


def look_at_stream(decoder: Decoder, decode: bool, stream: BinaryIO) -> Seen:
    """Looks at an image as :func:`look_at_images` does at one of a file."""
    size = stream.seek(0, os.SEEK_END)
    if not size:
        return Seen(problem='is empty')
    stream.seek(max(0, size - 16))
    tail = stream.read()
    stream.seek(0)
    try:
        image = Image.open(stream)
        width, height = image.size
        orientation = _orientation(image)
    except Exception:
        # Damaged headers raise anything; the decoder may read them still.
        image, width, height, orientation = None, 0, 0, 1
    end = _ENDS.get(image.format, b'') if image else b''
    whole = tail.rstrip(b'\0\r\n').endswith(end)
    if image and orientation == 1 and whole and not decode:
        return Seen(width, height)
    stream.seek(0)
    content = stream.read()
    try:
        height, width = _decoded(decoder, content)
    except Exception:
        cut = image and not _is_whole(content)
        why = 'is cut off' if cut else 'is damaged, or no image'
        return Seen(
            problem=f'cannot be decoded by {decoder.backend}: it {why}'
        )
    if image and (decode or not whole) and not _is_whole(content):
        return Seen(
            width, height, orientation, 'is cut off, and half grey', 'warning'
        )
    return Seen(width, height, orientation)


def _orientation(image: Image.Image) -> int:
    # Asking a PNG without it for EXIF would decode it.
    if 'exif' not in image.info and image.format not in ('TIFF', 'MPO'):
        return 1
    value = image.getexif().get(ExifTags.Base.Orientation, 1)
    return value if value in range(1, 9) else 1


def _decoded(decoder: Decoder, content: bytes) -> tuple[int, int]:
    """Height and width of an image as a pipeline has it."""
    import mmcv

    image = mmcv.imfrombytes(
        content, flag=decoder.flag, backend=decoder.backend
    )
    return image.shape[:2]


def _is_whole(content: bytes) -> bool:
    try:
        with Image.open(io.BytesIO(content)) as image:
            image.load()
    except Exception:
        return False
    return True
