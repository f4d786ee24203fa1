"""Images without maps, maps without images, suffixes that match nothing."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from mmuniformer.checks.finding import Finding, few

# From so many images it is told what suffix their maps have.
ASKED = 20


def several(files: Sequence[str]) -> str:
    """The end of a sentence about the first of some files."""
    more = files[1:]
    if not more:
        return ''
    return f' (and {len(more)} more: {few([Path(f).name for f in more])})'


def finding_of(
    files: Sequence[tuple],
    what: str,
    mend: str = '',
    entry: str = '',
    level: str = 'error',
) -> Finding:
    """One finding for all files of a kind.

    Args:
        files (Sequence[tuple]): The path of each, and anything after it.
        what (str): The sentence, about the first of them.
        mend (str): As in a finding.
        entry (str): As in a finding.
        level (str): As in a finding.
    """
    names = [name for name, *_ in files]
    return Finding(
        what + several(names), mend, file=names[0], entry=entry, level=level
    )


def check_images(
    images: Sequence[str], built: Any, path: str
) -> Iterator[Finding]:
    """Looks whether there are images at all, and those that a list names.

    Args:
        images (Sequence[str]): Files of the data set.
        built (BaseSegDataset): The data set.
        path (str): Its dotted path in the config.
    """
    folder = Path(built.data_prefix.get('img_path') or '.')
    suffix = getattr(built, 'img_suffix', '')
    if not images:
        if built.ann_file and Path(built.ann_file).is_file():
            yield Finding(
                f'{built.ann_file} names no image',
                file=built.ann_file,
                entry=f'{path}.ann_file',
            )
            return
        there = Counter(file.suffix for file in _files(folder))
        held = ', '.join(f'{n} of {s!r}' for s, n in there.most_common(3))
        yield Finding(
            f'no file of {folder} ends in {suffix!r} ({path}.img_suffix): '
            + (f'it has {held}' if held else 'it is empty'),
            f'set {path}.img_suffix={there.most_common(1)[0][0]!r}'
            if held
            else 'put the images there',
            file=str(folder),
            entry=f'{path}.img_suffix',
        )
        return
    missing = [image for image in images if not Path(image).is_file()]
    if missing:
        yield Finding(
            f'{missing[0]} does not exist, and {built.ann_file or path} '
            f'names it{several(missing)}',
            _mend_list(missing[0], suffix),
            file=missing[0],
            entry=f'{path}.ann_file',
        )


def _mend_list(image: str, suffix: str) -> str:
    if Path(image).name == suffix:
        return 'take the empty lines out of the list'
    stem = Path(image.removesuffix(suffix))
    if stem.is_file():
        return f'lines of a list stand without img_suffix={suffix!r}'
    near = sorted(file.suffix for file in stem.parent.glob(f'{stem.name}.*'))
    if near:
        return f'its file ends in {near[0]!r}: set img_suffix={near[0]!r}'
    return 'put it there, or take its line out of the list'


def check_maps(
    maps: Sequence[str], images: Sequence[str], built: Any
) -> Iterator[Finding]:
    """Looks for images without a map.

    Args:
        maps (Sequence[str]): Files of the maps, in the order of the images.
        images (Sequence[str]): Files of the images.
        built (BaseSegDataset): The data set.
    """
    if not maps:
        return
    missing = [
        (map_, image)
        for map_, image in zip(maps, images, strict=True)
        if not Path(map_).is_file() and Path(image).is_file()
    ]
    suffix = built.seg_map_suffix
    if missing:
        (first, image) = missing[0]
        other = _suffix_there([map_ for map_, _ in missing], suffix)
        yield Finding(
            f'{first}, the map of {image}, does not exist'
            f'{several([map_ for map_, _ in missing])}',
            f'maps there end in {other!r}: set seg_map_suffix={other!r}'
            if other
            else 'put the map there, or leave out its image',
            file=first,
        )


def spare_maps(
    maps: Sequence[str], images: Sequence[str], built: Any
) -> list[str]:
    """Maps in the folder of a data set that has no image for them.

    None where a list or ``indices`` says which images are meant.

    Args:
        maps (Sequence[str]): Files of the maps, in the order of the images.
        images (Sequence[str]): Files of the images.
        built (BaseSegDataset): The data set.
    """
    listed = built.ann_file and Path(built.ann_file).is_file()
    if not maps or listed or built._indices is not None:
        return []
    suffix = built.seg_map_suffix
    folder = Path(built.data_prefix.get('seg_map_path') or '.')
    known = {str(Path(map_)) for map_ in maps}
    stems = {map_.removesuffix(suffix) for map_ in known}
    # Images may be in the same folder.
    known |= {str(Path(image)) for image in images}
    there = [str(file) for file in _files(folder)]
    return sorted(
        file
        for file in there
        if file.endswith(suffix)
        and file not in known
        and not _begins(file, stems)
    )


def check_spare_maps(spare: Sequence[str], built: Any) -> Iterator[Finding]:
    """Tells of maps that no data set of a config has an image for."""
    if spare:
        yield Finding(
            f'{spare[0]} is a map without an image{several(spare)}: it is '
            'not used',
            'put its image (the same name with '
            f'{getattr(built, "img_suffix", "")!r}) below '
            f'{built.data_prefix.get("img_path")}, or take the map away',
            file=spare[0],
            level='warning',
        )


def _begins(file: str, stems: set[str]) -> bool:
    """Whether it is another kind of map of an image: a_color.png of a."""
    return any(
        file[:end] in stems
        for end in range(file.rfind('/') + 2, len(file))
        if not file[end].isalnum()
    )


def _suffix_there(maps: Iterable[str], suffix: str) -> str:
    """What the files end in that begin like maps; '' if there are none."""
    ends: Counter = Counter()
    for map_, _ in zip(maps, range(ASKED), strict=False):
        stem = Path(map_.removesuffix(suffix))
        ends.update(
            file.name[len(stem.name) :]
            for file in stem.parent.glob(f'{stem.name}*')
            if not file.name[len(stem.name)].isalnum()
        )
    return ends.most_common(1)[0][0] if ends else ''


def _files(folder: Path) -> Iterator[Path]:
    return (f for f in folder.rglob('*') if f.is_file())
