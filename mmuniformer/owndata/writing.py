"""Files of labels beside a config, and what a data set is told of them."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from mmuniformer.errors import UserError
from mmuniformer.owndata.label_maps import write_maps
from mmuniformer.owndata.listed import list_lines
from mmuniformer.owndata.parts import CocoPart, ListPart, MapPart, Part

Put = Callable[[str, Path], None]


@dataclass(frozen=True)
class Written:
    """What a config says of one side of the data.

    Attributes:
        node (dict): Keys of its data set.
        samples (int): How many a training reads.
        file (str): The annotation file; empty without one.
    """

    node: dict[str, Any]
    samples: int
    file: str = ''


def write_part(
    part: Part, side: str, folder: Path, put: Put, task: str
) -> Written:
    """Writes what the library cannot read from the user's own files.

    Args:
        part (Part): One side.
        side (str): 'train' or 'val'.
        folder (Path): Where files are written.
        put (Callable): Writes a text into a file.
        task (str): The task.
    """
    if isinstance(part, CocoPart):
        return _coco(part, side, folder, put, task)
    if isinstance(part, ListPart):
        return _list(part, side, folder, put, task)
    return _maps(part, side, folder, put)


def text_of(path: Path) -> str:
    """A path as configs have it, with ``/``."""
    return Path(os.path.normpath(path)).as_posix()


def _coco(
    part: CocoPart, side: str, folder: Path, put: Put, task: str
) -> Written:
    file = part.file
    if file is None:
        file = folder / f'{side}.json'
        put(orjson.dumps(part.content).decode(), file)
    node = dict(
        data_root='',
        ann_file=text_of(file),
        data_prefix=dict(img=text_of(part.images) + '/'),
    )
    annotations = part.content['annotations']
    learned = [a for a in annotations if not a.get('iscrowd')]
    if task == 'pose':
        samples = sum(a['num_keypoints'] > 0 for a in learned)
    else:
        samples = len({a['image_id'] for a in learned})
    return Written(node, samples, text_of(file))


def _list(
    part: ListPart, side: str, folder: Path, put: Put, task: str
) -> Written:
    node: dict[str, Any] = dict(data_root='')
    # mmaction2 reads lists alone.
    if task == 'video' or not part.folders:
        file, delimiter = part.file, ' '
        if file is None:
            file = folder / f'{side}.txt'
            if task == 'video':
                delimiter = _delimiter(part.files)
            lines = list_lines(part.files, part.labels, delimiter)
            put('\n'.join(lines) + '\n', file)
        node['ann_file'] = text_of(file)
        if delimiter != ' ':
            node['delimiter'] = delimiter
    prefix = text_of(part.images)
    node['data_prefix'] = dict(video=prefix) if task == 'video' else prefix
    return Written(node, len(part.files), node.get('ann_file', ''))


def _delimiter(files: list[str]) -> str:
    """What no name has in it."""
    found = (d for d in ' ,;\t' if not any(d in name for name in files))
    delimiter = next(found, None)
    if delimiter is None:
        raise UserError(
            'names of videos have spaces, commas, semicolons and tabs in '
            'them, so that a list has nothing to divide its columns by; '
            'rename some'
        )
    return delimiter


def _maps(part: MapPart, side: str, folder: Path, put: Put) -> Written:
    maps, suffix = part.maps, part.map_suffix
    if part.convert is not None:
        maps, suffix = folder / 'maps' / side, '.png'
        write_maps(part, maps)
    node = dict(
        data_root='',
        data_prefix=dict(
            img_path=text_of(part.images), seg_map_path=text_of(maps)
        ),
        img_suffix=part.image_suffix,
        seg_map_suffix=suffix,
    )
    if not part.whole:
        file = folder / f'{side}.txt'
        put('\n'.join(part.files) + '\n', file)
        node['ann_file'] = text_of(file)
    return Written(node, len(part.files))
