"""What is asked of a model: the score of a class, of boxes, of a keypoint."""

import copy
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torchvision.ops import box_iou

from mmuniformer.checks.finding import did_you_mean, few, nearest
from mmuniformer.errors import UserError
from mmuniformer.prediction.poses import PosePredictor
from mmuniformer.prediction.predictor import Predictor
from mmuniformer.prediction.views import View
from mmuniformer.visualization.tags import line_width

# Overlap from which a box of another input is the same box.
SAME = 0.5
# Scores are no nearer to 0 and 1: their log odds are finite.
SURE = 1e-6
WHITE, BLACK = (255, 255, 255), (0, 0, 0)

Mark = Callable[[np.ndarray], None]


class NothingFound(UserError):
    """An input in which there is nothing of what is asked for."""


@dataclass(frozen=True, eq=False)
class Target:
    """What is asked of a model for one view.

    Attributes:
        scores (nn.Module): Takes a batch of inputs like the view's and gives
            a score (B,) for each; gradients go through it.
        name (str): What is asked for, with its score.
        mark (Callable): Draws it on the view's picture of any size, in which
            channels have any order.
    """

    scores: nn.Module
    name: str
    mark: Mark = field(default=lambda picture: None)


def target_of(
    predictor: Predictor,
    view: View,
    wanted: str | None = None,
    box: int | None = None,
) -> Target:
    """Chooses what is asked for.

    Args:
        predictor (Predictor): The model.
        view (View): What it gets.
        wanted (str, optional): A class, of a pose model a keypoint, by name or
            number; by default what the model predicts: the class of the
            highest score, of the best box or of most pixels (that are no
            background), the surest keypoint.
        box (int, optional): One of a detector's boxes of the class, from 1 in
            order of their scores; all of them by default.

    Raises:
        NothingFound: If there is nothing of it in the input.
        UserError: If there is no such class or keypoint.
    """
    if box is not None and predictor.task != 'detection':
        raise UserError(
            f'--box is for detectors, and this is a model for {predictor.task}'
        )
    with predictor.scope():
        if predictor.task == 'detection':
            return _of_boxes(predictor, view, wanted, box)
        return _MAKERS[predictor.task](predictor, view, wanted)


def choose(wanted: str, names: Sequence[str], what: str) -> int:
    """The index of a name, or of a number in the place of one.

    Args:
        wanted (str): What the user gave.
        names (Sequence[str]): What there is.
        what (str): What these are: 'class' or 'keypoint'.

    Raises:
        UserError: If there is none.
    """
    if wanted in names:
        return list(names).index(wanted)
    if wanted.isdigit() and int(wanted) < len(names):
        return int(wanted)
    raise UserError(
        f'--target {wanted}: the model knows no such {what}; it has '
        f'{len(names)} ({few(list(names))})'
        f'{did_you_mean(nearest(wanted, names))}'
    )


class _Scores(nn.Module):
    """A score of what a network gives out.

    Args:
        net (nn.Module): The network.
        run (Callable): Takes it and a batch.
        score (Callable): Takes what ``run`` gives, and gives (B,).
    """

    def __init__(self, net: nn.Module, run: Callable, score: Callable):
        super().__init__()
        self.net = net
        self.run = run
        self.score = score

    def forward(self, x: Tensor) -> Tensor:
        return self.score(self.run(self.net, x))


def _logits(net: nn.Module, x: Tensor) -> Tensor:
    """Of a classifier or recognizer (B, classes)."""
    if x.dim() == 5:
        # A clip is one of several that a video has.
        return net(x[:, None], mode='tensor', stage='head')
    return net(x, mode='tensor')


def _is_multi_label(net: nn.Module) -> bool:
    """Whether each class of a classifier has a probability by itself."""
    return any(
        kind.__name__ == 'MultiLabelClsHead'
        for part in net.modules()
        for kind in type(part).__mro__
    )


def _of_class(predictor: Predictor, view: View, wanted: str | None) -> Target:
    net, names = predictor.loaded.net, predictor.class_names
    with torch.no_grad():
        logits = _logits(net, view.inputs)[0].float()
    shares = logits.sigmoid() if _is_multi_label(net) else logits.softmax(0)
    index = int(shares.argmax())
    if wanted is not None:
        index = choose(wanted, names, 'class')
    return Target(
        _Scores(net, _logits, lambda logits: logits[:, index]),
        f'{names[index]} {100 * float(shares[index]):.0f} %',
    )


def _label_logits(net: nn.Module, x: Tensor) -> Tensor:
    """Of a segmentor (B, classes, h, w)."""
    logits = net(x, mode='tensor')
    if logits.shape[1] > 1:
        return logits
    # A class or not: one number for both, found from the head's share on.
    share = torch.as_tensor(net.decode_head.threshold).clamp(SURE, 1 - SURE)
    logits = logits - share.logit()
    return torch.cat([-logits, logits], 1)


def _of_pixels(predictor: Predictor, view: View, wanted: str | None) -> Target:
    net, names = predictor.loaded.net, predictor.class_names
    with torch.no_grad():
        labels = _label_logits(net, view.inputs)[0].argmax(0)
    seen = view.without_padding(labels.cpu().numpy())
    counts = np.bincount(seen.ravel(), minlength=len(names))
    if wanted is None:
        foreground = [n.lower() != 'background' for n in names]
        some = (counts * foreground).any()
        index = int((counts * foreground if some else counts).argmax())
    else:
        index = choose(wanted, names, 'class')
        if not counts[index]:
            raise NothingFound(
                f'--target {wanted}: no pixel of the picture is found to be '
                f'{names[index]}'
            )
    mask = torch.zeros_like(labels, dtype=torch.bool)
    mask[: seen.shape[0], : seen.shape[1]] = True
    mask &= labels == index
    return Target(
        _Scores(
            net,
            _label_logits,
            lambda logits: (
                logits[:, index].flatten(1)[:, mask.ravel()].mean(1)
            ),
        ),
        f'{names[index]} {100 * counts[index] / seen.size:.0f} % of pixels',
        lambda picture: _mark_mask(picture, seen == index),
    )


def _heatmaps(net: nn.Module, x: Tensor) -> tuple[Tensor, ...]:
    """Of a pose model: maps (B, K, h, w), or one for each axis (B, K, n)."""
    out = net(x, None, mode='tensor')
    maps = out if isinstance(out, tuple | list) else (out,)
    if not all(isinstance(m, Tensor) and m.dim() in (3, 4) for m in maps) or (
        maps[0].dim() == 3 and maps[0].shape[2] <= 3
    ):
        raise UserError('the pose model has no heatmaps of its keypoints')
    return tuple(maps)


def _peaks(maps: tuple[Tensor, ...]) -> Tensor:
    """The highest value of each keypoint (B, K)."""
    return torch.stack([m.flatten(2).amax(2) for m in maps]).mean(0)


def _of_keypoint(
    predictor: PosePredictor, view: View, wanted: str | None
) -> Target:
    net, names = predictor.loaded.net, predictor.keypoints
    with torch.no_grad():
        maps = _heatmaps(net, view.inputs)
        peaks = _peaks(maps)[0]
    names += tuple(map(str, range(len(names), len(peaks))))
    index = int(peaks.argmax())
    if wanted is not None:
        index = choose(wanted, names, 'keypoint')
    of_keypoint = [m[0, index] for m in maps]
    if of_keypoint[0].dim() == 2:
        row, column = divmod(
            int(of_keypoint[0].argmax()), of_keypoint[0].shape[1]
        )
        height, width = of_keypoint[0].shape
    else:
        column, row = (int(m.argmax()) for m in of_keypoint)
        width, height = (len(m) for m in of_keypoint)
    place = ((column + 0.5) / width, (row + 0.5) / height)
    return Target(
        _Scores(net, _heatmaps, lambda maps: _peaks(maps)[:, index]),
        f'{names[index]} {float(peaks[index]):.2f}',
        lambda picture: _mark_point(picture, place),
    )


class _Detections:
    """What a detector finds in a batch, in pixels of its inputs.

    Args:
        samples (list): The library's, of one input.
    """

    def __init__(self, samples: list[Any]) -> None:
        self.samples = samples

    def __call__(self, net: nn.Module, x: Tensor) -> list[Any]:
        samples = [
            copy.deepcopy(self.samples[0]).to(x.device) for _ in range(len(x))
        ]
        roi_head = getattr(net, 'roi_head', None)
        mask_head = getattr(roi_head, 'mask_head', None)
        if mask_head is not None:
            # Masks take much memory, and no score depends on them.
            roi_head.mask_head = None
        # Heads of one stage take their scores out of the graph.
        within = _attached if roi_head is None else nullcontext
        try:
            with within():
                found = net.predict(x, samples, rescale=False)
        finally:
            if mask_head is not None:
                roi_head.mask_head = mask_head
        return [one.pred_instances for one in found]


@contextmanager
def _attached() -> Iterator[None]:
    """Within, scores of mmdet's dense heads keep their gradients.

    Heads are the RPN of a two-stage detector as well, whose training wants
    none, and so none of them has any.
    """
    from mmdet.models.utils import select_single_mlvl as of_image

    def attached(
        maps: Sequence[Tensor], index: int, detach: bool = False
    ) -> list[Tensor]:
        return of_image(maps, index, detach=False)

    name = of_image.__name__
    with ExitStack() as stack:
        for module in list(sys.modules.values()):
            # Where heads have it from; getattr would have some import more.
            if getattr(module, '__dict__', {}).get(name) is of_image:
                setattr(module, name, attached)
                stack.callback(setattr, module, name, of_image)
        yield


def _corners(instances: Any) -> Tensor:
    boxes = instances.bboxes
    return getattr(boxes, 'tensor', boxes)


def _of_boxes(
    predictor: Predictor, view: View, wanted: str | None, box: int | None
) -> Target:
    net, names = predictor.loaded.net, predictor.class_names
    detect = _Detections(view.samples)
    with torch.no_grad():
        (found,) = detect(net, view.inputs)
    found = found[found.scores.argsort(descending=True, stable=True)]
    found = found[found.scores >= predictor.threshold]
    if wanted is not None:
        index = choose(wanted, names, 'class')
        found = found[found.labels == index]
    what = 'object' if wanted is None else names[index]
    if not len(found):
        lower = ': lower --threshold' if predictor.threshold > 0 else ''
        raise NothingFound(
            f'the detector finds no {what} of a score of '
            f'{predictor.threshold:g} or more{lower}'
        )
    index = int(found.labels[0])
    found = found[found.labels == index]
    if box is not None:
        if not 1 <= box <= len(found):
            raise NothingFound(
                f'--box {box}: the detector finds {len(found)} '
                f'{names[index]}, by scores from 1'
            )
        found = found[box - 1 : box]
    boxes = _corners(found).detach()
    best = f'{names[index]} {float(found.scores[0]):.2f}'
    others = f' and {len(found) - 1} more' if len(found) > 1 else ''
    height, width = view.pictures.shape[1:3]
    shares = (boxes.cpu() / torch.tensor([width, height] * 2)).numpy()
    return Target(
        _Scores(net, detect, lambda all: _log_odds(all, boxes, index)),
        best + others,
        lambda picture: _mark_boxes(picture, shares),
    )


def _log_odds(found: list[Any], boxes: Tensor, label: int) -> Tensor:
    """How sure a detector is of boxes, their mean for each input.

    Log odds and not scores: a box that is nearly sure would count less.
    A box that is not found again counts as one that is surely none.
    """
    lowest = float(np.log(SURE / (1 - SURE)))
    means = []
    for instances in found:
        instances = instances[instances.labels == label]
        scores = instances.scores.float()
        # The gradient is there beyond these bounds, too.
        within = scores.detach().clamp(SURE, 1 - SURE)
        scores = scores + (within - scores.detach())
        odds = torch.cat([scores.logit(), scores.new_tensor([lowest])])
        overlaps = box_iou(boxes, _corners(instances).detach())
        # The surest of those that are the same box; the last one is none.
        sure = torch.where(overlaps >= SAME, odds[:-1], lowest)
        best = torch.cat([sure, sure.new_full((len(sure), 1), lowest)], 1)
        means.append(best.amax(1).mean())
    return torch.stack(means)


def _mark_boxes(picture: np.ndarray, shares: np.ndarray) -> None:
    height, width = picture.shape[:2]
    line = line_width(picture)
    for colour, thick in ((BLACK, line + 2), (WHITE, line)):
        for x1, y1, x2, y2 in shares * np.tile([width, height], 2):
            corners = (round(x1), round(y1)), (round(x2), round(y2))
            cv2.rectangle(picture, *corners, colour, thick, cv2.LINE_AA)


def _mark_mask(picture: np.ndarray, mask: np.ndarray) -> None:
    size = picture.shape[1::-1]
    large = cv2.resize(mask.astype(np.float32), size) > 0.5
    outlines, _ = cv2.findContours(
        large.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE
    )
    line = line_width(picture)
    for colour, thick in ((BLACK, line + 2), (WHITE, line)):
        cv2.drawContours(picture, outlines, -1, colour, thick, cv2.LINE_AA)


def _mark_point(picture: np.ndarray, place: tuple[float, float]) -> None:
    height, width = picture.shape[:2]
    centre = (round(place[0] * width), round(place[1] * height))
    radius = max(4, round(max(height, width) / 60))
    line = line_width(picture)
    for colour, thick in ((BLACK, line + 2), (WHITE, line)):
        cv2.circle(picture, centre, radius, colour, thick, cv2.LINE_AA)


_MAKERS: dict[str, Callable[..., Target]] = {
    'classification': _of_class,
    'video': _of_class,
    'segmentation': _of_pixels,
    'pose': _of_keypoint,
}
