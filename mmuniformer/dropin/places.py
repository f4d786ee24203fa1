"""Where a model has backbones, and what stands beside them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from mmengine.config import ConfigDict

from mmuniformer.nodes import type_name, walk

# What reads no maps.
NO_READERS = (
    'backbone',
    'data_preprocessor',
    'init_cfg',
    'test_cfg',
    'train_cfg',
)
# What mmpretrain's retrieval has besides.
PARTS = ('type', 'head')


@dataclass(frozen=True)
class Place:
    """One backbone of a model.

    Attributes:
        path (str): Dotted, from ``model`` on.
        owner (dict): The model, or the part of it, that has the backbone.
    """

    path: str
    owner: dict

    @property
    def backbone(self) -> dict:
        return self.owner['backbone']

    @property
    def necks(self) -> list[dict]:
        """What reads the maps before all heads, one after the other."""
        neck = self.owner.get('neck') or []
        return list(neck) if isinstance(neck, list | tuple) else [neck]

    def readers(self) -> Iterator[tuple[str, Any]]:
        """The other parts of the owner: its heads, by key."""
        for key, value in self.owner.items():
            if isinstance(value, dict | list | tuple) and (
                key not in (*NO_READERS, 'neck')
            ):
                yield key, value


def find_places(model: dict) -> list[Place]:
    """The backbones of a model, also of one within another.

    Args:
        model (dict): ``cfg.model``.
    """
    return [
        Place(f'{path}.backbone', node)
        for path, node in walk(model, 'model')
        if type_name(node.get('backbone'))
    ]


class Retriever:
    """mmpretrain's retrieval, whose backbone and neck are items of a list.

    Args:
        model (dict): With an ``image_encoder``.
    """

    def __init__(self, model: dict):
        encoder = model['image_encoder']
        if not isinstance(encoder, list | tuple):
            encoder = [encoder]
        self.model = model
        self.owner = ConfigDict(
            {key: value for key, value in model.items() if key in PARTS},
            backbone=encoder[0],
        )
        if len(encoder) > 1:
            self.owner['neck'] = list(encoder[1:])

    def write(self) -> None:
        """Puts what has become of the parts back into the model."""
        necks = self.owner.get('neck') or []
        self.model['image_encoder'] = [self.owner['backbone'], *necks]
        for key in PARTS:
            if key in self.owner:
                self.model[key] = self.owner[key]
