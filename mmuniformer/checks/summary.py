"""What is in a data set: the figures that one looks at before training."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Summary:
    """Figures of one data set of a config.

    Attributes:
        path (str): Where it stands, ``'train_dataloader.dataset'``.
        phase (str): 'train', 'val' or 'test'.
        unit (str): What ``classes`` counts: 'boxes', 'pixels', 'clips',
            'keypoints', 'people' or 'images'.
        samples (int): Images or videos that the library will use.
        classes (dict[str, int]): How many units each class has, by name and
            in the order of the labels; 0 for those that never occur.
        sizes (Counter): Images by (width, height); empty if not looked at.
        files (list[Path]): The image or video files, to find those that are
            in two data sets.
    """

    path: str
    phase: str
    unit: str
    samples: int = 0
    classes: dict[str, int] = field(default_factory=dict)
    sizes: Counter = field(default_factory=Counter)
    files: list[Path] = field(default_factory=list)


def by_name(counts: Mapping[int, int], names: Sequence[str]) -> dict[str, int]:
    """Counts of labels by the names of their classes, in the labels' order.

    Args:
        counts (Mapping[int, int]): How many units each label has.
        names (Sequence[str]): Names of the classes. A label that is beyond
            them has its number for a name.
    """
    largest = max([len(names) - 1, *counts])
    return {
        str(names[label]) if label < len(names) else str(label): counts.get(
            label, 0
        )
        for label in range(largest + 1)
    }
