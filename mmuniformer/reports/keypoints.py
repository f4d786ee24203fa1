"""What pose estimators predict."""

import io
from collections import defaultdict
from contextlib import redirect_stdout
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.fileio import load

from mmuniformer.reports.classes import FIGURES, Items
from mmuniformer.reports.content import Picture, Pictures, Table
from mmuniformer.reports.figures import precision_recall
from mmuniformer.reports.pictures import read_image, worst_and_best
from mmuniformer.reports.samples import Samples
from mmuniformer.visualization.skeletons import Poses, Skeleton, draw_poses

STATS = ('AP', 'AP50', 'AP75', 'AP medium', 'AP large', 'AR')
# Of a keypoint that is drawn.
SCORE = 0.3
# Shares of the longer side of a person's box.
NEAR = (0.05, 0.1, 0.2)


def keypoint_items(samples: Samples, number: int) -> Items:
    """Average precision, each keypoint, curves, pictures."""
    known = [s for s in samples.result['scorings'] if not s['converted']]
    if not known or known[0]['kind'] != 'keypoints':
        note = (
            'Tables of keypoints need a CocoMetric among the metrics, on the '
            'keypoints of the annotation file: the config has another.'
        )
        return [Table('Keypoints', [], [], note)]
    scoring, metainfo = known[0], samples.metainfo
    found = load(str(samples.folder / f'{scoring["found"]}.keypoints.json'))
    if not found:
        return [Table('Keypoints', [], [], 'The model has found nobody.')]
    evaluation = evaluate(scoring, found, metainfo['sigmas'])
    skeleton = _skeleton(metainfo)
    people = pairs(evaluation)
    items: Items = [
        Table(
            'Average precision',
            list(STATS),
            [
                [
                    float(v) if (v := evaluation.stats[i]) >= 0 else None
                    for i in range(len(STATS))
                ]
            ],
            'Of object keypoint similarity (OKS), as COCO measures it.',
        ),
        _per_keypoint(people, skeleton.names, metainfo['sigmas']),
        _curve(evaluation),
    ]
    return items + _pictures(samples, evaluation, found, skeleton, number)


def evaluate(scoring: dict[str, Any], found: list[dict], sigmas: list) -> Any:
    """COCO's evaluation with the settings of mmpose's metric."""
    # What mmpose itself takes; only its configs need it.
    from xtcocotools.coco import COCO
    from xtcocotools.cocoeval import COCOeval

    with redirect_stdout(io.StringIO()):
        truth = COCO(scoring['truth'])
        evaluation = COCOeval(
            truth,
            truth.loadRes(found),
            'keypoints',
            np.array(sigmas, np.float32),
            scoring['use_area'],
        )
        evaluation.params.useSegm = None
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation


def _skeleton(metainfo: dict[str, Any]) -> Skeleton:
    names = metainfo.get('keypoint_id2name') or {}
    ordered = [names[key] for key in sorted(names, key=int)]
    return Skeleton(ordered, [tuple(b) for b in metainfo['skeleton_links']])


def pairs(evaluation: Any) -> list[tuple[dict, dict | None, float]]:
    """Each true person with keypoints, its best prediction and their OKS."""
    found = []
    for (image, category), similarities in evaluation.ious.items():
        truths = evaluation._gts[image, category]
        guesses = sorted(
            evaluation._dts[image, category], key=lambda d: -d['score']
        )[: evaluation.params.maxDets[-1]]
        for column, truth in enumerate(truths):
            if truth.get('iscrowd') or not truth.get('num_keypoints'):
                continue
            if not guesses:
                found.append((truth, None, 0.0))
                continue
            values = np.asarray(similarities)[:, column]
            best = int(values.argmax())
            found.append((truth, guesses[best], float(values[best])))
    return found


def _per_keypoint(
    people: list[tuple[dict, dict | None, float]],
    names: list[str],
    sigmas: list[float],
) -> Table:
    """A row for each keypoint, the worst first."""
    number = len(sigmas)
    # Of each person and keypoint: distance, side of the box, area.
    rows = []
    for truth, found, _ in people:
        points = np.reshape(truth['keypoints'], (-1, 3)).astype(float)
        shown = points[:, 2] > 0
        distance = np.full(number, np.inf)
        if found is not None:
            guess = np.reshape(found['keypoints'], (-1, 3))[:, :2]
            distance = np.linalg.norm(points[:, :2] - guess, axis=1)
        width, height = truth['bbox'][2:]
        area = truth.get('area') or width * height * 0.53
        rows.append(
            np.stack(
                [
                    np.where(shown, distance, np.nan),
                    np.full(number, max(width, height)),
                    np.full(number, area),
                ]
            )
        )
    distance, side, area = np.stack(rows, 1)
    spread = 2 * np.square(2 * np.array(sigmas)) * np.maximum(area, 1e-9)
    similarity = np.exp(-np.square(distance) / spread)
    table = []
    for index in range(number):
        known = np.isfinite(similarity[:, index])
        if not known.any():
            continue
        d, s = distance[known, index], side[known, index]
        finite = d[np.isfinite(d)]
        table.append(
            [
                names[index] if index < len(names) else f'keypoint {index}',
                int(known.sum()),
                float(similarity[known, index].mean()),
                *(100 * float((d <= share * s).mean()) for share in NEAR),
                float(np.median(finite)) if len(finite) else None,
            ]
        )
    table.sort(key=lambda row: row[2])
    columns = [
        'keypoint',
        'labelled',
        'similarity',
        *(f'within {share:g} (%)' for share in NEAR),
        'median error (pixels)',
    ]
    note = (
        'Of each labelled keypoint and the best prediction of its person: '
        'the part of OKS that is its own, and whether it is within that '
        'share of the longer side of the box (PCK).'
    )
    title = 'Keypoints, the worst first'
    return Table(title, columns, table, note)


def _curve(evaluation: Any) -> Pictures:
    precision = evaluation.eval['precision'][:, :, 0, 0, -1]
    recall = evaluation.params.recThrs
    curves = [('mean', recall, np.clip(precision, 0, 1).mean(0))]
    for threshold in (0.5, 0.75, 0.9):
        at = np.flatnonzero(np.isclose(evaluation.params.iouThrs, threshold))
        if len(at):
            values = np.clip(precision[at[0]], 0, 1)
            curves.append((f'OKS {threshold:g}', recall, values))
    title = 'Precision and recall of people'
    png = precision_recall(title, curves)
    return Pictures(FIGURES, [Picture('precision-recall', title, png)])


def _pictures(
    samples: Samples,
    evaluation: Any,
    found: list[dict],
    skeleton: Skeleton,
    number: int,
) -> Items:
    paths = {e['image']: e['path'] for e in samples.entries}
    by_image, oks = defaultdict(list), defaultdict(list)
    for each in found:
        by_image[each['image_id']].append(each)
    for truth, _, value in pairs(evaluation):
        oks[truth['image_id']].append(value)
    images = [image for image in paths if oks[image]]
    values = [float(np.mean(oks[image])) for image in images]

    def drawn(index: int) -> tuple | None:
        picture = read_image(paths[images[index]])
        if picture is None:
            return None
        coco = evaluation.cocoGt
        truths = coco.loadAnns(coco.getAnnIds(images[index]))
        truths = [t for t in truths if t.get('num_keypoints')]
        draw = partial(draw_poses, image=picture, skeleton=skeleton)
        guesses = by_image[images[index]]
        return [
            ('truth', partial(draw, poses=_poses(truths, 0))),
            ('predicted', partial(draw, poses=_poses(guesses, SCORE))),
        ], picture.shape[:2]

    return worst_and_best(
        values,
        number,
        [paths[image] for image in images],
        drawn,
        lambda i: (
            f'{Path(paths[images[i]]).name}: OKS {values[i]:.2f}, mean of '
            f'{len(oks[images[i]])} people'
        ),
        'the mean similarity (OKS) of the people in an image; of predicted '
        f'keypoints those of a score above {SCORE} are drawn',
    )


def _poses(people: list[dict], least: float) -> Poses:
    values = np.array([p['keypoints'] for p in people], float)
    values = values.reshape(len(people), -1, 3)
    return Poses(values[..., :2], values[..., 2] > least)
