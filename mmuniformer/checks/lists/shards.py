"""Shards of images and of videos (classification)."""

import io
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from mmengine.config import Config
from mmengine.registry import TRANSFORMS

from mmuniformer.checks.batches import check_whole_batch
from mmuniformer.checks.data_sets import DataSet, data_sets
from mmuniformer.checks.files import check_exists
from mmuniformer.checks.finding import Finding, few
from mmuniformer.checks.images import LOADERS, Decoder, look_at_stream
from mmuniformer.checks.lists.video_files import decode_video, reading_steps
from mmuniformer.checks.scan import each, remembered
from mmuniformer.checks.scoring import scoring, without_scores
from mmuniformer.checks.summary import Summary, by_name
from mmuniformer.errors import UserError
from mmuniformer.nodes import type_name, walk
from mmuniformer.shards import (
    ShardSet,
    as_file,
    place_of,
    read_place,
    read_samples,
    read_shard_set,
)

# Threads that ask for files: on a network each has to wait.
ASKING = 16


class _Labelled(NamedTuple):
    """The samples of one label.

    Attributes:
        label (int or None): The label.
        number (int): How many they are.
        first (str): The first of them, and its shard.
    """

    label: int | None
    number: int
    first: str


def is_sharded(data_set: DataSet) -> bool:
    """Whether the samples of a data set are in shards."""
    return any(
        c.__module__.startswith('mmuniformer.datasets.sharded')
        for c in data_set.kind.__mro__
    )


def check_shards(
    cfg: Config, phases: Collection[str], decode: bool = False
) -> Iterator[Finding]:
    """Looks at the shards of a config: there, whole, labels of the model.

    Args:
        cfg (Config): Its default scope is active.
        phases (Collection[str]): Of 'train', 'val' and 'test', those whose
            data are read.
        decode (bool): Whether to read and decode each sample as well.
    """
    done: list[tuple] = []
    for data_set in data_sets(cfg, phases):
        scored = scoring(cfg, data_set.phase)
        key = (data_set.kind, data_set.node, data_set.phase == 'train', scored)
        if is_sharded(data_set) and key not in done:
            done.append(key)
            yield from _check(cfg, data_set, scored, decode)


def summary(data_set: DataSet) -> Summary | None:
    """What is in shards; None if they cannot be read."""
    if not is_sharded(data_set) or data_set.ann_file is None:
        return None
    try:
        found = read_shard_set(data_set.ann_file)
        labelled = _labelled(found)
    except UserError:
        return None
    names = data_set.metainfo.get('classes') or found.classes
    counts = {
        one.label: one.number for one in labelled if one.label is not None
    }
    return Summary(
        data_set.path,
        data_set.phase,
        unit='clips' if data_set.host == 'mmaction' else 'images',
        samples=sum(shard.number for shard in found.shards),
        classes=by_name(counts, names),
    )


def classes_in(data_set: DataSet) -> Counter | None:
    """The names in the list of shards, with the number of samples of each."""
    found = summary(data_set)
    if found is None:
        return None
    names = read_shard_set(data_set.ann_file).classes
    numbers = list(found.classes.values())
    return Counter(dict(zip(names, numbers, strict=False))) if names else None


def _check(
    cfg: Config, data_set: DataSet, scored: Sequence[str], decode: bool
) -> Iterator[Finding]:
    path, file = data_set.path, data_set.ann_file
    place = f'{path}.ann_file'
    if file is None:
        yield Finding(
            f'{path} has no ann_file on a disk of this machine',
            f'set {place} to the shards.json of a folder of shards',
            entry=place,
        )
        return
    missing = list(check_exists(file, path, 'ann_file'))
    yield from missing
    if missing:
        return
    try:
        found = read_shard_set(file)
    except UserError as error:
        yield Finding(f'{error} (set by {place})', '', str(file), place)
        return
    wrong = list(_check_files(found))
    yield from wrong
    if wrong:
        return
    try:
        labelled = _labelled(found)
    except UserError as error:
        yield Finding(str(error), '', str(file), place)
        return
    number = sum(shard.number for shard in found.shards)
    yield from check_whole_batch(cfg, data_set, number)
    yield from _check_labels(cfg, data_set, found, labelled, scored)
    yield from _check_backend(data_set)
    if decode:
        yield from _check_samples(data_set, found)


def _check_files(found: ShardSet) -> Iterator[Finding]:
    with ThreadPoolExecutor(ASKING) as pool:
        problems = [p for p in pool.map(_problem, found.shards) if p]
    if problems:
        more = len(problems) - 1
        told = f'; {more} more of the {len(found.shards)} shards' * bool(more)
        yield Finding(
            f'{problems[0]}{told} (listed in {found.index})',
            'copy them anew, or write them again by '
            'tools/dataset_tools/make_shards.py',
            str(found.index),
            problems[0].partition(' ')[0],
        )


def _problem(shard: Any) -> str:
    return shard.problem()


def _labelled(found: ShardSet) -> list[_Labelled]:
    """The labels of all shards, from the cache while those are unchanged.

    Raises:
        UserError: If an index cannot be read.
    """
    files = [found.index]
    files += [s.index for s in found.shards if s.index.exists()]
    seen = remembered(files, ['shards'], lambda: _count(found))
    return [_Labelled(*values) for values in seen]


def _count(found: ShardSet) -> list[_Labelled]:
    numbers: Counter = Counter()
    first: dict[int | None, str] = {}
    for shard in found.shards:
        for sample in read_samples(shard):
            labels = sample.label
            for label in labels if isinstance(labels, list) else [labels]:
                numbers[label] += 1
                first.setdefault(label, f'{sample.name} of {shard.tar}')
    return [
        _Labelled(label, numbers[label], name) for label, name in first.items()
    ]


def _check_labels(
    cfg: Config,
    data_set: DataSet,
    found: ShardSet,
    labelled: Sequence[_Labelled],
    scored: Sequence[str],
) -> Iterator[Finding]:
    model = cfg.get('model') or {}
    model = model.get('module', model)
    head = model.get('cls_head') or model.get('head') or {}
    number = head.get('num_classes') if isinstance(head, dict) else None
    names = data_set.metainfo.get('classes') or found.classes
    number = number or len(names)
    for one in labelled:
        label = one.label
        if label is None:
            yield from _check_unlabelled(data_set, found, one, scored)
        elif label < 0 or (number and label >= number):
            others = one.number - 1
            more = f', as have {others} more' if others else ''
            yield Finding(
                f'{one.first} has the label {label}{more}: the model '
                f'has {number} classes, so labels are 0 to {number - 1}',
                'mend the list, and write the shards again',
                str(found.index),
                one.first,
            )


def _check_unlabelled(
    data_set: DataSet,
    found: ShardSet,
    unlabelled: _Labelled,
    scored: Sequence[str],
) -> Iterator[Finding]:
    if data_set.phase != 'train' and not scored:
        return
    mend = 'training needs the class of each sample'
    if data_set.phase != 'train':
        mend = without_scores(data_set.phase)
    others = unlabelled.number - 1
    more = f', nor have {others} more' if others else ''
    yield Finding(
        f'{unlabelled.first} has no label{more}',
        mend,
        str(found.index),
        unlabelled.first,
    )


def _check_backend(data_set: DataSet) -> Iterator[Finding]:
    """Looks for transforms that read from another place by their settings."""
    path = f'{data_set.path}.pipeline'
    for place, node in walk(data_set.node.get('pipeline'), path):
        if type_name(node) not in LOADERS:
            continue
        for key in ('file_client_args', 'backend_args'):
            backend = (node.get(key) or {}).get('backend')
            if backend not in (None, 'shard') or (
                node.get(key) and not backend
            ):
                yield Finding(
                    f'{place}.{key} is {dict(node[key])}, which reads no '
                    'shards',
                    'take it out',
                    entry=f'{place}.{key}',
                )


def _check_samples(data_set: DataSet, found: ShardSet) -> Iterator[Finding]:
    """Reads each sample, and decodes it with the decoder of the pipeline."""
    places = [
        place_of(shard.tar, sample)
        for shard in found.shards
        for sample in read_samples(shard)
    ]
    steps, decode = _decoder(data_set.node.get('pipeline') or [])
    reasons = remembered(
        [shard.tar for shard in found.shards],
        ['samples in shards', steps],
        lambda: list(
            each(partial(_look, decode), places, 'decoding the shards')
        ),
    )
    wrong = [reason for reason in reasons if reason]
    if wrong:
        skips = data_set.node.get('unreadable') == 'skip'
        more = f'; {len(wrong) - 1} more of {len(places)}' * (len(wrong) > 1)
        yield Finding(
            f'{few(wrong, 1)}{more}',
            'replace the files that they are of, and write the shards again',
            str(found.index),
            wrong[0],
            'warning' if skips else 'error',
        )


def _decoder(
    pipeline: Sequence[dict],
) -> tuple[Any, Callable[[bytes, str], str] | None]:
    """How samples are decoded, and what tells what is wrong with one."""
    for _, node in walk(pipeline):
        if type_name(node) in LOADERS:
            backend = node.get('imdecode_backend') or 'cv2'
            flag = node.get('color_type') or 'color'
            decoder = Decoder(backend, flag)
            return [backend, flag], partial(_decode_image, decoder)
    steps = reading_steps(pipeline)
    if not steps:
        return [], None
    transforms = [TRANSFORMS.build(step) for step in steps]
    return steps, partial(_decode_video, transforms)


def _look(decode: Callable[[bytes, str], str] | None, place: str) -> str:
    """What is wrong with a sample; empty if nothing is."""
    try:
        content = read_place(place)
    except UserError as error:
        return str(error)
    reason = decode(content, Path(place).suffix) if decode else ''
    return f'{place}: {reason}' if reason else ''


def _decode_image(decoder: Decoder, content: bytes, suffix: str) -> str:
    return look_at_stream(decoder, True, io.BytesIO(content)).problem


def _decode_video(transforms: list, content: bytes, suffix: str) -> str:
    with as_file(content, suffix or '.mp4') as path:
        return decode_video(transforms, path)
