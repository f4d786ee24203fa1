"""The files that a list of videos names: there, whole, readable."""

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from mmengine.registry import TRANSFORMS

from mmuniformer.checks.data_sets import DataSet
from mmuniformer.checks.finding import Finding
from mmuniformer.checks.lists.reading import SHOWN, Line, missing_files, told
from mmuniformer.checks.scan import each, remembered
from mmuniformer.nodes import type_name

READERS = ('DecordInit', 'OpenCVInit', 'PyAVInit')
# Of a video, so many frames are decoded, the first and the last among them.
DECODED = 5


class Sample(NamedTuple):
    """What a line says.

    Attributes:
        line (Line): The line.
        path (str): The video or folder, where mmaction2 looks for it.
        numbers (list[int]): The first frame, if the list has it, and the
            number of frames, if the list has that.
        labels (list[int]): None, one or several.
    """

    line: Line
    path: str
    numbers: list[int]
    labels: list[int]


def check_video_files(
    data_set: DataSet, samples: Sequence[Sample]
) -> Iterator[Finding]:
    """Looks whether each video is on the disk."""
    by_path = _by_path(data_set, samples)
    missing = missing_files(list(by_path), 'videos')
    if not missing:
        return
    first = by_path[missing[0]]
    skips = data_set.node.get('unreadable') == 'skip'
    yield Finding(
        f'{data_set.ann_file}, line {first.line.number}: '
        f'{first.line.text!r} has no file: {missing[0]} does not exist'
        f'{_others(missing[1:], len(by_path))}',
        f'put the files there, or set {data_set.path}.data_root and '
        'data_prefix to the folder that the paths of the list are below',
        str(data_set.ann_file),
        f'line {first.line.number}',
        'warning' if skips else 'error',
    )


def _others(missing: Sequence[str], number: int) -> str:
    if not missing:
        return ''
    verb = 'does' if len(missing) == 1 else 'do'
    return (
        f', nor {verb} {len(missing)} more of the {number} of the list: '
        f'{told(missing)}'
    )


def _by_path(
    data_set: DataSet, samples: Sequence[Sample]
) -> dict[str, Sample]:
    """The samples by the files that are opened for them."""
    by_path = {sample.path: sample for sample in samples}
    names = map(type_name, data_set.node.get('pipeline') or [])
    if 'DecordInit' not in names:
        return by_path
    # It takes a name without a suffix for one of .mp4.
    return {
        path if os.path.splitext(path)[1] else f'{path}.mp4': sample
        for path, sample in by_path.items()
    }


def check_decoding(
    data_set: DataSet, samples: Sequence[Sample]
) -> Iterator[Finding]:
    """Decodes some frames of each video with the reader of the pipeline."""
    steps = reading_steps(data_set.node.get('pipeline') or [])
    if not steps:
        return
    by_path = {
        path: sample
        for path, sample in _by_path(data_set, samples).items()
        if os.path.isfile(path)
    }
    paths = list(by_path)
    try:
        # Host classes, named as in the config or by the active scope.
        transforms = [TRANSFORMS.build(step) for step in steps]
        reasons = remembered(
            list(map(Path, paths)),
            ['decode videos', steps],
            lambda: list(
                each(
                    partial(decode_video, transforms),
                    paths,
                    'decoding the videos',
                )
            ),
        )
    except ImportError as error:
        yield Finding(
            f'{data_set.path}: {type_name(steps[0])} reads no video: {error}'
        )
        return
    broken = [p for p, reason in zip(paths, reasons, strict=True) if reason]
    if broken:
        first = by_path[broken[0]]
        reason = reasons[paths.index(broken[0])]
        more = (
            f'; {len(broken) - 1} more of {len(paths)} cannot be decoded: '
            f'{told(broken[1:])}'
            if broken[1:]
            else ''
        )
        skips = data_set.node.get('unreadable') == 'skip'
        yield Finding(
            f'{data_set.ann_file}, line {first.line.number}: '
            f'{first.line.text!r}: cannot decode the video {broken[0]}: '
            f'{reason}{more}',
            'replace them, or take them off the list',
            broken[0],
            f'line {first.line.number}',
            'warning' if skips else 'error',
        )


def reading_steps(pipeline: Sequence[dict]) -> list[dict]:
    """What opens a video in a pipeline, and what decodes it; or nothing."""
    opening = [t for t in pipeline if type_name(t) in READERS]
    if not opening:
        return []
    decoder = type_name(opening[0]).replace('Init', 'Decode')
    decoding = [t for t in pipeline if type_name(t) == decoder]
    steps = [dict(opening[0]), dict(decoding[0] if decoding else {})]
    steps[1].setdefault('type', decoder)
    return steps


def decode_video(transforms: Sequence[Any], path: str) -> str:
    """What is wrong with a video; empty if nothing is."""
    results: dict = dict(filename=path, modality='RGB', start_index=0)
    if not os.path.getsize(path):
        return 'it is empty'
    opening, decoding = transforms
    try:
        results = opening.transform(results)
        total = results['total_frames']
        if total < 1:
            return 'it has no frames'
        wanted = np.linspace(0, total - 1, DECODED).round().astype(int)
        results['frame_inds'] = np.unique(wanted)
        frames = decoding.transform(results)['imgs']
    except ImportError:
        raise
    # Decoders have all kinds of errors, and share no class.
    except Exception:
        return 'it is damaged, cut off or not a video'
    if any(frame is None or not frame.size for frame in frames):
        return 'a frame of it is empty'
    return ''


def check_folders_of_frames(
    data_set: DataSet, samples: Sequence[Sample], decode: bool
) -> Iterator[Finding]:
    """Looks whether each folder has the frames that its line says.

    Args:
        data_set (DataSet): Of a class that reads like ``RawframeDataset``.
        samples (Sequence[Sample]): Its lines.
        decode (bool): Whether to decode the frames as well.
    """
    node = data_set.node
    pipeline = node.get('pipeline') or []
    if pipeline and 'RawFrameDecode' not in map(type_name, pipeline):
        return
    naming = _Naming(
        node.get('filename_tmpl', 'img_{:05}.jpg'),
        node.get('start_index', 1),
        node.get('modality', 'RGB') == 'Flow',
    )
    folders = [(sample.path, sample.numbers) for sample in samples]
    look = partial(_look_at_folder, naming, decode)
    results = list(each(look, folders, 'looking at the frames'))
    for kind in ('folder', 'template', 'frames', 'damaged', 'more'):
        of_kind = [
            (sample, result)
            for sample, (found, result) in zip(samples, results, strict=True)
            if found == kind
        ]
        if of_kind:
            yield _finding_of_frames(data_set, naming, kind, of_kind)


@dataclass(frozen=True)
class _Naming:
    template: str
    start: int
    flow: bool

    def names(self, first: int, count: int) -> list[str]:
        numbers = range(first, first + count)
        if self.flow:
            return [
                self.template.format(axis, n) for n in numbers for axis in 'xy'
            ]
        return [self.template.format(n) for n in numbers]

    def pattern(self) -> re.Pattern:
        """Of the names of any frame."""
        parts = re.split(r'(\{[^}]*\})', self.template)
        fields = 0
        text = ''
        for part in parts:
            if part.startswith('{'):
                fields += 1
                axis = self.flow and fields == 1
                text += '[xy]' if axis else r'(\d+)'
            else:
                text += re.escape(part)
        return re.compile(text)


def _look_at_folder(
    naming: _Naming, decode: bool, item: tuple[str, list[int]]
) -> tuple[str, str]:
    """Kind of what is wrong with a folder, empty if nothing, and words."""
    folder, numbers = item
    offset = numbers[0] if len(numbers) == 2 else 0
    total = numbers[-1]
    try:
        there = set(os.listdir(folder))
    except OSError:
        return 'folder', folder
    wanted = naming.names(naming.start + offset, total)
    missing = [name for name in wanted if name not in there]
    frames = [m for m in map(naming.pattern().fullmatch, there) if m]
    if missing and not frames:
        return 'template', min(there, default='')
    if missing:
        found = sorted({int(match[1]) for match in frames})
        if offset == 0 and found[0] != naming.start and len(found) >= total:
            return 'frames', (
                f'has no frame {naming.start}: its frames count from '
                f'{found[0]}'
            )
        return 'frames', (
            f'has no {missing[0]}: there are {len(found)} frames, '
            f'{found[0]} to {found[-1]}'
        )
    if decode:
        for name in wanted:
            reason = _decode_image(os.path.join(folder, name))
            if reason:
                return 'damaged', f'{name} {reason}'
    number = len({int(match[1]) for match in frames})
    if len(numbers) == 1 and number > total:
        return 'more', f'has {number} frames, {number - total} are not read'
    return '', ''


def _decode_image(path: str) -> str:
    # Only where it is asked for: images are read as the pipeline does.
    from mmcv import imfrombytes

    content = Path(path).read_bytes()
    if not content:
        return 'is empty'
    try:
        image = imfrombytes(content)
    except Exception:
        image = None
    return 'cannot be decoded' if image is None else ''


def _finding_of_frames(
    data_set: DataSet,
    naming: _Naming,
    kind: str,
    of_kind: Sequence[tuple[Sample, str]],
) -> Finding:
    sample, words = of_kind[0]
    path = data_set.path
    example = naming.names(naming.start, 1)[0]
    what, mend = {
        'folder': (
            f'has no folder: {words} does not exist',
            f'put it there, or set {path}.data_root and data_prefix',
        ),
        'template': (
            f'has no frame of the form {example} in {sample.path}'
            + (f', which has {words}' if words else ', which is empty'),
            f'set {path}.filename_tmpl, which is {naming.template!r}',
        ),
        'frames': (
            f'{words}, in {sample.path}',
            f'the list needs the frames from {path}.start_index = '
            f'{naming.start} on: set it, or mend the number of frames',
        ),
        'damaged': (f'names {sample.path}, of which {words}', 'replace it'),
        'more': (f'{words} ({sample.path})', ''),
    }[kind]
    more = ''
    if of_kind[1:]:
        numbers = [str(s.line.number) for s, _ in of_kind[1:SHOWN]]
        dots = ', ...' if len(of_kind) > SHOWN else ''
        more = (
            f'; {len(of_kind) - 1} more such lines: {", ".join(numbers)}{dots}'
        )
    return Finding(
        f'{data_set.ann_file}, line {sample.line.number}: '
        f'{sample.line.text!r} {what}{more}',
        mend,
        str(data_set.ann_file),
        f'line {sample.line.number}',
        'note' if kind == 'more' else 'error',
    )
