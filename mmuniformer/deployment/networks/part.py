"""The maps of a backbone, alone or after the neck."""

from collections.abc import Sequence

import torch
from torch import Tensor

from mmuniformer.deployment.networks.base import (
    Network,
    Output,
    channels_of,
    parts_of,
    way_out,
)
from mmuniformer.errors import UserError
from mmuniformer.prediction.models import LoadedModel

AXES = ('frames/stride', 'height/stride', 'width/stride')


class Part(Network):
    """Backbone, or backbone and neck, of a model of any library.

    Args:
        loaded (LoadedModel): The model.
        part (str): 'backbone' or 'neck'.

    Raises:
        UserError: If the model has no such part.
    """

    task = 'maps'

    def __init__(self, loaded: LoadedModel, part: str = 'neck') -> None:
        if part not in parts_of(loaded.net):
            raise UserError(
                f'{type(loaded.net).__name__} of the config has no {part}; '
                f'{way_out(loaded.net)}'
            )
        super().__init__(loaded)
        self.part = part
        self.ends_in_neck = part == 'neck'
        ndim = getattr(loaded.net.backbone, 'ndim', 2)
        sides = (channels_of(loaded), *(8,) * (ndim - 2), 128, 128)
        with torch.no_grad():
            found = self.results(torch.zeros(1, *sides), (128, 128))
        # Of a map of one pixel the stride is 128 or more, and 128 in practice.
        coarsest = min(min(one.shape[-2:]) for one in found)
        self.smallest = max(64, 2 * 128 // coarsest)
        self.outputs = tuple(
            Output(
                f'map{number}',
                ('batch', int(one.shape[1]), *AXES[-(one.dim() - 2) :]),
                f'map {number} of the {part}',
            )
            for number, one in enumerate(found)
        )

    def results(self, x: Tensor, size: tuple[int, int]) -> Sequence[Tensor]:
        """Computes the maps, the finest first."""
        maps = self.net.backbone(x)
        if self.ends_in_neck:
            maps = self.net.neck(maps)
        if isinstance(maps, Tensor):
            return (maps,)
        # mmaction2's necks give losses besides.
        return tuple(one for one in maps if isinstance(one, Tensor))
