"""A model that is called with images."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.dataset import pseudo_collate
from mmengine.registry import DefaultScope

from mmuniformer.errors import UserError
from mmuniformer.prediction.models import TASKS, LoadedModel
from mmuniformer.prediction.pipelines import Pipeline
from mmuniformer.prediction.reading import Item
from mmuniformer.prediction.results import (
    ClassScores,
    LabelMap,
    Objects,
    Result,
    class_names,
)
from mmuniformer.prediction.sources import Source

Image = str | Path | np.ndarray


@dataclass(frozen=True, eq=False)
class Prepared:
    """An input that is ready for the model.

    Attributes:
        item (Item): What it is of.
        image (np.ndarray, optional): (H, W, 3), BGR, to draw on; None of a
            whole video.
        data (dict): What the model takes, or the reader gave.
        size (tuple[int, int]): Height and width of image or frames.
    """

    item: Item
    image: np.ndarray | None
    data: dict[str, Any]
    size: tuple[int, int]


class Predictor:
    """A model that takes images and gives results.

    >>> model = mmuniformer.load('work_dirs/mine/epoch_12.pth')
    >>> model('photo.jpg').names
    ('person', 'dog')

    Args:
        loaded (LoadedModel): The model.
        threshold (float): Least score of what a detector finds.
        half (bool): In half precision.

    Attributes:
        task (str): 'detection', 'segmentation', 'pose', 'video' or
            'classification'.
        classes (tuple[str, ...]): As many as are known.
    """

    def __init__(
        self, loaded: LoadedModel, threshold: float = 0.3, half: bool = False
    ) -> None:
        self.loaded = loaded
        self.threshold = threshold
        self.half = half
        self.task = TASKS[loaded.library]
        self.classes = class_names(loaded.metainfo.get('classes'), 0)
        self.pipeline = Pipeline(loaded.library, loaded.pipeline)

    @property
    def class_names(self) -> tuple[str, ...]:
        """A name for each class that the model can find."""
        numbers = [
            module.num_classes
            for name, module in self.loaded.net.named_modules()
            # Which is told a number for the training, or that of ImageNet.
            if name != 'data_preprocessor'
            and isinstance(getattr(module, 'num_classes', None), int)
        ]
        return class_names(self.classes, max(numbers, default=0))

    @property
    def takes_videos(self) -> bool:
        """Whether it takes whole videos, and no images."""
        return self.pipeline.is_video

    def __call__(
        self, images: Image | Sequence[Image], batch_size: int = 1
    ) -> Any:
        """Predicts.

        Args:
            images (str, Path or np.ndarray): A file or an image (H, W, 3) in
                BGR as OpenCV reads it, or a list of them; a model for actions
                takes the files of videos.
            batch_size (int): Images that go through the model at once.

        Returns:
            Result or list[Result]: One of each image, of the class of the
            task: :class:`Objects`, :class:`LabelMap`, :class:`Poses` or
            :class:`ClassScores`.

        Raises:
            UserError: If an image cannot be read.
        """
        many = isinstance(images, list | tuple)
        results: list[Result] = []
        chunk: list[Prepared] = []
        for image in images if many else [images]:
            if self.takes_videos and isinstance(image, np.ndarray):
                raise UserError('the model takes files of videos, no images')
            chunk.append(self.prepare(_item(image)))
            if len(chunk) == batch_size:
                results += self.predict(chunk, batch_size)
                chunk = []
        results += self.predict(chunk, batch_size)
        return results if many else results[0]

    def prepare(self, item: Item) -> Prepared:
        """Reads an input and runs the test pipeline; in any thread.

        Raises:
            UserError: If it cannot be read.
        """
        named = item.source.file
        loaded = self.pipeline.load(item.place, item.image, named)
        data, before = self.pipeline.finish(loaded.results, named)
        if loaded.image is None:
            size = before.get('original_shape', (0, 0))
        else:
            size = loaded.image.shape[:2]
        return Prepared(item, loaded.image, data, (int(size[0]), int(size[1])))

    def inputs(self, prepared: Prepared) -> list[dict]:
        """What goes through the network of one input."""
        return [prepared.data]

    def predict(
        self, prepared: Sequence[Prepared], batch_size: int = 1
    ) -> list[Result]:
        """Runs the model.

        Args:
            prepared (Sequence[Prepared]): Inputs.
            batch_size (int): How many at once. Only inputs of one size share
                a batch: no image is padded for another one, and its result
                does not depend on the others.
        """
        samples = self.run([p.data for p in prepared], batch_size)
        return [
            self.result(one, sample)
            for one, sample in zip(prepared, samples, strict=True)
        ]

    def run(self, data: Sequence[dict], batch_size: int) -> list[Any]:
        """The library's samples with predictions, in the order of ``data``."""
        outputs: list[Any] = [None] * len(data)
        for places in _batches(data, batch_size):
            batch = pseudo_collate([data[place] for place in places])
            with (
                self.scope(),
                torch.no_grad(),
                self._precision(),
            ):
                samples = self.loaded.net.test_step(batch)
            for place, sample in zip(places, samples, strict=True):
                outputs[place] = sample
        return outputs

    def result(self, prepared: Prepared, sample: Any) -> Result:
        """What a sample of the library says, in a class of ours."""
        place = dict(
            file=prepared.item.source.file,
            height=prepared.size[0],
            width=prepared.size[1],
            frame=prepared.item.frame,
        )
        return RESULTS[self.task](self, sample, place)

    def scope(self) -> AbstractContextManager:
        """Where the library's registry is the first one that is looked at."""
        library = self.loaded.library
        active = DefaultScope.get_current_instance()
        if active is not None and active.scope_name == library:
            # The other way sleeps, which takes long on a busy machine.
            return nullcontext()
        return DefaultScope.overwrite_default_scope(library)

    def _precision(self) -> AbstractContextManager:
        if not self.half:
            return nullcontext()
        device = self.loaded.device.type
        # float16 overflows where bfloat16 does not, and older GPUs have no
        # bfloat16.
        is_old = device == 'cuda' and not torch.cuda.is_bf16_supported(
            including_emulation=False
        )
        kind = torch.float16 if is_old else torch.bfloat16
        return torch.autocast(device, dtype=kind)


def _item(image: Image) -> Item:
    if isinstance(image, np.ndarray):
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
            raise UserError(
                f'an image is an array (height, width, 3) of uint8 in BGR, '
                f'not {image.shape} of {image.dtype}'
            )
        return Item(Source('', 'photo'), image=image)
    return Item(Source(str(image), 'photo'), str(Path(image).expanduser()))


def _batches(data: Sequence[dict], batch_size: int) -> Iterator[list[int]]:
    """Places of what goes through the model at once: inputs of one shape."""
    by_shape: dict[Any, list[int]] = {}
    for place, one in enumerate(data):
        inputs = one['inputs']
        shape = tuple(inputs.shape) if hasattr(inputs, 'shape') else place
        by_shape.setdefault(shape, []).append(place)
    for places in by_shape.values():
        for start in range(0, len(places), batch_size):
            yield places[start : start + batch_size]


def _objects(predictor: Predictor, sample: Any, place: dict) -> Objects:
    if 'pred_instances' not in sample:
        raise UserError('the model finds no objects: it is no detector')
    found = sample.pred_instances
    boxes = found.bboxes
    boxes = as_array(getattr(boxes, 'tensor', boxes)).astype(np.float32)
    scores = as_array(found.scores).astype(np.float32)
    labels = as_array(found.labels).astype(np.int64)
    kept = np.flatnonzero(scores >= predictor.threshold)
    kept = kept[np.argsort(-scores[kept], kind='stable')]
    masks = None
    if 'masks' in found:
        # Few are kept, and all of them are large.
        masks = as_array(found.masks[kept.tolist()]).astype(bool)
    number = int(labels.max(initial=-1)) + 1
    classes = class_names(predictor.classes, number)
    return Objects(
        **place,
        boxes=boxes[kept].reshape(-1, 4),
        scores=scores[kept],
        labels=labels[kept],
        names=tuple(classes[label] for label in labels[kept]),
        masks=masks,
    )


def _label_map(predictor: Predictor, sample: Any, place: dict) -> LabelMap:
    labels = as_array(sample.pred_sem_seg.data)[0].astype(np.int64)
    number = int(labels.max(initial=-1)) + 1
    return LabelMap(
        **place, labels=labels, classes=class_names(predictor.classes, number)
    )


def _class_scores(
    predictor: Predictor, sample: Any, place: dict
) -> ClassScores:
    scores = as_array(sample.pred_score).astype(np.float32)
    return ClassScores(
        **place,
        scores=scores,
        classes=class_names(predictor.classes, len(scores)),
    )


def as_array(values: Any) -> np.ndarray:
    """An array of a tensor on any device, of any precision."""
    if isinstance(values, torch.Tensor):
        if values.is_floating_point():
            values = values.float()
        return values.cpu().numpy()
    return np.asarray(values)


RESULTS: dict[str, Callable[[Predictor, Any, dict], Result]] = {
    'detection': _objects,
    'segmentation': _label_map,
    'video': _class_scores,
    'classification': _class_scores,
}
