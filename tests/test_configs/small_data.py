"""Data sets of a few images or videos: real ones, else generated ones.

Real ones lie in the folder that MMUNIFORMER_TEST_DATA names.
"""

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import cv2
import torch

from mmuniformer.datasets.shapes import CLASSES, generate, generate_videos


@dataclass(frozen=True)
class CocoData:
    """A data set in COCO format: folder, annotation file, image prefix."""

    root: Path
    ann_file: str
    img_prefix: str

    @property
    def classes(self) -> tuple[str, ...]:
        content = json.loads((self.root / self.ann_file).read_text())
        return tuple(c['name'] for c in content['categories'])


@dataclass(frozen=True)
class SemanticData:
    """Images, maps of labels and the names of the labels."""

    root: Path
    prefix: dict[str, str]
    classes: tuple[str, ...]


@dataclass(frozen=True)
class KeypointData:
    """People in COCO format, and boxes that a detector has found."""

    root: Path
    ann_file: str
    img_prefix: str
    bbox_file: str

    @property
    def people(self) -> list[dict]:
        """The annotations that have keypoints."""
        content = json.loads((self.root / self.ann_file).read_text())
        return [a for a in content['annotations'] if a['num_keypoints']]


@dataclass(frozen=True)
class ClassData:
    """An image in a folder for each class, and label maps beside them."""

    root: Path
    number: int = 5

    @property
    def label_root(self) -> Path:
        return self.root / 'labels'


@dataclass(frozen=True)
class VideoData:
    """Videos and folders with their frames, each with a label of its own."""

    root: Path
    names: tuple[str, ...]
    video_list: str = 'videos.txt'
    frame_list: str = 'frames.txt'
    frame_name: str = 'img_{:05}.jpg'


def real_data(name: str) -> Path | None:
    """A folder of the real data."""
    root = os.environ.get('MMUNIFORMER_TEST_DATA')
    return Path(root) / name if root else None


def make_shapes(root: Path) -> None:
    """Generates images, and boxes that a detector might have found."""
    generate(root, train=8, val=1, size=160)
    data = shapes_keypoints(root)
    keys = ('image_id', 'category_id', 'bbox')
    detections = [
        {key: person[key] for key in keys} | {'score': 0.9}
        for person in data.people
        for _ in range(2)
    ]
    Path(data.bbox_file).write_text(json.dumps(detections))


def shapes_instances(root: Path) -> CocoData:
    return CocoData(root, 'annotations/instances_train.json', 'images/train/')


def shapes_labels(root: Path) -> SemanticData:
    prefix = dict(img_path='images/train', seg_map_path='segmentation/train')
    return SemanticData(root, prefix, ('background', *CLASSES))


def shapes_keypoints(root: Path) -> KeypointData:
    return KeypointData(
        root,
        'annotations/person_keypoints_train.json',
        'images/train/',
        str(root / 'detections.json'),
    )


def make_classes(root: Path, images: list[Path]) -> None:
    """An image of each class, with a label map of classes in any order."""
    data = ClassData(root)
    torch.manual_seed(0)
    for index in range(data.number):
        path = images[index % len(images)]
        for folder in ('train', 'val', 'labels'):
            (root / folder / f'n{index}').mkdir(parents=True, exist_ok=True)
        place = f'n{index}/{index}'
        for split in ('train', 'val'):
            shutil.copy(path, root / split / f'{place}{path.suffix}')
        scores = torch.randn(5, 6, 6).sort(0, descending=True).values
        classes = torch.rand(data.number, 6, 6).argsort(0)
        torch.save(
            torch.stack([scores, classes]).half(),
            data.label_root / f'{place}.pt',
        )


def video_files(shapes: Path) -> list[Path]:
    """Three videos; generated ones are in the folder."""
    real = real_data('video-mini')
    if real is None:
        return sorted((shapes / 'videos_train').iterdir())
    names = ('demo', 'test', 'demo_spatiotemporal_det')
    return [real / f'{name}.mp4' for name in names]


def make_videos(root: Path) -> None:
    """Writes lists of videos, and of folders with their frames."""
    if real_data('video-mini') is None:
        generate_videos(root / 'shapes', train=3, val=1)
    data = videos(root)
    lists, folders = [], []
    for label, path in enumerate(video_files(root / 'shapes')):
        lists.append(f'{path} {label}')
        count = split_video(path, root / path.stem, data.frame_name)
        folders.append(f'{path.stem} {count} {label}')
    (root / data.video_list).write_text('\n'.join(lists))
    (root / data.frame_list).write_text('\n'.join(folders))


def videos(root: Path) -> VideoData:
    names = (path.stem for path in video_files(root / 'shapes'))
    return VideoData(root, tuple(names))


def split_video(path: Path, folder: Path, name: str) -> int:
    """Writes the first frames of a video, and gives their number."""
    folder.mkdir()
    video, count = cv2.VideoCapture(str(path)), 8
    for index in range(count):
        read, frame = video.read()
        assert read
        cv2.imwrite(str(folder / name.format(index + 1)), frame)
    return count
