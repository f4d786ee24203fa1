"""Whether a network gives what its host's own test gives.

A network does again what preprocessor, head and model of a host do. A class of
a user's own may go another way, and a file that is compared with the network
alone would be wrong without a word.
"""

import logging
from collections.abc import Callable, Iterable
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from mmengine.logging import print_log
from mmengine.structures import BaseDataElement, InstanceData
from torch import Tensor

from mmuniformer.deployment.comparing import Difference, differences
from mmuniformer.deployment.formats import Outputs
from mmuniformer.deployment.networks.base import (
    OBJECTS,
    Network,
    Output,
    way_out,
)
from mmuniformer.deployment.pipelines import reads_rgb
from mmuniformer.errors import UserError, first_line
from mmuniformer.prediction.models import LoadedModel

# Both are computed in float32 by the same layers; of boxes and keypoints, one
# that is as good as another may change places with it.
SHARE = 0.1
VALUE = 1e-3


def check_preprocessor(
    loaded: LoadedModel, network: Network, image: np.ndarray
) -> None:
    """Looks whether pixels become what the host makes of them.

    Args:
        loaded (LoadedModel): The model.
        network (Network): What was made of it.
        image (np.ndarray): One image (1, H, W, C), or clip (1, T, H, W, C).

    Raises:
        UserError: If they become something else.
    """
    preprocessor = loaded.net.data_preprocessor
    try:
        theirs = preprocessor(_data(loaded, image), False)['inputs'].float()
    except Exception as error:
        _tell_not_compared(loaded, error)
        return
    ours = network.normalise(torch.from_numpy(image))
    same = theirs.numel() == ours.numel() and torch.allclose(
        theirs.reshape(ours.shape), ours, rtol=VALUE, atol=VALUE
    )
    if not same:
        raise UserError(
            f'{type(preprocessor).__name__} of the config makes something '
            'else of an image than what is exported: mean, std, the order of '
            'colours, and padding to a multiple'
        )


def check_results(
    loaded: LoadedModel,
    network: Network,
    image: np.ndarray,
    outs: Outputs,
) -> None:
    """Looks whether results are those of the host's own test.

    Args:
        loaded (LoadedModel): The model.
        network (Network): The whole model.
        image (np.ndarray): One image (1, H, W, C), or clip (1, T, H, W, C).
        outs (Outputs): What the network makes of it.

    Raises:
        UserError: If they are others.
    """
    outs = {out.name: outs[out.name] for out in network.outputs}
    try:
        with torch.no_grad(), _whole_images(loaded.net):
            (sample,) = loaded.net.test_step(_data(loaded, image))
    except Exception as error:
        _tell_not_compared(loaded, error)
        return
    name = type(loaded.net).__name__
    try:
        wanted = RESULTS[network.task](sample, outs)
    except (AttributeError, KeyError) as error:
        raise UserError(
            f'{name} gives no {" and ".join(outs)} in its own test; '
            f'{way_out(loaded.net)}'
        ) from error
    compared = [out for out in network.outputs if out.name in wanted]
    other = _other_output(compared, image.shape, outs, wanted)
    if other is not None:
        raise UserError(
            f'{name} gives other {other} in its own test than by what is '
            'exported: its model or head goes a way of its own, which is not '
            f'known here; {way_out(loaded.net)}'
        )


def _other_output(
    compared: list[Output],
    shape: tuple[int, ...],
    outs: Outputs,
    wanted: Outputs,
) -> str | None:
    """Name of the first output that is another one."""
    objects = [out for out in compared if out.kind == OBJECTS]
    if objects:
        # Scores go with their boxes, of which neither has others.
        rows = [
            *_rows(objects, shape, outs, wanted),
            *_rows(objects, shape, wanted, outs),
        ]
    else:
        for out in compared:
            if outs[out.name].shape != wanted[out.name].shape:
                return out.name
        rows = _rows(compared, shape, outs, wanted)
    return next((row.output for row in rows if row.is_large), None)


def _rows(
    outputs: list[Output],
    shape: tuple[int, ...],
    found: Outputs,
    wanted: Outputs,
) -> Iterable[Difference]:
    for row in differences(outputs, shape, found, wanted, 'float32'):
        limit = SHARE if row.relative is None else VALUE
        yield Difference(
            row.shape, row.output, row.largest, row.relative, limit
        )


def _data(loaded: LoadedModel, image: np.ndarray) -> dict[str, Any]:
    """A batch of one as the host's loader gives it."""
    x = torch.from_numpy(image[0]).movedim(-1, 0)
    if x.shape[0] == 3 and not reads_rgb(loaded.library, loaded.pipeline):
        x = x.flip(0)
    if loaded.library == 'mmaction':
        # One clip of the video.
        x = x.unsqueeze(0)
    sample = _sample(loaded, (int(x.shape[-2]), int(x.shape[-1])))
    return dict(inputs=[x], data_samples=[sample])


def _sample(loaded: LoadedModel, size: tuple[int, int]) -> BaseDataElement:
    """What goes with an image that no transform has changed."""
    meta: dict[str, Any] = dict(
        img_shape=size,
        ori_shape=size,
        pad_shape=size,
        scale_factor=(1.0, 1.0),
    )
    if loaded.library == 'mmpretrain':
        from mmpretrain.structures import DataSample

        return DataSample(metainfo=meta)
    if loaded.library == 'mmaction':
        from mmaction.structures import ActionDataSample

        return ActionDataSample(metainfo=meta)
    if loaded.library == 'mmseg':
        from mmseg.structures import SegDataSample

        return SegDataSample(metainfo=meta)
    if loaded.library == 'mmdet':
        from mmdet.structures import DetDataSample

        return DetDataSample(metainfo=meta)
    from mmpose.structures import PoseDataSample

    height, width = size
    meta |= dict(
        input_center=np.array([width / 2, height / 2]),
        input_scale=np.array([width, height], float),
        input_size=np.array([width, height]),
        flip_indices=loaded.metainfo.get('flip_indices'),
    )
    sample = PoseDataSample(metainfo=meta)
    sample.gt_instances = InstanceData(
        bboxes=np.array([[0.0, 0, width, height]]), bbox_scores=np.ones(1)
    )
    return sample


@contextmanager
def _whole_images(net: torch.nn.Module):
    """Within, a segmentor that slides a window takes an image at once."""
    settings = getattr(net, 'test_cfg', None)
    if not settings or settings.get('mode') != 'slide':
        yield
        return
    net.test_cfg = type(settings)(settings, mode='whole')
    try:
        yield
    finally:
        net.test_cfg = settings


def _tell_not_compared(loaded: LoadedModel, error: Exception) -> None:
    print_log(
        f"{type(loaded.net).__name__}'s own test does not run on a drawn "
        f'image ({type(error).__name__}: {first_line(error)}): what is '
        'exported was not compared with it; mmuniformer test does',
        logger='current',
        level=logging.WARNING,
    )


def _classes(sample: Any, outs: Outputs) -> Outputs:
    (name,) = outs
    return {name: _array(sample.pred_score)[None]}


def _label_map(sample: Any, outs: Outputs) -> Outputs:
    logits = _array(sample.seg_logits.data)
    labels = _array(sample.pred_sem_seg.data).astype(outs['labels'].dtype)
    # Of one class the host gives a probability.
    return {'labels': labels} | (
        {'logits': logits[None]} if len(logits) > 1 else {}
    )


def _pose(sample: Any, outs: Outputs) -> Outputs:
    found = sample.pred_instances
    return dict(
        # Of which the host tells nothing.
        heatmaps=outs['heatmaps'],
        keypoints=_array(found.keypoints),
        scores=_array(found.keypoint_scores),
    )


def _objects(sample: Any, outs: Outputs) -> Outputs:
    found = sample.pred_instances
    return dict(
        boxes=_array(found.bboxes)[None],
        scores=_array(found.scores)[None],
        labels=_array(found.labels)[None],
    )


def _array(values: Any) -> np.ndarray:
    return values.cpu().numpy() if isinstance(values, Tensor) else values


# The host's results as those of a network, by task; what is not in them is
# not compared.
RESULTS: dict[str, Callable[[Any, Outputs], Outputs]] = {
    'classification': _classes,
    'video': _classes,
    'segmentation': _label_map,
    'pose': _pose,
    'detection': _objects,
}
