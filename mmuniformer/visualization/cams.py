"""Class activation maps: Grad-CAM and its kin, by the package ``grad-cam``.

The maps of our stages are ``(B, C, H, W)`` already, in whatever memory they
are: a light model keeps fewer tokens within a block, and gives out all of
them. A clip is one tall picture to ``grad-cam``, its frames below each other,
so that what is made for images is right for videos: a mean over a map is one
over all frames.
"""

from functools import partial
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mmuniformer.errors import UserError

# Classes of grad-cam by the words of the command line.
METHODS = {
    'gradcam': 'GradCAM',
    'gradcam++': 'GradCAMPlusPlus',
    'xgradcam': 'XGradCAM',
    'layercam': 'LayerCAM',
    'hirescam': 'HiResCAM',
    'eigencam': 'EigenCAM',
    'eigengradcam': 'EigenGradCAM',
    'scorecam': 'ScoreCAM',
}


def _first_component(maps: np.ndarray) -> np.ndarray:
    """What places of maps (1, C, h, w) have of what they differ in most.

    The numbers of grad-cam, which asks for a matrix of all places by all
    places besides: 18 GB of a map of 200 x 336.
    """
    places = np.nan_to_num(maps[0].reshape(maps.shape[1], -1).T)
    places = places - places.mean(0)
    _, _, components = np.linalg.svd(places, full_matrices=False)
    return (places @ components[0]).reshape(1, *maps.shape[2:])


# What these two make a map of, by method: after what grad-cam hands over
# first come the activations of a layer, and their gradients.
EIGEN = {
    'eigencam': lambda x, layer, targets, maps, *_: _first_component(maps),
    'eigengradcam': lambda x, layer, targets, maps, grads, *_: (
        _first_component(grads * maps)
    ),
}


def activation_maps(
    scores: nn.Module,
    inputs: Tensor,
    layers: dict[str, nn.Module],
    method: str = 'gradcam',
) -> dict[str, np.ndarray]:
    """Where the maps of layers speak for a score.

    Args:
        scores (nn.Module): Takes a batch like ``inputs`` and gives a score
            (B,) for each of it.
        inputs (Tensor): An image (1, C, H, W) or a clip (1, C, T, H, W).
        layers (dict[str, nn.Module]): Parts of ``scores`` that give out maps,
            by their names.
        method (str): A key of ``METHODS``.

    Returns:
        dict[str, np.ndarray]: For each layer its map (T, h, w), one frame for
        an image, from 0 to 1. A video has one for each frame that goes in.

    Raises:
        UserError: If ``grad-cam`` is not installed, the method is not known,
            or a layer gives out no map.
    """
    if method not in METHODS:
        raise UserError(
            f'--method {method}: there is no such one; there are '
            f'{", ".join(METHODS)}'
        )
    frames = inputs.shape[2] if inputs.dim() == 5 else 1
    model = _Tall(scores, frames) if inputs.dim() == 5 else scores
    tall = inputs.flatten(2, 3) if inputs.dim() == 5 else inputs
    cam = getattr(_package(), METHODS[method])(model, list(layers.values()))
    cam.activations_and_grads.release()
    # It masks the tall picture by maps, which have to have as many frames.
    spread = frames if method == 'scorecam' else None
    recorder = _Maps(model, layers, inputs.dim() - 2, spread)
    cam.activations_and_grads = recorder
    if method in EIGEN:
        cam.get_cam_image = EIGEN[method]
    # One map for each layer, of its own size.
    cam.get_target_width_height = lambda _: None
    cam.aggregate_multi_layers = lambda maps: maps
    # The weights of a model that predicts ask for no gradient.
    tall = tall.detach().requires_grad_(cam.uses_gradients)
    try:
        with torch.set_grad_enabled(cam.uses_gradients):
            maps = cam(tall, [torch.Tensor.sum])
    finally:
        recorder.release()
    found = {}
    for name, one in zip(layers, maps, strict=True):
        values = _to_one(one[0, 0]).reshape(-1, *recorder.sizes[name])
        found[name] = values[_of_frames(len(values), frames)]
    return found


def _of_frames(maps: int, frames: int) -> list[int]:
    """The map of each frame: one of several frames is there for all."""
    return [frame * maps // frames for frame in range(frames)]


def _to_one(values: np.ndarray) -> np.ndarray:
    # grad-cam adds 1e-7 to what it divides by; gradients of the mean over a
    # large map are no larger.
    largest = values.max()
    return values / largest if largest > 0 else values


def _package() -> ModuleType:
    try:
        import pytorch_grad_cam
    except ImportError as error:
        raise UserError(
            'class activation maps need grad-cam: pip install --no-deps '
            f'grad-cam, and pip install scikit-learn ttach ({error})'
        ) from error
    return pytorch_grad_cam


class _Tall(nn.Module):
    """Takes clips whose frames are below each other."""

    def __init__(self, scores: nn.Module, frames: int) -> None:
        super().__init__()
        self.scores = scores
        self.frames = frames

    def forward(self, x: Tensor) -> Tensor:
        return self.scores(x.unflatten(2, (self.frames, -1)))


class _Maps:
    """What layers give out and its gradients, in place of grad-cam's own.

    The frames of a clip's maps are below each other, too. Of a layer that
    gives out more than a map, such as a block of a light
    model, it keeps the map; and each gradient is its layer's, in whichever
    order they come.
    """

    def __init__(
        self,
        model: nn.Module,
        layers: dict[str, nn.Module],
        ndim: int,
        frames: int | None,
    ) -> None:
        self.model = model
        self.names = list(layers)
        self.ndim = ndim
        self.frames = frames
        self.sizes: dict[str, tuple[int, int]] = {}
        self.activations: list[Tensor] = []
        self.gradients: list[Tensor] = []
        self.handles = [
            layer.register_forward_hook(partial(self._keep, index))
            for index, layer in enumerate(layers.values())
        ]

    def __call__(self, x: Tensor) -> Tensor:
        number = len(self.names)
        self.seen = [0] * number
        self.activations = [torch.empty(0)] * number
        self.gradients = [torch.empty(0)] * number
        scores = self.model(x)
        if torch.is_grad_enabled() and not scores.requires_grad:
            raise UserError(
                'the model gives out scores without gradients: --method '
                'eigencam and scorecam need none'
            )
        for name, seen in zip(self.names, self.seen, strict=True):
            if seen != 1:
                raise UserError(
                    f'--layer {name} runs {seen} times for an input: choose '
                    'one that runs once'
                )
        return scores

    def _keep(
        self, index: int, layer: nn.Module, _: tuple, output: Any
    ) -> None:
        whole = output[0] if isinstance(output, tuple | list) else output
        if not isinstance(whole, Tensor) or whole.dim() != self.ndim + 2:
            raise UserError(
                f'--layer {self.names[index]} gives out no map of tokens: '
                'choose a block, a norm of the outputs or a layer of the neck'
            )
        # Linear layers have channels last.
        is_last = isinstance(layer, nn.Linear)
        size = whole.shape[-3:-1] if is_last else whole.shape[-2:]
        self.sizes[self.names[index]] = tuple(size)
        self.seen[index] += 1
        self.activations[index] = self._tall(whole, is_last)
        # None for a layer that no score depends on.
        self.gradients[index] = torch.zeros_like(self.activations[index])
        if whole.requires_grad:
            whole.register_hook(partial(self._keep_gradient, index, is_last))

    def _keep_gradient(self, index: int, is_last: bool, grad: Tensor) -> None:
        self.gradients[index] = self._tall(grad, is_last)

    def _tall(self, x: Tensor, is_last: bool) -> Tensor:
        # A copy: the next layer may write over it.
        x = x.detach().to(torch.float32, copy=True)
        if is_last:
            x = x.movedim(-1, 1)
        if self.ndim == 3:
            if self.frames is not None:
                x = x[:, :, _of_frames(x.shape[2], self.frames)]
            x = x.flatten(2, 3)
        return x.cpu().contiguous()

    def release(self) -> None:
        """Looks no longer."""
        for handle in self.handles:
            handle.remove()
        self.handles = []
