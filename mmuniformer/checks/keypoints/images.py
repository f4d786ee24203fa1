"""Image files of keypoint annotations."""

from collections.abc import Iterator

from mmengine.config import Config

from mmuniformer.checks.data_sets import DataSet
from mmuniformer.checks.finding import Finding, few
from mmuniformer.checks.images import (
    check_image_files,
    decoder_of,
    look_at_images,
)
from mmuniformer.checks.keypoints.files import look
from mmuniformer.checks.keypoints.forms import forms_of
from mmuniformer.checks.keypoints.numbers import wrappers


def check_images(
    cfg: Config, data_set: DataSet, number: int, decode: bool
) -> Iterator[Finding]:
    """Looks whether images are there, and of the size of the annotations.

    Args:
        cfg (Config): What the data set is of: a wrapper may read its images.
        data_set (DataSet): One of mmpose.
        number (int): How many keypoints it has.
        decode (bool): Whether to decode each image.
    """
    path, forms = data_set.ann_file, forms_of(data_set)
    node = data_set.node
    folder = (node.get('data_prefix') or {}).get('img') or ''
    pipelines = [node.get('pipeline')] + [
        outer.get('pipeline') for _, outer in wrappers(cfg, data_set)
    ]
    decoder = decoder_of([p for p in pipelines if p])
    # The frames beside one that a video has are named by the data set.
    video = data_set.name == 'PoseTrack18VideoDataset'
    if path is None or not path.is_file() or not forms or video:
        return
    if decoder is None or '://' in str(folder):
        return
    # Images without people are read only where something else asks for them.
    all_of_them = node.get('test_mode') and (
        node.get('bbox_file') or node.get('data_mode') == 'bottomup'
    )
    images = [
        image
        for image in look(path, forms, number).images
        if image[3] or all_of_them
    ]
    root = data_set.below_root(folder)
    files = [str(root / image[0]) for image in images]
    seen = look_at_images(files, decoder, decode)
    key = f'{data_set.path}.data_prefix.img'
    if files and all(image.problem == 'does not exist' for image in seen):
        yield Finding(
            f'{path}: none of its {len(files)} images exists: {files[0]}',
            f'put them there, or say where they are ({key})',
            file=str(path),
            entry=key,
        )
        return
    yield from check_image_files(files, seen, str(path))
    wrong = [
        f'{file}: {image.width}x{image.height}, not {width}x{height}'
        for file, image, (_, width, height, _) in zip(
            files, seen, images, strict=True
        )
        if image.width
        and None not in (width, height)
        and (image.width, image.height) != (width, height)
    ]
    if wrong:
        yield Finding(
            f'{path}: {len(wrong)} images are of another size than it says '
            f'({few(wrong)})',
            'boxes and keypoints are of another image, or of one that was '
            'resized or turned (EXIF) afterwards',
            file=str(path),
            entry=wrong[0].partition(':')[0],
        )
