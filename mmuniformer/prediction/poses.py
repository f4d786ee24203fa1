"""Keypoints in the boxes of a detector, of a file or of whole images."""

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mmuniformer.errors import UserError
from mmuniformer.prediction.models import LoadedModel
from mmuniformer.prediction.predictor import Predictor, Prepared, as_array
from mmuniformer.prediction.results import Objects, Poses, Result

# What mmpose's Inferencer has: overlap from which a box is another's double.
OVERLAP = 0.3
# Crops that go through the model at once, whatever the batch of images.
CROPS = 32


class Boxes(NamedTuple):
    """Where keypoints are looked for in an image.

    Attributes:
        boxes (np.ndarray): (N, 4) x1, y1, x2, y2 in pixels, float32.
        scores (np.ndarray): (N,).
    """

    boxes: np.ndarray
    scores: np.ndarray


BoxesOf = Callable[[Sequence[Prepared], int], list[Boxes]]


class PosePredictor(Predictor):
    """A pose estimator with what finds the boxes for it.

    Args:
        loaded (LoadedModel): The model of mmpose.
        threshold (float): Least score of a keypoint that is shown.
        half (bool): In half precision.
        boxes_of (Callable, optional): Boxes of images, given these and a
            batch size; by default the whole of each image is one box. A model
            that finds people itself asks for none.
    """

    def __init__(
        self,
        loaded: LoadedModel,
        threshold: float = 0.3,
        half: bool = False,
        boxes_of: BoxesOf | None = None,
    ) -> None:
        super().__init__(loaded, threshold, half)
        self.boxes_of = boxes_of or whole_images
        meta = loaded.metainfo
        names = meta.get('keypoint_id2name') or {}
        self.keypoints = tuple(names[i] for i in sorted(names))
        self.links = tuple(
            (int(first), int(last))
            for first, last in meta.get('skeleton_links') or ()
        )
        # What a box is of: mmpose's data sets have one class.
        self.classes = self.classes[:1] or ('person',)
        self.is_top_down = loaded.data_mode == 'topdown'

    @property
    def class_names(self) -> tuple[str, ...]:
        """The name of what has the keypoints."""
        return self.classes

    def prepare(self, item: Any) -> Prepared:
        """Reads an image; its crops are cut when the boxes are known."""
        loaded = self.pipeline.load(item.place, item.image, item.source.file)
        results = {**loaded.results, **self.loaded.metainfo}
        return Prepared(item, loaded.image, results, loaded.image.shape[:2])

    def inputs(self, prepared: Prepared) -> list[dict]:
        """One for each box; the image where the model finds people itself."""
        if not self.is_top_down:
            return [self.pipeline.finish(prepared.data)[0]]
        (boxes,) = self.boxes_of([prepared], 1)
        return self.crops(prepared, boxes)

    def predict(
        self, prepared: Sequence[Prepared], batch_size: int = 1
    ) -> list[Result]:
        """Runs the detector, and the model on what it finds."""
        if not self.is_top_down:
            data = [self.pipeline.finish(p.data)[0] for p in prepared]
            samples = self.run(data, batch_size)
            return [
                self._result(one, sample.pred_instances, None)
                for one, sample in zip(prepared, samples, strict=True)
            ]
        found = self.boxes_of(prepared, batch_size) if prepared else []
        crops = []
        for one, boxes in zip(prepared, found, strict=True):
            crops += self.crops(one, boxes)
        samples = iter(self.run(crops, max(batch_size, CROPS)))
        return [
            self._people(one, boxes, [next(samples) for _ in boxes.boxes])
            for one, boxes in zip(prepared, found, strict=True)
        ]

    def crops(self, prepared: Prepared, boxes: Boxes) -> list[dict]:
        """What the model takes of each box of an image.

        Args:
            prepared (Prepared): From :meth:`prepare`.
            boxes (Boxes): Of that image.
        """
        return [
            self.pipeline.finish(
                dict(prepared.data, bbox=box[None], bbox_score=score[None])
            )[0]
            for box, score in zip(boxes.boxes, boxes.scores, strict=True)
        ]

    def _people(
        self, prepared: Prepared, boxes: Boxes, samples: Sequence[Any]
    ) -> Poses:
        number = len(self.keypoints)
        points = np.zeros((len(samples), number, 2), np.float32)
        scores = np.zeros((len(samples), number), np.float32)
        if samples:
            instances = [sample.pred_instances for sample in samples]
            points = np.concatenate([as_array(i.keypoints) for i in instances])
            scores = np.concatenate(
                [as_array(i.keypoint_scores) for i in instances]
            )
        return self._poses(prepared, boxes, points, scores)

    def _result(
        self, prepared: Prepared, found: Any, boxes: Boxes | None
    ) -> Poses:
        points = as_array(found.keypoints)[..., :2]
        scores = as_array(found.keypoint_scores)
        if 'bboxes' in found:
            corners = as_array(found.bboxes)
        elif len(points):
            corners = np.concatenate([points.min(1), points.max(1)], axis=1)
        else:
            corners = np.zeros((0, 4))
        sure = found.get('bbox_scores', scores.mean(-1))
        boxes = Boxes(corners.astype(np.float32), as_array(sure))
        kept = boxes.scores >= self.threshold
        return self._poses(
            prepared, Boxes(*(b[kept] for b in boxes)), points[kept],
            scores[kept],
        )  # fmt: skip

    def _poses(
        self,
        prepared: Prepared,
        boxes: Boxes,
        points: np.ndarray,
        scores: np.ndarray,
    ) -> Poses:
        count = scores.shape[1]
        names = self.keypoints
        names += tuple(map(str, range(len(names), count)))
        return Poses(
            file=prepared.item.source.file,
            height=prepared.size[0],
            width=prepared.size[1],
            frame=prepared.item.frame,
            boxes=boxes.boxes,
            box_scores=boxes.scores,
            keypoints=points.astype(np.float32),
            scores=scores.astype(np.float32),
            names=names,
            links=self.links,
        )


def whole_images(prepared: Sequence[Prepared], batch_size: int) -> list[Boxes]:
    """One box that has all of an image in it, as mmpose's Inferencer has."""
    return [
        Boxes(
            np.array([[0, 0, one.size[1], one.size[0]]], np.float32),
            np.ones(1, np.float32),
        )
        for one in prepared
    ]


class Detected:
    """Boxes of a detector of ours.

    Args:
        detector (Predictor): For detection.
        classes (Sequence[str], optional): Those whose boxes are taken; by
            default 'person', or all if the detector has no such class.

    Raises:
        UserError: If the detector has no such class.
    """

    def __init__(
        self, detector: Predictor, classes: Sequence[str] | None = None
    ) -> None:
        if detector.task != 'detection':
            raise UserError(
                f'--detector takes a detector, not a model for {detector.task}'
            )
        if classes is None:
            known = 'person' in detector.classes
            classes = ['person'] if known else detector.classes
        unknown = [name for name in classes if name not in detector.classes]
        if unknown:
            raise UserError(
                f'--detector-classes {unknown[0]}: the detector has '
                f'{", ".join(detector.classes)}'
            )
        self.detector = detector
        self.classes = tuple(classes)

    def __call__(
        self, prepared: Sequence[Prepared], batch_size: int
    ) -> list[Boxes]:
        """Boxes of images, without doubles."""
        again = []
        for one in prepared:
            # Read once: the detector's own pipeline goes on from the image.
            pipeline = self.detector.pipeline
            loaded = pipeline.load(one.item.place, one.image)
            data, _ = pipeline.finish(loaded.results)
            again.append(Prepared(one.item, one.image, data, one.size))
        results = self.detector.predict(again, batch_size)
        return [self._boxes(result) for result in results]

    def _boxes(self, result: Objects) -> Boxes:
        from mmpose.evaluation.functional import nms

        wanted = [name in self.classes for name in result.names]
        boxes, scores = result.boxes[wanted], result.scores[wanted]
        if not len(boxes):
            return Boxes(boxes, scores)
        kept = nms(np.concatenate([boxes, scores[:, None]], 1), OVERLAP)
        return Boxes(boxes[kept], scores[kept])


class Filed:
    """Boxes of a file.

    Args:
        file (str): COCO JSON: annotations with their images, by whose file
            names the boxes are found, or a list of results, by the number
            that an image has for its name.
        threshold (float): Least score of a box, where it has one.

    Raises:
        UserError: If it is no such file.
    """

    def __init__(self, file: str, threshold: float) -> None:
        self.file = file
        try:
            content = json.loads(Path(file).read_text())
            self._by_name = _boxes_by_name(content, threshold)
        except OSError as error:
            raise UserError(f'--boxes {file}: {error.strerror}') from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise UserError(
                f'--boxes {file}: it is no COCO file with boxes, and no list '
                'of results with image_id and bbox'
            ) from error

    def __call__(
        self, prepared: Sequence[Prepared], batch_size: int
    ) -> list[Boxes]:
        """Boxes of images, by their names; none of one that is not there."""
        return [self._of(one) for one in prepared]

    def _of(self, one: Prepared) -> Boxes:
        path = Path(one.item.source.file)
        frame = '' if one.item.frame is None else f'#{one.item.frame}'
        rows = self._by_name.get(f'{path}{frame}')
        if rows is None:
            rows = self._by_name.get(f'{path.name}{frame}')
        if rows is None and path.stem.isdigit():
            rows = self._by_name.get(int(path.stem))
        values = np.array(rows or np.zeros((0, 5)), np.float32)
        return Boxes(values[:, :4], values[:, 4])


def _boxes_by_name(
    content: Any, threshold: float
) -> dict[str | int, list[list[float]]]:
    names: dict[Any, list[str]] = {}
    entries = content
    if isinstance(content, Mapping):
        entries = content['annotations']
        for image in content['images']:
            path, frame = Path(image['file_name']), image.get('frame')
            mark = '' if frame is None else f'#{frame}'
            names[image['id']] = [f'{path}{mark}', f'{path.name}{mark}']
        times = Counter(name for _, name in names.values())
        for keys in names.values():
            if times[keys[1]] > 1:
                # Of images in several folders.
                keys.pop()
    found: dict[str | int, list[list[float]]] = {}
    for keys in names.values():
        found.update((key, []) for key in keys)
    for entry in entries:
        x, y, width, height = map(float, entry['bbox'])
        score = float(entry.get('score', 1))
        if score < threshold:
            continue
        row = [x, y, x + width, y + height, score]
        number = entry['image_id']
        for key in dict.fromkeys(names.get(number, [number])):
            found.setdefault(key, []).append(row)
    return found
