"""One forward pass as counted in the literature, for each kind of model.

A detector's work depends on how many boxes it finds; what is published for
a model is its work for a fixed number of them, whatever the weights. To count
another kind of model, write a function of the model and its input and enter
it into ``INFERENCES`` under ``package.Class``.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from mmuniformer.errors import UserError

# What mmdet's counter has used since its first version.
BOXES = 1000
MASKS = 100


class Inference(nn.Module):
    """A model behind a forward that takes one tensor and fixed work.

    Args:
        model (nn.Module): A model of any OpenMMLab library, or any module.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        self._run = find_inference(model)

    def forward(self, inputs: Tensor) -> Any:
        """Runs the model's inference on ``inputs``, a whole batch."""
        return self._run(self.model, inputs)


def find_inference(model: nn.Module) -> Callable[[Any, Tensor], Any]:
    """The entry of ``INFERENCES`` for the model's nearest class."""
    for kind in type(model).__mro__:
        name = f'{kind.__module__.split(".")[0]}.{kind.__name__}'
        if name in INFERENCES:
            return INFERENCES[name]
    return lambda model, inputs: model(inputs)


def run_two_stage_detector(detector: Any, images: Tensor) -> list:
    """Backbone, neck, RPN and RoI heads, with 1000 boxes and 100 masks.

    A cascade runs each of its stages on as many.
    """
    features = detector.extract_feat(images)
    outputs = [detector.rpn_head(features)] if detector.with_rpn else []
    head = detector.roi_head
    if isinstance(head.bbox_roi_extractor, nn.ModuleList):
        stages: list[tuple] = [(stage,) for stage in range(head.num_stages)]
    else:
        stages = [()]
    boxes = images.new_zeros(BOXES, 5)
    with _empty_regions(head):
        for stage in stages:
            outputs.append(head._bbox_forward(*stage, features, boxes))
            if head.with_mask:
                masks = boxes[:MASKS]
                outputs.append(head._mask_forward(*stage, features, masks))
    return [list(o.values()) if isinstance(o, dict) else o for o in outputs]


@contextmanager
def _empty_regions(head: nn.Module) -> Iterator[None]:
    """Cuts regions of the right shape without looking at the boxes.

    Cutting counts as no work, and choosing a level for each box would make
    the count depend on where the boxes are.
    """
    extractors = [
        module for module in head.modules() if hasattr(module, 'roi_layers')
    ]
    for extractor in extractors:
        size = extractor.roi_layers[0].output_size
        shape = (extractor.out_channels, *size)

        def cut(
            features: tuple, boxes: Tensor, *_: Any, shape: tuple = shape
        ) -> Tensor:
            return features[0].new_zeros(boxes.shape[0], *shape)

        extractor.forward = cut
    try:
        yield
    finally:
        for extractor in extractors:
            del extractor.forward


def run_tensor_mode(model: Any, images: Tensor) -> Any:
    """The networks alone, in the library's own mode for it."""
    return model(images, mode='tensor')


def run_pose_estimator(model: Any, images: Tensor) -> Any:
    """Backbone, neck and head of a pose estimator."""
    return model(images, None, mode='tensor')


def run_recognizer(recognizer: Any, clips: Tensor) -> Any:
    """Backbone, neck and classifier for one view.

    Args:
        recognizer: A recognizer of mmaction2.
        clips (Tensor): (B, C, T, H, W).
    """
    features, _ = recognizer.extract_feat(clips[:, None], test_mode=True)
    return recognizer.cls_head(features)


def _refuse(model: nn.Module, _: Tensor) -> None:
    raise UserError(
        f'FLOPs of {type(model).__name__} cannot be counted yet: its work '
        'depends on the image'
    )


INFERENCES: dict[str, Callable[[Any, Tensor], Any]] = {
    'mmdet.TwoStageDetector': run_two_stage_detector,
    'mmdet.SingleStageDetector': run_tensor_mode,
    'mmdet.BaseDetector': _refuse,
    'mmseg.BaseSegmentor': run_tensor_mode,
    'mmpose.BasePoseEstimator': run_pose_estimator,
    'mmaction.BaseRecognizer': run_recognizer,
    'mmpretrain.BaseClassifier': run_tensor_mode,
}

__all__ = ['BOXES', 'INFERENCES', 'MASKS', 'Inference', 'find_inference']
