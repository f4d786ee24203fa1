"""Values of label maps that are no labels, or not those that were meant."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from mmengine.config import Config

from mmuniformer.checks.finding import Finding
from mmuniformer.checks.label_maps.files import LOSSY, Seen
from mmuniformer.checks.label_maps.folders import finding_of
from mmuniformer.checks.label_maps.sets import LEFT_OUT, LabelMaps

SHOWN_LABELS = 5


@dataclass(frozen=True)
class Model:
    """What of a model's config gives labels a meaning.

    Attributes:
        num_classes (int, optional): Labels are below it; None if no head
            says.
        ignore_index (int, optional): The one label besides them; None if
            there is none.
    """

    num_classes: int | None
    ignore_index: int | None

    @classmethod
    def of(cls, cfg: Config) -> 'Model':
        """That of the last decode head, as the transform is told it."""
        model = cfg.get('model') or {}
        head = model.get('module', model).get('decode_head') or {}
        head = head[-1] if isinstance(head, (list, tuple)) else head
        number = head.get('num_classes')
        # One output channel tells two classes apart.
        number = max(number, 2) if isinstance(number, int) else None
        return cls(number, head.get('ignore_index', LEFT_OUT))


def check_files(
    maps: LabelMaps,
    names: Sequence[str],
    found: Sequence[Seen],
    model: Model,
) -> Iterator[Finding]:
    """Looks for files whose values are not read as their author meant.

    Args:
        maps (LabelMaps): The data set.
        names (Sequence[str]): Files of maps that exist.
        found (Sequence[Seen]): What was seen of each.
        model (Model): Whose labels they are.
    """
    both = list(zip(names, found, strict=True))
    damaged = [(n, s) for n, s in both if s.error]
    if damaged:
        yield finding_of(
            damaged,
            f'{damaged[0][0]} cannot be read: it is damaged, or no image '
            f'({damaged[0][1].error})',
        )
    yield from _check_channels(maps, both)
    cut = [(n, s) for n, s in both if s.cut]
    if cut:
        yield cut_finding(cut[0][0], cut[0][1].cut, cut)
    lossy = [
        (n, s) for n, s in both if s.format in LOSSY and len(s.values) > 1
    ]
    if lossy:
        yield finding_of(
            lossy,
            f'{lossy[0][0]} is a JPEG: its compression changes values at '
            f'the edges of objects (it holds {len(lossy[0][1].values)} of '
            'them), so they are no labels',
            'write maps as PNG from where they were made; a JPEG cannot be '
            'repaired',
        )
    if maps.final:
        known = [(n, s) for n, s in both if s.format not in LOSSY]
        yield from _check_labels(maps, known, model)


def _check_channels(
    maps: LabelMaps, both: list[tuple[str, Seen]]
) -> Iterator[Finding]:
    palette = [
        (n, s) for n, s in both if s.channels > 1 and s.mode in ('P', 'PA')
    ]
    if palette:
        yield finding_of(
            palette,
            f'{palette[0][0]} has a palette, and the decoder of '
            f'{maps.data_set.path} (imdecode_backend='
            f'{(maps.loader or {}).get("imdecode_backend")!r}) reads its '
            'colours in place of its indices',
            "leave imdecode_backend out of LoadAnnotations: 'pillow' reads "
            'the indices',
        )
    coloured = [
        (n, s) for n, s in both if s.channels > 1 and s.mode not in ('P', 'PA')
    ]
    if coloured:
        name, seen = coloured[0]
        yield finding_of(
            coloured,
            f'{name} has {seen.channels} channels: a map of labels has one, '
            'which holds indices of classes',
            _mend_colours(seen, maps),
        )


def _mend_colours(seen: Seen, maps: LabelMaps) -> str:
    palette = [list(c) for c in maps.built.metainfo.get('palette') or []]
    if seen.colours and all(len(set(c)) == 1 for c in seen.colours):
        return 'its channels are alike: write one of them'
    # The value of a file that becomes each label.
    values = {int(k): v for v, k in enumerate(maps.labels()) if k != LEFT_OUT}
    known = [
        f'{tuple(c)} to {values[palette.index(c)]} '
        f'({maps.classes[palette.index(c)]})'
        for c in seen.colours
        if c in palette and palette.index(c) in values
    ]
    if not known:
        return 'write the index of the class of each colour in one channel'
    return (
        'its colours are those of metainfo.palette: write their indices in '
        f'one channel, {", ".join(known[:SHOWN_LABELS])}'
        f'{", ..." if len(known) > SHOWN_LABELS else ""}'
    )


def cut_finding(name: str, values: list, all_: Sequence = ()) -> Finding:
    shown = ', '.join(f'{value:g}' for value in values[:SHOWN_LABELS])
    first = values[0]
    became = (
        f': {first:g} becomes {int(first) & 255}'
        if np.isfinite(first) and first == int(first)
        else ''
    )
    return finding_of(
        all_ or [(name, None)],
        f'{name} holds the value {shown}'
        f'{", ..." if len(values) > SHOWN_LABELS else ""}, and mmseg reads '
        f'whole numbers of 8 bits{became}',
        'write labels of 0 to 254, and 255 for what is ignored',
        entry=f'value {shown}',
    )


def _check_labels(
    maps: LabelMaps, both: list[tuple[str, Seen]], model: Model
) -> Iterator[Finding]:
    """Values that are no labels, and maps that have nothing to learn."""
    decoded = [(n, s) for n, s in both if s.decoded and not s.cut]
    if not decoded:
        return
    labels = maps.labels()
    values: Counter = Counter()
    for _, seen in decoded:
        values.update(dict(seen.values))
    if set(values) == {0, 255} and labels[255] == model.ignore_index:
        yield _foreground(maps, decoded, values)
        return
    number = model.num_classes or len(maps.classes) or LEFT_OUT
    allowed = {*range(number), model.ignore_index}
    wrong = [
        (n, s)
        for n, s in decoded
        if any(int(labels[v]) not in allowed for v, _ in s.values)
    ]
    if wrong:
        yield _out_of_range(maps, wrong, values, number, model)
    empty = [
        (n, s)
        for n, s in decoded
        if all(labels[v] == model.ignore_index for v, _ in s.values)
    ]
    if len(empty) == len(decoded):
        yield Finding(
            f'every pixel of the {len(empty)} maps of {maps.data_set.path} '
            f'that were looked at is ignored (label {model.ignore_index}'
            f'{_changed(maps)}): nothing can be learned or scored',
            'see what the maps hold and set reduce_zero_label, classes and '
            'ignore_index by it',
            file=empty[0][0],
            entry=maps.data_set.path,
        )
    elif empty:
        yield finding_of(
            empty,
            f'{empty[0][0]} has only ignored pixels (label '
            f'{model.ignore_index}{_changed(maps)})',
            'leave it out, or see whether its labels are missing',
            # Where classes are left out, so are maps that have no others.
            level='note' if maps.built.label_map else 'warning',
        )
    else:
        yield from _check_mixture(decoded, labels, model)


def _foreground(
    maps: LabelMaps, decoded: list[tuple[str, Seen]], values: Counter
) -> Finding:
    share = values[255] / values.total()
    name, seen = decoded[0]
    mend = 'write them as 0 and 1 (divide by 255)'
    if seen.mode == '1':
        mend = (
            "leave imdecode_backend out of LoadAnnotations: 'pillow' reads "
            'maps of 1 bit as 0 and 1'
        )
    elif maps.built.reduce_zero_label:
        mend += ', and set reduce_zero_label=False, which ignores 0'
    return Finding(
        f'{maps.data_set.path}: every pixel of the {len(decoded)} maps that '
        f'were looked at is 0 or 255 ({name}, ...), and 255 is ignored: '
        f'the whole foreground, {share:.0%} of the pixels, would never be '
        'learned',
        mend,
        file=name,
        entry='label 255',
    )


def _check_mixture(
    decoded: list[tuple[str, Seen]], labels: np.ndarray, model: Model
) -> Iterator[Finding]:
    """Masks of 0 and 255 among maps of 0 and 1."""
    if model.num_classes != 2 or labels[255] != model.ignore_index:
        return
    held = [{value for value, _ in seen.values} for _, seen in decoded]
    masks = [d for d, h in zip(decoded, held, strict=True) if h == {0, 255}]
    both = any({1, 255} <= h for h in held)
    if len(masks) > 1 and len(masks) * 10 >= len(decoded) and not both:
        yield finding_of(
            masks,
            f'{masks[0][0]} has only 0 and 255, while others have 0 and 1: '
            'its foreground is ignored',
            'write it as 0 and 1 (divide by 255), unless those pixels shall '
            'be ignored',
            level='warning',
        )


def _out_of_range(
    maps: LabelMaps,
    wrong: list[tuple[str, Seen]],
    values: Counter,
    number: int,
    model: Model,
) -> Finding:
    labels = maps.labels()
    allowed = {*range(number), model.ignore_index}
    name, seen = wrong[0]
    present = sorted({int(labels[v]) for v, _ in seen.values})
    bad = [label for label in present if label not in allowed]
    finding = labels_finding(
        name,
        bad,
        number,
        model.ignore_index,
        bool(maps.built.label_map) or maps.built.reduce_zero_label,
    )
    return finding_of(
        wrong,
        finding.what,
        _mend_range(maps, seen, set(values), number),
        entry=finding.entry,
    )


def _mend_range(
    maps: LabelMaps, seen: Seen, values: set[int], number: int
) -> str:
    held = sorted(values - {LEFT_OUT})
    changed = bool(maps.built.label_map) or maps.built.reduce_zero_label
    if seen.raw in ('L;2', 'L;4'):
        return (
            f'the file has {seen.raw[2]} bits, which decoders spread over 0 '
            'to 255: write it with 8 bits'
        )
    if values <= {0, 255}:
        return 'if 255 is the foreground, write 1 in its place'
    if not changed and held[0] in (0, 1) and held[-1] == number:
        return (
            'if classes count from 1, set reduce_zero_label=True in the data '
            'set; if not, a class is missing in the config'
        )
    if not changed and len(values) <= number and held[-1] > 2 * number:
        places = ', '.join(
            f'{value} to {label}'
            for label, value in enumerate(sorted(values)[:SHOWN_LABELS])
        )
        return (
            'write labels in place of shades of grey, if they mean classes: '
            f'{places}{", ..." if len(values) > SHOWN_LABELS else ""}'
        )
    return ''


def labels_finding(
    path: str,
    wrong: Sequence[int],
    num_classes: int,
    ignore_index: int | None,
    changed: bool,
) -> Finding:
    shown = ', '.join(map(str, wrong[:SHOWN_LABELS]))
    ignored = (
        'and none is ignored'
        if ignore_index is None
        else f'and {ignore_index} for what is ignored'
    )
    return Finding(
        f'{path} has the label {shown}'
        f'{", ..." if len(wrong) > SHOWN_LABELS else ""}'
        f'{" (after reduce_zero_label)" if changed else ""}: the model '
        f'has {num_classes} classes, so labels are 0 to '
        f'{num_classes - 1}, {ignored}',
        file=path,
        entry=f'label {shown}',
    )


def _changed(maps: LabelMaps) -> str:
    if maps.built.reduce_zero_label:
        return ', which reduce_zero_label makes of 0'
    return ', which classes left out become' if maps.built.label_map else ''
