"""Times the look at annotations as large as COCO's (docs/data.md).

    python tools/misc/time_checks.py [--files]

118287 images and 860001 boxes with polygons are written into a temporary
folder, with ``--files`` the images too, and looked at twice: anew, and from
what was kept of the first look.
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

IMAGES, BOXES, CLASSES = 118287, 860001, 80
SIZE = (640, 480)


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument('--files', action='store_true', help='images as well')
    parser.add_argument('--images', type=int, default=IMAGES)
    parser.add_argument('--boxes', type=int, default=BOXES)
    return parser.parse_args()


if __name__ == '__main__':
    # Before what takes seconds to import: an option may be mistyped.
    ARGS = parse_args()

import cv2  # noqa: E402
import numpy as np  # noqa: E402
from mmengine.config import Config  # noqa: E402
from mmengine.registry import init_default_scope  # noqa: E402

from mmuniformer.checks.coco_file import forget_files  # noqa: E402
from mmuniformer.checks.data_sets import data_sets  # noqa: E402
from mmuniformer.checks.detection.coco import check_coco  # noqa: E402


def write(folder: Path, images: int, boxes: int, files: bool) -> None:
    """Annotations of random boxes, piece by piece: they fill a gigabyte."""
    rng = np.random.default_rng(0)
    width, height = SIZE
    names = [f'{i:012d}.jpg' for i in range(1, images + 1)]
    heads = [
        dict(id=i, file_name=name, width=width, height=height, license=1)
        for i, name in enumerate(names, 1)
    ]
    classes = [dict(id=i, name=f'class {i}') for i in range(CLASSES)]
    with (folder / 'instances.json').open('w') as file:
        file.write(f'{{"images": {json.dumps(heads)}, "categories": ')
        file.write(f'{json.dumps(classes)}, "annotations": [')
        for i in range(boxes):
            x, y = rng.integers(0, (width // 2, height // 2)).tolist()
            w, h = rng.integers(2, (width // 2, height // 2)).tolist()
            turn = np.linspace(0, 2 * np.pi, 22)
            points = np.stack([np.cos(turn), np.sin(turn)], 1) + 1
            polygon = (points * (w / 2, h / 2) + (x, y)).round(2)
            annotation = dict(
                id=i + 1,
                image_id=i % images + 1,
                category_id=i % CLASSES,
                bbox=[x, y, w, h],
                area=w * h,
                iscrowd=0,
                segmentation=[polygon.ravel().tolist()],
            )
            file.write(', ' * (i > 0) + json.dumps(annotation))
        file.write(']}')
    if files:
        (folder / 'images').mkdir()
        first = folder / 'images' / names[0]
        cv2.imwrite(str(first), np.zeros((height, width, 3), np.uint8))
        for name in names[1:]:
            shutil.copyfile(first, folder / 'images' / name)


def config(folder: Path, files: bool) -> Config:
    """A config of mmdet, whose pipeline loads masks."""
    # An image from elsewhere is not looked at.
    elsewhere = None if files else dict(backend='http')
    return Config(
        dict(
            default_scope='mmdet',
            train_dataloader=dict(
                batch_size=2,
                dataset=dict(
                    type='CocoDataset',
                    data_root=str(folder),
                    ann_file='instances.json',
                    data_prefix=dict(img='images/'),
                    metainfo=dict(
                        classes=[f'class {i}' for i in range(CLASSES)]
                    ),
                    filter_cfg=dict(filter_empty_gt=True, min_size=32),
                    pipeline=[
                        dict(type='LoadImageFromFile', backend_args=elsewhere),
                        dict(type='LoadAnnotations', with_mask=True),
                    ],
                ),
            ),
        )
    )


def cpu_time() -> float:
    """Seconds of this process and of those that it waited for."""
    return sum(os.times()[:4])


def main(args: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        os.environ['XDG_CACHE_HOME'] = str(folder / 'cache')
        write(folder, args.images, args.boxes, args.files)
        size = (folder / 'instances.json').stat().st_size
        sys.stdout.write(
            f'{args.images} images, {args.boxes} boxes, {size / 1e6:.0f} MB, '
            f'{len(os.sched_getaffinity(0))} cores\n'
        )

        init_default_scope('mmdet')
        cfg = config(folder, args.files)
        # The library is imported here, and not in the first look.
        assert next(data_sets(cfg, ('train',))).host == 'mmdet'
        for name in ('first', 'second'):
            start, cpu = time.perf_counter(), cpu_time()
            findings = list(check_coco(cfg, ('train',)))
            took, cpu = time.perf_counter() - start, cpu_time() - cpu
            forget_files()
            sys.stdout.write(
                f'{name} look: {took:.1f} s, {cpu:.1f} s of a core\n'
            )
            sys.stdout.writelines(f'{finding}\n' for finding in findings)


if __name__ == '__main__':
    main(ARGS)
