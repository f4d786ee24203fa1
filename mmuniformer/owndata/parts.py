"""What was recognised: the samples of a data set, whatever their form."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class CocoPart:
    """Objects in images, in COCO's form.

    Attributes:
        images (Path): The folder that ``file_name`` is below.
        content (dict): images, annotations and categories.
        file (Path, optional): The file that holds just this content; None if
            it has to be written.
        source (str): What it was read from, for messages.
        added (dict[str, int]): What was told from the rest, and how often.
    """

    images: Path
    content: dict[str, Any]
    file: Path | None
    source: str
    added: dict[str, int] = field(default_factory=dict)

    @property
    def files(self) -> list[str]:
        """Image files below ``images``."""
        return [image['file_name'] for image in self.content['images']]

    def counts(self) -> list[Counter]:
        """Objects of each class in each image."""
        names = {c['id']: c['name'] for c in self.content['categories']}
        found = {image['id']: Counter() for image in self.content['images']}
        for annotation in self.content['annotations']:
            name = names[annotation['category_id']]
            found[annotation['image_id']][name] += 1
        return list(found.values())

    def take(self, indices: Sequence[int]) -> 'CocoPart':
        """A part of it; ids stay those of the source."""
        images = [self.content['images'][index] for index in indices]
        kept = {image['id'] for image in images}
        content = dict(
            self.content,
            images=images,
            annotations=[
                a for a in self.content['annotations'] if a['image_id'] in kept
            ],
        )
        return replace(self, content=content, file=None)


@dataclass(frozen=True)
class ListPart:
    """Images or videos with one class each.

    Attributes:
        images (Path): The folder that the files are below.
        files (list[str]): Below it.
        labels (list[int]): Indices of classes.
        classes (tuple[str, ...]): Names of classes.
        file (Path, optional): A list that the library reads as it is.
        folders (bool): Whether the library finds the same in the folders.
    """

    images: Path
    files: list[str]
    labels: list[int]
    classes: tuple[str, ...]
    file: Path | None = None
    folders: bool = False

    def counts(self) -> list[Counter]:
        """The class of each file."""
        return [Counter({self.classes[label]: 1}) for label in self.labels]

    def take(self, indices: Sequence[int]) -> 'ListPart':
        """A part of it."""
        return replace(
            self,
            files=[self.files[index] for index in indices],
            labels=[self.labels[index] for index in indices],
            file=None,
            folders=False,
        )


@dataclass(frozen=True)
class MapPart:
    """Images with a map of labels each.

    Attributes:
        images (Path): The folder that the images are below.
        maps (Path): The folder that the maps are below.
        files (list[str]): Images, without their suffix.
        image_suffix (str): Of all of them.
        map_suffix (str): What the map of an image has in its place.
        pixels (list[Counter]): Pixels of each class in each map.
        convert (dict, optional): The label of each value or colour of the
            files; None if the files hold labels.
        whole (bool): Whether these are all images of the folder.
    """

    images: Path
    maps: Path
    files: list[str]
    image_suffix: str
    map_suffix: str
    pixels: list[Counter]
    convert: dict | None = None
    whole: bool = True

    def counts(self) -> list[Counter]:
        """Pixels of each class in each map."""
        return self.pixels

    def take(self, indices: Sequence[int]) -> 'MapPart':
        """A part of it."""
        return replace(
            self,
            files=[self.files[index] for index in indices],
            pixels=[self.pixels[index] for index in indices],
            whole=False,
        )


Part = CocoPart | ListPart | MapPart


@dataclass
class Recognised:
    """Labels as they were understood.

    Attributes:
        form (str): 'COCO JSON', 'YOLO', ...
        classes (tuple[str, ...]): In the order of their labels.
        parts (dict[str, Part]): By 'train' and, if there is one, 'val'.
        notes (list[str]): What the user should know of it.
        metainfo (dict): What the config says of the data besides classes.
        joints (int): Number of keypoints.
    """

    form: str
    classes: tuple[str, ...]
    parts: dict[str, Part]
    notes: list[str] = field(default_factory=list)
    metainfo: dict[str, Any] = field(default_factory=dict)
    joints: int = 0
