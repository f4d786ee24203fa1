"""A COCO file in the other forms that people have, written independently."""

import json
import os
from collections import defaultdict
from pathlib import Path

import numpy as np
from PIL import Image

from mmuniformer.datasets.shapes import generate

# Not in the order of anything.
IDS = (42, 7, 11, 3, 108, 90)


def source_files(root: Path) -> tuple[Path, Path, Path]:
    """Images, a COCO file of boxes and masks, and one of keypoints.

    Real ones, whose people are of two classes, or generated ones.
    """
    real = Path(os.environ.get('MMUNIFORMER_TEST_DATA', ''), 'coco-mini')
    root.mkdir(parents=True, exist_ok=True)
    if real.is_dir():
        images, poses = real / 'images', real / 'person_keypoints.json'
        content = json.loads(poses.read_text())
        names = ['sitter', 'player', 'skier']
        of = {785: 2, 40083: 0, 196141: 1, 197388: 2}
        labels = [of[a['image_id']] for a in content['annotations']]
    else:
        generate(root / 'shapes', train=6, val=1, size=96)
        images = root / 'shapes/images/train'
        folder = root / 'shapes/annotations'
        poses = folder / 'person_keypoints_train.json'
        content = json.loads((folder / 'instances_train.json').read_text())
        names = [c['name'] for c in content['categories']]
        numbers = [c['id'] for c in content['categories']]
        labels = [
            numbers.index(a['category_id']) for a in content['annotations']
        ]
    content['categories'] = [
        dict(id=IDS[n], name=name) for n, name in enumerate(names)
    ]
    for annotation, label in zip(content['annotations'], labels, strict=True):
        annotation['category_id'] = IDS[label]
    objects = root / 'objects.json'
    objects.write_text(json.dumps(content))
    return images, objects, poses


class Truth:
    """What a COCO file says, read without any reader of ours."""

    def __init__(self, file: Path) -> None:
        content = json.loads(file.read_text())
        self.names = [c['name'] for c in content['categories']]
        self.sizes = {
            i['file_name']: (i['width'], i['height'])
            for i in content['images']
        }
        by_id = {c['id']: c['name'] for c in content['categories']}
        files = {i['id']: i['file_name'] for i in content['images']}
        self.objects = defaultdict(list)
        for annotation in content['annotations']:
            self.objects[files[annotation['image_id']]].append(
                (by_id[annotation['category_id']], annotation)
            )


def write_yolo(truth: Truth, root: Path, kind: str = 'boxes') -> Path:
    """Label files with 'boxes', 'polygons' or 'keypoints'; their folder."""
    folder = root / 'labels'
    folder.mkdir(parents=True)
    (root / 'classes.txt').write_text('\n'.join(truth.names) + '\n')
    for file, size in truth.sizes.items():
        rows = []
        for name, annotation in truth.objects[file]:
            x, y, width, height = annotation['bbox']
            values = [x + width / 2, y + height / 2, width, height]
            values = np.divide(values, [*size, *size]).tolist()
            if kind == 'polygons':
                # All parts of it in one, as there is one in a line.
                polygon = np.concatenate(annotation['segmentation'])
                values = (polygon.reshape(-1, 2) / size).ravel().tolist()
            if kind == 'keypoints':
                points = np.reshape(annotation['keypoints'], (-1, 3))
                points = points / [*size, 1]
                values += points.ravel().tolist()
            words = [f'{value:.7f}' for value in values]
            rows.append(' '.join([str(truth.names.index(name)), *words]))
        text = '\n'.join(rows)
        (folder / Path(file).with_suffix('.txt').name).write_text(text)
    return folder


def write_voc(truth: Truth, root: Path, first_pixel: int) -> Path:
    """XML files of whole pixels; their folder."""
    root.mkdir(parents=True)
    for file, (width, height) in truth.sizes.items():
        objects = []
        for name, annotation in truth.objects[file]:
            x, y, w, h = annotation['bbox']
            # Counted from 1, and the last pixel belongs to it: VOC's.
            corners = dict(
                xmin=round(x) + first_pixel,
                ymin=round(y) + first_pixel,
                xmax=round(x + w),
                ymax=round(y + h),
            )
            box = ''.join(f'<{k}>{v}</{k}>' for k, v in corners.items())
            objects.append(
                f'<object><name>{name}</name><bndbox>{box}</bndbox></object>'
            )
        text = (
            f'<annotation><filename>{file}</filename><size><width>{width}'
            f'</width><height>{height}</height></size>{"".join(objects)}'
            '</annotation>'
        )
        (root / Path(file).with_suffix('.xml').name).write_text(text)
    return root


def write_masks(maps: dict[str, np.ndarray], folder: Path) -> Path:
    """PNG files by name."""
    folder.mkdir(parents=True)
    for name, values in maps.items():
        Image.fromarray(values).save(folder / f'{name}.png')
    return folder
