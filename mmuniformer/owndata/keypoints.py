"""What mmpose is told of keypoints: names, sides, skeleton, sigmas."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmengine.config import Config

from mmuniformer.checks.keypoints.names import parse_name
from mmuniformer.errors import UserError
from mmuniformer.owndata.parts import CocoPart

# Between those of COCO's eyes (0.025) and hips (0.107): how far apart people
# mark the same joint, as a share of the size of the object.
SIGMA = 0.05
COLOURS = dict(l=(0, 255, 0), r=(255, 128, 0))
MIDDLE = (51, 153, 255)


@dataclass(frozen=True)
class Joints:
    """Keypoints as a file has them.

    Attributes:
        names (tuple[str, ...]): In the order of the file.
        bones (tuple[tuple[int, int], ...]): Pairs of indices, from 0.
        sigmas (tuple[float, ...]): Of each, if the file has them.
        flip (tuple[int, ...]): The keypoint in place of each in a mirrored
            image, if the file says so.
    """

    names: tuple[str, ...]
    bones: tuple[tuple[int, int], ...] = ()
    sigmas: tuple[float, ...] = ()
    flip: tuple[int, ...] = ()


def joints_of(part: CocoPart) -> Joints:
    """The keypoints of a file's categories, which all have the same.

    Raises:
        UserError: If they have not, or annotations have another number.
    """
    first, *others = part.content['categories']
    for other in others:
        if other['keypoints'] != first['keypoints']:
            raise UserError(
                f'{part.source}: categories {first["name"]!r} and '
                f'{other["name"]!r} have different keypoints, and a model '
                'has one set; make a file of each'
            )
    names = tuple(map(str, first['keypoints']))
    if len(set(names)) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise UserError(
            f'{part.source}: category {first["name"]!r} has the keypoint '
            f'{twice!r} twice'
        )
    for annotation in part.content['annotations']:
        number = len(annotation['keypoints']) // 3
        if number != len(names):
            raise UserError(
                f'{part.source}: the annotation with the id '
                f'{annotation["id"]} has {number} keypoints, and its category '
                f'{len(names)}'
            )
    bones = []
    for bone in first.get('skeleton') or ():
        ends = bone if isinstance(bone, list) and len(bone) == 2 else [None]
        if not all(end in range(1, len(names) + 1) for end in ends):
            raise UserError(
                f'{part.source}: the skeleton has {bone}; it is a list of '
                'pairs of keypoints by their numbers, which are 1 to '
                f'{len(names)}'
            )
        bones.append((int(bone[0]) - 1, int(bone[1]) - 1))
    sigmas = first.get('sigmas') or []
    if not all(isinstance(value, int | float) for value in sigmas):
        raise UserError(f'{part.source}: sigmas are {sigmas}, and no numbers')
    return Joints(
        names,
        tuple(bones),
        tuple(sigmas),
        tuple(first.get('flip_idx') or ()),
    )


def metainfo_of(joints: Joints, name: str) -> tuple[dict[str, Any], list[str]]:
    """``metainfo`` of a data set of mmpose, and how it was found.

    Args:
        joints (Joints): What the file has.
        name (str): Of the data set.
    """
    known, file = _known(joints.names)
    flip, how = _flip(joints, known)
    sigmas, whence = _sigmas(joints, known, file)
    notes = [how, whence]
    if known and _is_the_same(joints, known, flip):
        # Nothing is left to say.
        place = f'configs/_base_/datasets/{Path(file.split()[-1]).name}'
        return dict(from_file=place), notes
    bones = joints.bones
    if not bones and known:
        place = {parse_name(n): i for i, n in enumerate(joints.names)}
        bones = tuple(
            tuple(place[parse_name(end)] for end in link['link'])
            for link in known['skeleton_info'].values()
        )
        notes.append(f'the skeleton is that of {file}')
    elif not bones:
        notes.append(
            'the file has no skeleton: pictures have joints without lines '
            '(add "skeleton" to the category)'
        )
    colours = [COLOURS.get(_side(n), MIDDLE) for n in joints.names]
    return dict(
        dataset_name=name,
        keypoint_info={
            i: dict(
                name=n,
                id=i,
                color=list(colours[i]),
                type='',
                swap='' if flip[i] == i else joints.names[flip[i]],
            )
            for i, n in enumerate(joints.names)
        },
        skeleton_info={
            i: dict(
                link=(joints.names[a], joints.names[b]),
                id=i,
                color=list(colours[a] if colours[a] == colours[b] else MIDDLE),
            )
            for i, (a, b) in enumerate(bones)
        },
        joint_weights=[1.0] * len(joints.names),
        sigmas=list(sigmas),
    ), notes


def _is_the_same(
    joints: Joints, known: dict[str, Any], flip: Sequence[int]
) -> bool:
    """Whether a file of mmpose says all of the keypoints, in their order."""
    points = list(known['keypoint_info'].values())
    names = [point['name'] for point in points]
    links = {frozenset(v['link']) for v in known['skeleton_info'].values()}
    bones = {frozenset(names[end] for end in bone) for bone in joints.bones}
    swaps = [names.index(p.get('swap') or p['name']) for p in points]
    return (
        names == list(joints.names)
        and swaps == list(flip)
        and (not bones or bones == links)
        and joints.sigmas in ((), tuple(known['sigmas']))
    )


def _side(name: str) -> str:
    return parse_name(name).side


def _known(names: Sequence[str]) -> tuple[dict[str, Any] | None, str]:
    """A data set of mmpose with the same names, in any order or spelling."""
    import mmpose

    folder = Path(mmpose.__file__).parent / '.mim/configs/_base_/datasets'
    wanted = {parse_name(name) for name in names}
    files = [folder / 'coco.py', *sorted(folder.glob('*.py'))]
    for file in files:
        text = file.read_text(encoding='utf-8')
        # Reading each as a config takes seconds.
        if not all(
            name.split('_')[-1].lower() in text.lower() for name in names
        ):
            continue
        info = Config.fromfile(file, import_custom_modules=False).get(
            'dataset_info'
        )
        points = (info or {}).get('keypoint_info', {}).values()
        found = [parse_name(point['name']) for point in points]
        if set(found) == wanted and len(found) == len(names):
            return info, f"mmpose's {file.name}"
    return None, ''


def _flip(
    joints: Joints, known: dict[str, Any] | None
) -> tuple[list[int], str]:
    """The keypoint in place of each in a mirrored image."""
    names = joints.names
    if joints.flip:
        flip = list(joints.flip)
        if sorted(flip) != list(range(len(names))) or any(
            flip[other] != i for i, other in enumerate(flip)
        ):
            raise UserError(
                f'flip_idx {flip} is wrong: of each pair of keypoints, each '
                f'names the other, and the numbers are 0 to {len(names) - 1}'
            )
        return flip, f'{_pairs(names, flip)} (flip_idx of the file)'
    place = {parse_name(name): i for i, name in enumerate(names)}
    if known:
        swaps = {
            parse_name(p['name']): p.get('swap') or p['name']
            for p in known['keypoint_info'].values()
        }
        flip = [place[parse_name(swaps[parse_name(n)])] for n in names]
    else:
        flip = [
            place.get(parse_name(name).mirrored, i)
            for i, name in enumerate(names)
        ]
    alone = [
        name for i, name in enumerate(names) if flip[i] == i and _side(name)
    ]
    if alone:
        raise UserError(
            f'keypoint {alone[0]!r} is of one side, and none is named like '
            f'it on the other; the keypoints are {", ".join(names)}'
        )
    if flip == list(range(len(names))):
        return flip, (
            'no keypoint has left or right in its name: mirrored images keep '
            'their keypoints as they are. If there are sides, name them '
            '(left_eye, right_eye)'
        )
    return flip, _pairs(names, flip)


def _pairs(names: Sequence[str], flip: Sequence[int]) -> str:
    pairs = [
        f'{names[i]} - {names[other]}'
        for i, other in enumerate(flip)
        if i < other
    ]
    return f'mirrored images exchange {", ".join(pairs)}'


def _sigmas(
    joints: Joints, known: dict[str, Any] | None, file: str
) -> tuple[list[float], str]:
    if joints.sigmas:
        if len(joints.sigmas) != len(joints.names):
            raise UserError(
                f'there are {len(joints.sigmas)} sigmas for '
                f'{len(joints.names)} keypoints'
            )
        return list(map(float, joints.sigmas)), 'sigmas are those of the file'
    if known:
        sigmas = dict(
            zip(
                (
                    parse_name(p['name'])
                    for p in known['keypoint_info'].values()
                ),
                known['sigmas'],
                strict=True,
            )
        )
        return [float(sigmas[parse_name(n)]) for n in joints.names], (
            f'sigmas are those of {file}, which has the same keypoints'
        )
    return [SIGMA] * len(joints.names), (
        f'the file has no sigmas: all are {SIGMA}, so AP is not comparable '
        'with that of another data set (write "sigmas" into the category)'
    )


def named_joints(
    number: int, names: Sequence[str] | None, source: str
) -> tuple[list[str], list[str]]:
    """Names of the keypoints of a YOLO file, and a note if it has none."""
    if names is None:
        return [f'keypoint_{i}' for i in range(1, number + 1)], [
            f'{source} has no names of keypoints (kpt_names): they are '
            'numbered'
        ]
    if len(names) != number:
        raise UserError(
            f'{source} has {len(names)} kpt_names and kpt_shape {number}'
        )
    return list(names), []
