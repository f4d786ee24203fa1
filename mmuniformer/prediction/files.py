"""Results in files: COCO JSON or JSON lines, written as they come."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from mmuniformer.errors import UserError
from mmuniformer.prediction.predictor import Predictor
from mmuniformer.prediction.results import (
    Objects,
    Poses,
    Result,
    rounded,
    run_lengths,
)

FORMATS = ('coco', 'jsonl')
RESULTS = ('predictions.json', 'predictions.jsonl')
# A name of a file may be no UTF-8; what replaces it is JSON's escape for it.
TEXT = dict(encoding='utf-8', errors='backslashreplace')
# COCO's own numbers of its 80 classes leave these out.
_UNUSED = (12, 26, 29, 30, 45, 66, 68, 69, 71, 83)
_COCO_IDS = [number for number in range(1, 91) if number not in _UNUSED]
_COCO_ENDS = ('person', 'toothbrush')


class ResultFile(Protocol):
    """A file that gets results one by one."""

    path: Path

    def add(self, result: Result, extra: dict[str, Any]) -> None:
        """Writes a result, and what else is known of it."""

    def close(self) -> None:
        """Makes the file complete, under its name."""


def result_file(
    kind: str | None, folder: Path, predictor: Predictor, threshold: float
) -> ResultFile:
    """The file for the results of a model.

    Args:
        kind (str, optional): 'coco' or 'jsonl'; by default COCO where it has
            a form for the task.
        folder (Path): Where it will be.
        predictor (Predictor): The model.
        threshold (float): Score from which a keypoint counts as visible.

    Raises:
        UserError: If COCO has no form for it.
    """
    has_form = predictor.task in ('detection', 'pose')
    kind = kind or ('coco' if has_form else 'jsonl')
    if kind == 'coco' and not has_form:
        raise UserError(
            '--format coco is for boxes, masks and keypoints; the results of '
            f'a model for {predictor.task} go into jsonl'
        )
    if kind == 'coco':
        return CocoFile(folder, _categories(predictor), threshold)
    return LinesFile(folder)


class LinesFile:
    """A line of JSON for each image, frame or video.

    Args:
        folder (Path): Where it will be.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / RESULTS[1]
        self._part = folder / '.predictions.jsonl.part'
        self._file = self._part.open('w', **TEXT)

    def add(self, result: Result, extra: dict[str, Any]) -> None:
        """Writes a result, and what else is known of it."""
        entry = {**result.to_dict(), **extra}
        self._file.write(json.dumps(entry, ensure_ascii=False) + '\n')

    def close(self) -> None:
        """Makes the file complete, under its name."""
        self._file.close()
        os.replace(self._part, self.path)


class CocoFile:
    """One file as COCO's annotations are, with scores.

    Images and annotations come in turns and are two lists of the file: they
    are written to a file each, and put together in the end.

    Args:
        folder (Path): Where it will be.
        categories (list[dict]): COCO's.
        threshold (float): Score from which a keypoint is visible.
    """

    def __init__(
        self, folder: Path, categories: list[dict], threshold: float
    ) -> None:
        self.path = folder / RESULTS[0]
        self.categories = categories
        self.threshold = threshold
        self._parts = [
            folder / f'.predictions.{kind}.part'
            for kind in ('images', 'annotations')
        ]
        self._images, self._annotations = (
            part.open('w+', **TEXT) for part in self._parts
        )
        self._counts = [0, 0]

    def add(self, result: Result, extra: dict[str, Any]) -> None:
        """Writes a result, and what else is known of it."""
        image = dict(
            id=self._counts[0] + 1,
            file_name=result.file,
            width=result.width,
            height=result.height,
        )
        if result.frame is not None:
            image['frame'] = result.frame
        self._write(0, {**image, **extra})
        annotations = (
            self._of_objects(result)
            if isinstance(result, Objects)
            else self._of_poses(result)
        )
        for annotation in annotations:
            number = self._counts[1] + 1
            whole = dict(
                id=number, image_id=image['id'], iscrowd=0, **annotation
            )
            self._write(1, whole)

    def close(self) -> None:
        """Makes the file complete, under its name."""
        part = self.path.with_name('.predictions.part')
        with part.open('w', **TEXT) as file:
            file.write('{"categories": ')
            json.dump(self.categories, file, ensure_ascii=False)
            for name, lines in (
                ('images', self._images),
                ('annotations', self._annotations),
            ):
                lines.seek(0)
                file.write(f',\n"{name}": [\n')
                file.writelines(lines)
                file.write('\n]')
                lines.close()
            file.write('}\n')
        os.replace(part, self.path)
        for path in self._parts:
            path.unlink()

    def _write(self, which: int, entry: dict[str, Any]) -> None:
        file = (self._images, self._annotations)[which]
        comma = ',\n' if self._counts[which] else ''
        file.write(comma + json.dumps(entry, ensure_ascii=False))
        self._counts[which] += 1

    def _of_objects(self, result: Objects) -> list[dict[str, Any]]:
        entries = []
        for index, box in enumerate(result.boxes):
            label = int(result.labels[index])
            entry = dict(
                category_id=self.categories[label]['id'],
                score=rounded(result.scores[index], 5),
                **_box(box),
            )
            if result.masks is not None:
                mask = result.masks[index]
                entry['segmentation'] = run_lengths(mask)
                entry['area'] = int(mask.sum())
            entries.append(entry)
        return entries

    def _of_poses(self, result: Poses) -> list[dict[str, Any]]:
        entries = []
        for index, points in enumerate(result.keypoints):
            scores = result.scores[index]
            seen = np.where(scores >= self.threshold, 2, 1)
            rows = [
                [*rounded(point), int(visible)]
                for point, visible in zip(points, seen, strict=True)
            ]
            entries.append(
                dict(
                    category_id=self.categories[0]['id'],
                    score=rounded(result.box_scores[index], 5),
                    **_box(result.boxes[index]),
                    keypoints=[value for row in rows for value in row],
                    num_keypoints=int((seen == 2).sum()),
                    keypoint_scores=rounded(scores, 4),
                )
            )
        return entries


def _box(corners: np.ndarray) -> dict[str, Any]:
    x1, y1, x2, y2 = map(float, corners)
    area = rounded(max(0, x2 - x1) * max(0, y2 - y1))
    return dict(bbox=rounded([x1, y1, x2 - x1, y2 - y1]), area=area)


def _categories(predictor: Predictor) -> list[dict[str, Any]]:
    names = predictor.class_names
    ids = _category_ids(names)
    categories: list[dict[str, Any]] = [
        dict(id=number, name=name)
        for number, name in zip(ids, names, strict=True)
    ]
    if predictor.task == 'pose':
        categories[0]['keypoints'] = list(predictor.keypoints)
        categories[0]['skeleton'] = [
            [first + 1, last + 1] for first, last in predictor.links
        ]
    return categories


def _category_ids(names: Sequence[str]) -> list[int]:
    """COCO's own numbers for its own classes, and 1, 2, 3, ... for others."""
    ends = (names[0], names[-1]) if names else ()
    if len(names) == len(_COCO_IDS) and ends == _COCO_ENDS:
        return _COCO_IDS
    return list(range(1, len(names) + 1))
