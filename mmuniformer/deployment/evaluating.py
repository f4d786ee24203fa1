"""An exported file in the place of its model, for the host's own test."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.model import BaseModel
from mmengine.registry import MODELS as HOST_MODELS
from mmengine.structures import InstanceData
from torch import Tensor

from mmuniformer.deployment.formats import FORMATS, Outputs, open_exported
from mmuniformer.deployment.pipelines import pixels_of, reads_rgb
from mmuniformer.errors import UserError
from mmuniformer.nodes import walk
from mmuniformer.prediction.models import TASKS
from mmuniformer.registry import MODELS


@MODELS.register_module()
class ExportedModel(BaseModel):
    """Runs a file in its runtime, and gives its results as the host does.

    What the host does after its model (boxes and maps in the size of the
    original image, windows that slide, scores averaged over clips) is done
    here: by the host's own methods where they are apart from its network.

    Args:
        file (str): What ``mmuniformer export`` has written of a whole model.
        host (dict): The model of the config.
        library (str): A key of ``HOSTS``.
        pipeline (Sequence[dict]): The test pipeline of the config.

    Raises:
        UserError: If the file is of another task than the config, or of
            another number of classes.
    """

    def __init__(
        self,
        file: str,
        host: dict,
        library: str,
        pipeline: Sequence[dict],
    ) -> None:
        super().__init__()
        self.file = file
        self.run = open_exported(file)
        task = self.run.about['task']
        if task != TASKS[library]:
            raise UserError(
                f'{file} is a file of {task}, and the config of '
                f'{TASKS[library]}'
            )
        _check_classes(file, self.run.about.get('classes'), host)
        self.input = self.run.about['input']
        self.is_bgr = not reads_rgb(library, pipeline)
        self.finish = FINISH[task]
        self.host = None
        if task in ('segmentation', 'pose'):
            self.host = HOST_MODELS.build(host)
        if task == 'segmentation':
            # It may slide a window over the image.
            self.host.encode_decode = self._logits

    def __deepcopy__(self, memo: dict) -> 'ExportedModel':
        """Is itself: a runtime cannot be copied.

        The hooks that average weights copy the model of a config, and a file
        has the weights that it has.
        """
        return self

    def forward(self, inputs: Any, data_samples: Any = None, mode: str = ''):
        """Is not called: a file is tested, and nothing else."""
        raise NotImplementedError

    def test_step(self, data: dict) -> list:
        """Predicts each sample of a batch, alone.

        Args:
            data (dict): As the host's loader gives it.

        Returns:
            list: The host's samples with predictions.
        """
        with torch.no_grad():
            return [
                self.finish(self, one, sample)
                for one, sample in zip(
                    data['inputs'], data['data_samples'], strict=True
                )
            ]

    def outputs(self, images: Tensor) -> Outputs:
        """Runs the file.

        Args:
            images (Tensor): (B, C, H, W) or (B, C, T, H, W), as the pipeline
                gives them.
        """
        pixels = pixels_of(images, self.is_bgr, self.input['dtype'])
        batch, *sizes = self.input['shape']
        if any(
            isinstance(size, int) and size != given
            for size, given in zip(sizes, pixels.shape[1:], strict=True)
        ):
            raise UserError(
                f'{self.file} takes {_by(sizes)}, and the test pipeline gives '
                f'{_by(pixels.shape[1:])}'
            )
        if batch == 'batch':
            return self.run(pixels)
        # A file of one image takes one after another.
        outs = [self.run(pixels[i : i + 1]) for i in range(len(pixels))]
        return {
            name: np.concatenate([one[name] for one in outs])
            for name in outs[0]
        }

    def _logits(self, images: Tensor, metas: Any) -> Tensor:
        return torch.from_numpy(self.outputs(images)['logits'])


def _check_classes(file: str, names: Sequence | None, host: dict) -> None:
    # A preprocessor may be told another one, for the training alone.
    parts = {k: v for k, v in host.items() if k != 'data_preprocessor'}
    numbers = [node.get('num_classes') for _, node in walk(parts, 'model')]
    number = max((n for n in numbers if isinstance(n, int)), default=None)
    if names and number is not None and len(names) != number:
        raise UserError(
            f'{file} is a file of {len(names)} classes, and the config of '
            f'{number}'
        )


def _by(sizes: Sequence[int | str]) -> str:
    return ' x '.join(map(str, sizes))


def is_exported(path: str) -> bool:
    """Whether a name is that of a file for a runtime, and no checkpoint."""
    suffixes = {form.suffix for form in FORMATS.values()}
    return Path(path).suffix in suffixes


def _classes(model: ExportedModel, images: Tensor, sample: Any) -> Any:
    scores = torch.from_numpy(model.outputs(images[None])['scores'][0])
    sample.set_pred_score(scores)
    if 'sigmoid' not in model.run.about['outputs'][0]['about']:
        sample.set_pred_label(scores.argmax(keepdim=True))
    return sample


def _video(model: ExportedModel, clips: Tensor, sample: Any) -> Any:
    (values,) = model.outputs(clips).values()
    scores = torch.from_numpy(values).mean(0)
    sample.set_pred_score(scores)
    sample.set_pred_label(scores.argmax(keepdim=True))
    return sample


def _label_map(model: ExportedModel, image: Tensor, sample: Any) -> Any:
    metas = [sample.metainfo]
    logits = model.host.inference(image[None].float().cpu(), metas)
    return model.host.postprocess_result(logits, [sample])[0]


def _pose(model: ExportedModel, crop: Tensor, sample: Any) -> Any:
    outs = model.outputs(crop[None])
    found = InstanceData(
        keypoints=outs['keypoints'], keypoint_scores=outs['scores']
    )
    return model.host.add_pred_to_datasample([found], None, [sample])[0]


def _objects(model: ExportedModel, image: Tensor, sample: Any) -> Any:
    outs = model.outputs(image[None])
    found = outs['labels'][0] >= 0
    boxes = torch.from_numpy(outs['boxes'][0][found])
    factor = sample.metainfo.get('scale_factor', (1, 1))
    sample.pred_instances = InstanceData(
        bboxes=boxes / boxes.new_tensor(factor).repeat(2),
        scores=torch.from_numpy(outs['scores'][0][found]),
        labels=torch.from_numpy(outs['labels'][0][found]).long(),
    )
    return sample


FINISH: dict[str, Callable[[ExportedModel, Tensor, Any], Any]] = {
    'classification': _classes,
    'video': _video,
    'segmentation': _label_map,
    'pose': _pose,
    'detection': _objects,
}
