"""Small files of the data sets of mmpose, in their official form."""

import json
from pathlib import Path

WIDTH, HEIGHT = 200, 160
PARTS = dict(foot=6, face=68, lefthand=21, righthand=21)
# Keys besides those of COCO, by data set.
SCALED = dict(center=[60, 60], scale=0.4)
EXTRA = {
    'AFLWDataset': SCALED | dict(box_size=80.0),
    'Face300WDataset': SCALED,
    'Face300VWDataset': SCALED,
    'WFLWDataset': SCALED,
    'COFWDataset': SCALED | dict(box_size=80.0),
    'PanopticHand2DDataset': dict(head_size=50.0),
    'MpiiTrbDataset': SCALED
    | dict(num_joints=40, headbox=[[50, 20], [70, 40]]),
}
WHOLE = ('CocoWholeBodyDataset', 'UBody2dDataset')
CUTS = ('CocoWholeBodyFaceDataset', 'CocoWholeBodyHandDataset')


def points(number: int, visibility: int = 2) -> list[float]:
    """Keypoints within the box of :func:`person`."""
    return [
        value
        for i in range(number)
        for value in (50 + i % 40, 40 + i // 4 % 40, visibility)
    ]


def person(name: str, number: int, id: int = 1) -> dict:
    """An annotation of a data set of this class."""
    body = 17 if name in WHOLE + CUTS + ('HumanArt21Dataset',) else number
    entry = dict(
        id=id, image_id=1, category_id=1, iscrowd=0, area=900.0,
        bbox=[40, 30, 60, 70], num_keypoints=body, keypoints=points(body),
        segmentation=[[40, 30, 100, 30, 100, 100]],
    )  # fmt: skip
    if name in WHOLE + CUTS:
        for part, count in PARTS.items():
            entry[f'{part}_kpts'] = points(count)
            entry[f'{part}_valid'] = True
            entry[f'{part}_box'] = [45.0, 35.0, 50.0, 50.0]
    if name == 'HumanArt21Dataset':
        entry['keypoints_21'] = points(21)
    return entry | EXTRA.get(name, {})


def content(
    name: str, number: int, names: list[str] | None = None, people: int = 2
) -> dict:
    """A file of a data set of this class."""
    category = dict(id=1, name='person', supercategory='person', skeleton=[])
    if names:
        category['keypoints'] = names
    image = dict(id=1, file_name='1.jpg', width=WIDTH, height=HEIGHT)
    if name == 'PoseTrack18VideoDataset':
        image |= dict(frame_id=10000001, nframes=30, file_name='v/000001.jpg')
    return dict(
        images=[image],
        categories=[category],
        annotations=[person(name, number, i + 1) for i in range(people)],
    )


def write(path: Path, value: object) -> str:
    """Writes JSON; returns the path as a config has it."""
    path.write_text(json.dumps(value))
    return str(path)
