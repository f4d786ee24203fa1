"""What detectors predict: boxes and masks."""

import io
from collections import defaultdict
from collections.abc import Sequence
from contextlib import redirect_stdout
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from mmengine.fileio import load
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from mmuniformer.reports.classes import (
    FIGURES,
    Items,
    calibration_picture,
    confused_most,
    confusion_picture,
    pr_picture,
)
from mmuniformer.reports.content import Picture, Pictures, Table
from mmuniformer.reports.figures import drawable
from mmuniformer.reports.pictures import (
    colours,
    read_image,
    worst_and_best,
)
from mmuniformer.reports.samples import Samples, count_bins
from mmuniformer.visualization.instances import Instances, draw_instances

# A prediction finds an object of which it covers as much.
IOU = 0.5
NOTHING = 'background'
# Of COCOeval, numbers that are not of one class: name and place.
STATS = {
    'AP': 0,
    'AP50': 1,
    'AP75': 2,
    'AP small': 3,
    'AP medium': 4,
    'AP large': 5,
}


class Objects(NamedTuple):
    """Objects of one image, true or predicted.

    Attributes:
        labels (np.ndarray): (N,) places of their categories.
        boxes (np.ndarray): (N, 4) x, y, width and height in pixels.
        scores (np.ndarray): (N,); 1 for true ones.
        crowd (np.ndarray): (N,) bool, whether one stands for many.
        masks (list): (N,) as COCO has them, or None.
    """

    labels: np.ndarray
    boxes: np.ndarray
    scores: np.ndarray
    crowd: np.ndarray
    masks: list


def detection_items(samples: Samples, number: int) -> Items:
    """Per class and kind, confusion, curves, calibration, pictures."""
    scorings = samples.result['scorings']
    if not scorings:
        note = (
            'Tables of classes need a CocoMetric among the metrics: that of '
            'the config has another.'
        )
        return [Table('Classes', [], [], note)]
    scoring = scorings[0]
    kinds = [k for k in scoring['metrics'] if k in ('bbox', 'segm')]
    truth = quietly(COCO, scoring['truth'])
    names = [truth.cats[c]['name'] for c in scoring['categories']]
    items, evaluations = [], {}
    for kind in kinds:
        found = load_found(samples.folder, scoring, kind)
        if not found:
            note = 'The model has found nothing.'
            return [Table('Classes', [], [], note)]
        evaluations[kind] = evaluate(truth, found, kind, scoring)
    items.append(_summary(evaluations))
    for kind, evaluation in evaluations.items():
        items.append(_per_class(evaluation, kind, names))
    evaluation = evaluations[kinds[-1]]
    scores, right = scored(evaluation)
    score = best_score(scores, right, sum(_count_truths(evaluation)))
    images = objects_of(truth, scoring, found, score)
    matches = {image: match(*objects) for image, objects in images.items()}
    counts = confusion_of(images, matches, len(names))
    names_and_none = [*names, NOTHING]
    threshold = evaluation.params.iouThrs[0]
    bins = count_bins(scores.clip(0, 1), right)
    items += [
        Pictures(
            FIGURES,
            [
                confusion_picture(counts, names_and_none, 'objects'),
                *_curves(evaluation, names, kinds[-1]),
                calibration_picture(bins, f'right at IoU {threshold:g}'),
            ],
            f'The matrix has predictions of a score of {score:.2f} or more, '
            'where precision and recall are best together (F score), each '
            f'with the object that its box covers most, from an IoU of {IOU} '
            'on.',
        ),
        *confused_most(counts, names_and_none, 'objects'),
    ]
    items += _pictures(samples, images, matches, names, number, score)
    return items


def best_score(scores: np.ndarray, right: np.ndarray, truths: int) -> float:
    """The least score of a prediction with which the F score is highest.

    Args:
        scores (np.ndarray): (N,) of all predictions.
        right (np.ndarray): (N,) bool, whether each is of an object.
        truths (int): Objects in all.
    """
    order = np.argsort(-scores, kind='stable')
    hits = right[order].cumsum()
    f_scores = 2 * hits / (np.arange(1, len(hits) + 1) + truths)
    return float(scores[order][f_scores.argmax()]) if len(hits) else 0.0


def load_found(folder: Path, scoring: dict[str, Any], kind: str) -> list[dict]:
    """Predictions as the host's metric scored them."""
    found = load(str(folder / f'{scoring["found"]}.{kind}.json'))
    if kind == 'segm':
        for each in found:
            # Otherwise COCO takes the area of the box for that of the mask.
            each['box'] = each.pop('bbox', None)
    return found


def quietly(function: Any, *arguments: Any) -> Any:
    """What a function of pycocotools gives, which prints as it works."""
    with redirect_stdout(io.StringIO()):
        return function(*arguments)


def evaluate(
    truth: COCO, found: list[dict], kind: str, scoring: dict[str, Any]
) -> COCOeval:
    """COCO's evaluation with the settings of the host's metric."""
    with redirect_stdout(io.StringIO()):
        evaluation = COCOeval(truth, truth.loadRes(found), kind)
        parameters = evaluation.params
        parameters.catIds = scoring['categories']
        parameters.imgIds = truth.getImgIds()
        parameters.maxDets = scoring['most']
        parameters.iouThrs = np.array(scoring['thresholds'])
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation


def _summary(evaluations: dict[str, COCOeval]) -> Table:
    rows = [
        [
            kind,
            *(
                float(v) if (v := evaluation.stats[place]) >= 0 else None
                for place in STATS.values()
            ),
        ]
        for kind, evaluation in evaluations.items()
    ]
    return Table('All classes', ['of', *STATS], rows)


def _per_class(evaluation: COCOeval, kind: str, names: list[str]) -> Table:
    # Thresholds, recalls, categories, areas, most detections.
    precision = evaluation.eval['precision'][..., 0, -1]
    recall = evaluation.eval['recall'][..., 0, -1]
    thresholds = evaluation.params.iouThrs
    truths = _count_truths(evaluation)
    rows = []
    for index, name in enumerate(names):
        row = [name, truths[index], _mean(precision[:, :, index])]
        for threshold in (0.5, 0.75):
            at = np.flatnonzero(np.isclose(thresholds, threshold))
            row.append(_mean(precision[at, :, index]))
        row.append(_mean(recall[:, index]))
        rows.append(row)
    rows.sort(key=lambda row: (row[2] is None, row[2]))
    columns = ['class', 'objects', 'AP', 'AP50', 'AP75', 'AR']
    return Table(f'Classes by {kind}, the worst first', columns, rows)


def _mean(values: np.ndarray) -> float | None:
    values = values[values > -1]
    return float(values.mean()) if values.size else None


def _count_truths(evaluation: COCOeval) -> list[int]:
    counts = dict.fromkeys(evaluation.params.catIds, 0)
    for (_, category), objects in evaluation._gts.items():
        counts[category] += sum(not o['ignore'] for o in objects)
    return list(counts.values())


def objects_of(
    truth: COCO, scoring: dict[str, Any], found: list[dict], score: float
) -> dict[Any, tuple[Objects, Objects]]:
    """True and predicted objects of each image.

    Args:
        truth (COCO): The truth.
        scoring (dict): See :func:`mmuniformer.engine.collecting.scorings`.
        found (list[dict]): Predictions.
        score (float): The least of one that is taken.
    """
    places = {c: i for i, c in enumerate(scoring['categories'])}
    true, predicted = defaultdict(list), defaultdict(list)
    for annotation in truth.anns.values():
        if annotation['category_id'] in places:
            true[annotation['image_id']].append(annotation)
    for each in found:
        if each['score'] >= score:
            predicted[each['image_id']].append(each)
    return {
        image: (
            _objects(true[image], places, truth.imgs[image]),
            _objects(predicted[image], places, truth.imgs[image]),
        )
        for image in truth.getImgIds()
    }


def _objects(
    annotations: list[dict], places: dict[int, int], image: dict
) -> Objects:
    annotations = sorted(annotations, key=lambda a: -a.get('score', 1))
    boxes = [a.get('box') or a['bbox'] for a in annotations]
    return Objects(
        np.array([places[a['category_id']] for a in annotations], int),
        np.array(boxes, float).reshape(-1, 4),
        np.array([a.get('score', 1.0) for a in annotations]),
        np.array([bool(a.get('iscrowd')) for a in annotations], bool),
        [_mask(a.get('segmentation'), image) for a in annotations],
    )


def _mask(segmentation: Any, image: dict) -> dict | None:
    if not segmentation:
        return None
    if isinstance(segmentation, dict):
        if isinstance(segmentation['counts'], list):
            size = segmentation['size']
            return coco_mask.frPyObjects(segmentation, *size)
        return segmentation
    size = image['height'], image['width']
    return coco_mask.merge(coco_mask.frPyObjects(segmentation, *size))


def match(truth: Objects, found: Objects) -> np.ndarray:
    """Which true object each prediction is of, whatever its class.

    Args:
        truth (Objects): N of an image.
        found (Objects): M, those of high score first.

    Returns:
        np.ndarray: (M,) places of true objects; -1 for none, -2 within a
        crowd, which is neither right nor wrong.
    """
    places = np.full(len(found.labels), -1)
    if not len(truth.labels):
        return places
    free = ~truth.crowd
    for index, box in enumerate(found.boxes):
        iou = coco_mask.iou(box[None], truth.boxes, truth.crowd)[0]
        candidates = np.where(free, iou, -1)
        best = int(candidates.argmax())
        if candidates[best] >= IOU:
            places[index] = best
            free[best] = False
        elif (iou[truth.crowd] >= IOU).any():
            places[index] = -2
    return places


def confusion_of(
    images: dict[Any, tuple[Objects, Objects]],
    matches: dict[Any, np.ndarray],
    number: int,
) -> np.ndarray:
    """(N + 1, N + 1) objects by true and predicted class.

    The last row is of predictions where nothing is, the last column of
    objects that nothing was found of.
    """
    counts = np.zeros((number + 1, number + 1), np.int64)
    for image, (truth, found) in images.items():
        places = matches[image]
        missed = ~truth.crowd
        for label, place in zip(found.labels, places, strict=True):
            if place >= 0:
                counts[truth.labels[place], label] += 1
                missed[place] = False
            elif place == -1:
                counts[number, label] += 1
        np.add.at(counts, (truth.labels[missed], number), 1)
    return counts


def _curves(
    evaluation: COCOeval, names: Sequence[str], kind: str
) -> list[Picture]:
    precision = evaluation.eval['precision'][..., 0, -1]
    at = np.flatnonzero(np.isclose(evaluation.params.iouThrs, IOU))
    if not len(at):
        return []
    curves = precision[at[0]].T
    known = np.flatnonzero((curves > -1).all(1))
    if not len(known):
        return []
    title = f'Precision and recall of {kind} at IoU {IOU}'
    places = evaluation.params.recThrs
    return [
        pr_picture(places, curves[known], [names[i] for i in known], title)
    ]


def scored(evaluation: COCOeval) -> tuple[np.ndarray, np.ndarray]:
    """Scores of all predictions, and which are right.

    Args:
        evaluation (COCOeval): Its first threshold counts, and its category
            of each prediction.
    """
    everything = evaluation.params.areaRng[0]
    scores, right = [np.zeros(0)], [np.zeros(0, bool)]
    for entry in evaluation.evalImgs:
        if entry is None or entry['aRng'] != everything:
            continue
        counted = ~entry['dtIgnore'][0].astype(bool)
        scores.append(np.array(entry['dtScores'], float)[counted])
        right.append(entry['dtMatches'][0][counted] > 0)
    return np.concatenate(scores), np.concatenate(right)


def _pictures(
    samples: Samples,
    images: dict[Any, tuple[Objects, Objects]],
    matches: dict[Any, np.ndarray],
    names: list[str],
    number: int,
    score: float,
) -> Items:
    entries = [e for e in samples.entries if e['image'] in images]
    values, told = [], []
    for entry in entries:
        truth, found = images[entry['image']]
        places = matches[entry['image']]
        right = sum(
            place >= 0 and truth.labels[place] == label
            for place, label in zip(places, found.labels, strict=True)
        )
        objects = int((~truth.crowd).sum())
        guesses = int((places != -2).sum())
        total = objects + guesses
        # Of two of the same, that with more to go wrong is the better or
        # the worse one.
        share = 2 * right / total if total else np.nan
        values.append(share + (1e-6 * total if share > 0.5 else -1e-6 * total))
        told.append(
            f'{Path(entry["path"]).name}: {right} of {objects} found, '
            f'{guesses - right} wrong'
        )
    palette = colours(len(names), samples.metainfo.get('palette'))
    shown = [drawable(name, f'class {i}') for i, name in enumerate(names)]

    def drawn(index: int) -> tuple | None:
        image = read_image(entries[index]['path'])
        if image is None:
            return None
        truth, found = images[entries[index]['image']]
        draw = partial(
            draw_instances, image=image, classes=shown, colours=palette
        )
        shape = image.shape[:2]
        return [
            ('truth', partial(draw, instances=_to_draw(truth, shape, False))),
            ('found', partial(draw, instances=_to_draw(found, shape, True))),
        ], shape

    return worst_and_best(
        values,
        number,
        [entry['path'] for entry in entries],
        drawn,
        lambda i: told[i],
        f'the F score of boxes of the right class (score {score:.2f} or more, '
        f'IoU {IOU} or more)',
    )


def _to_draw(
    objects: Objects, shape: tuple[int, int], scores: bool
) -> Instances:
    boxes = objects.boxes.copy()
    boxes[:, 2:] += boxes[:, :2]
    masks = [
        None
        if mask is None or tuple(mask['size']) != shape
        else coco_mask.decode(mask).astype(bool)
        for mask in objects.masks
    ]
    return Instances(
        objects.labels, boxes, masks, objects.scores if scores else None
    )
