"""Where a model has backbones, and what stands beside them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from mmuniformer.nodes import type_name, walk

# What reads no maps.
NO_READERS = (
    'backbone',
    'data_preprocessor',
    'init_cfg',
    'test_cfg',
    'train_cfg',
)


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
    def first_neck(self) -> dict | None:
        """What reads the maps before all heads."""
        neck = self.owner.get('neck')
        if isinstance(neck, list | tuple):
            return neck[0] if neck else None
        return neck or None

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
