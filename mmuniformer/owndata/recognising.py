"""Which form labels have, by the task and by what is in them."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from mmuniformer.checks.finding import few
from mmuniformer.errors import UserError
from mmuniformer.owndata import coco, label_maps, listed, voc, yolo
from mmuniformer.owndata.images import IMAGE_SUFFIXES, VIDEO_SUFFIXES
from mmuniformer.owndata.keypoints import (
    joints_of,
    metainfo_of,
    named_joints,
)
from mmuniformer.owndata.naming import read_names
from mmuniformer.owndata.parts import CocoPart, Part, Recognised

TASKS = dict(
    det='boxes',
    ins='masks of objects',
    seg='maps of labels',
    pose='keypoints',
    cls='classes of images',
    video='classes of videos',
)
OBJECTS = ('det', 'ins', 'pose')
READ = dict(
    det='COCO JSON, YOLO label files or data.yaml, Pascal VOC XML',
    ins='COCO JSON with segmentation, YOLO label files with polygons',
    pose='COCO JSON with keypoints, YOLO label files with kpt_shape',
    seg='a folder of label maps',
    cls='folders of classes, or a list of files and classes',
    video='a list of videos and classes, or folders of classes',
)


@dataclass(frozen=True)
class Given:
    """What the user says of the data.

    Attributes:
        task (str): A key of ``TASKS``.
        images (Path, optional): Folder of images or videos.
        labels (Path, optional): File or folder of labels.
        val_images (Path, optional): Those of validation, where they differ.
        val_labels (Path, optional): Labels of validation.
        classes (str, optional): As ``--classes`` has it.
        first_pixel (int, optional): See :func:`voc.read_voc_part`.
        name (str): What the data set is called.
    """

    task: str
    images: Path | None
    labels: Path | None
    val_images: Path | None = None
    val_labels: Path | None = None
    classes: str | None = None
    first_pixel: int | None = None
    name: str = 'own data'


def recognise(given: Given) -> Recognised:
    """Reads labels of whatever form they have.

    Raises:
        UserError: If they have none that is known, or are wrong.
    """
    for place in (
        given.images,
        given.labels,
        given.val_images,
        given.val_labels,
    ):
        if place is not None and not place.exists():
            raise UserError(f'{place} does not exist')
    if given.task in OBJECTS:
        found = _objects(given)
    elif given.task == 'seg':
        found = _maps(given)
    else:
        found = _classes(given)
    _look_at_sides(found)
    return found


def _look_at_sides(found: Recognised) -> None:
    """Refuses images that are on both sides."""
    if 'val' not in found.parts:
        return
    train, val = found.parts['train'], found.parts['val']
    both = {str((train.images / f).resolve()) for f in train.files} & {
        str((val.images / f).resolve()) for f in val.files
    }
    if both and len(both) < len(val.files):
        raise UserError(
            f'{len(both)} of {len(val.files)} files of validation are files '
            f'of training: {few(sorted(both))}; take them off one of the two'
        )


def _needed(given: Given) -> tuple[Path, Path]:
    if given.labels is None or given.images is None:
        option = 'labels' if given.labels is None else 'images'
        raise UserError(
            f'--task {given.task} needs --{option}: {READ[given.task]}'
        )
    return given.images, given.labels


def _objects(given: Given) -> Recognised:
    """Boxes, masks or keypoints."""
    if given.labels is None:
        _needed(given)
    labels = given.labels
    if labels.is_file() and labels.suffix.lower() == '.json':
        found = _coco(given)
    elif labels.is_dir() and (file := _only_json(given)) is not None:
        found = _coco(replace(given, labels=file))
    elif voc.is_voc(labels):
        found = _voc(given)
    elif yolo.is_yolo(labels):
        found = _yolo(given)
    else:
        raise UserError(_not_recognised(given))
    part = found.parts['train']
    if not part.content['annotations']:
        raise UserError(f'{part.source} has no object to learn')
    found.notes += [
        note
        for part in found.parts.values()
        for note in coco.objects_told(part, given.task)
    ]
    if given.task == 'pose':
        joints = joints_of(part)
        for other in found.parts.values():
            if joints_of(other).names != joints.names:
                raise UserError(
                    f'{other.source} has other keypoints than {part.source}, '
                    'or another order of them'
                )
        found.joints = len(joints.names)
        found.metainfo, notes = metainfo_of(joints, given.name)
        found.notes += notes
    return found


def _only_json(given: Given) -> Path | None:
    """The JSON file of a folder; a folder of several is ambiguous."""
    files = sorted(given.labels.glob('*.json'))
    if not files:
        return None
    if len(files) > 1:
        raise UserError(
            f'{given.labels} has {len(files)} JSON files: '
            f'{few([f.name for f in files], 6)}; name one with --labels, and '
            'that of validation with --val-labels'
        )
    return files[0]


def _not_recognised(given: Given) -> str:
    labels = given.labels
    if labels.is_file():
        what = f'{labels} is none of them'
    else:
        kinds = sorted({p.suffix for p in labels.rglob('*') if p.is_file()})
        what = (
            f'{labels} has files that end with {few(kinds, 6)}'
            if kinds
            else f'{labels} is empty'
        )
    return f'--task {given.task} reads {READ[given.task]}, and {what}'


def _coco(given: Given) -> Recognised:
    images, labels = _needed(given)
    part = coco.read_coco_part(labels, images, given.task)
    classes = coco.class_names(part)
    parts = {'train': part}
    if given.val_labels is not None:
        val = coco.read_coco_part(
            given.val_labels, given.val_images or images, given.task
        )
        if set(coco.class_names(val)) != set(classes):
            odd = sorted(set(coco.class_names(val)) ^ set(classes))
            raise UserError(
                f'{given.val_labels} has other classes than {labels}: '
                f'{few(odd, 8)} are in one of the two'
            )
        parts['val'] = val
    names = read_names(given.classes)
    notes = []
    if names is not None and given.task != 'pose':
        if set(names) - set(classes):
            raise UserError(
                f'--classes: {few(sorted(set(names) - set(classes)))} are no '
                f'categories of {labels}, which has {few(list(classes), 8)}'
            )
        parts = {side: _only(p, names) for side, p in parts.items()}
        left_out = [name for name in classes if name not in names]
        if left_out:
            notes.append(f'categories left out: {few(left_out, 8)}')
        classes = names
    ids = {c['name']: c['id'] for c in part.content['categories']}
    if [ids[name] for name in classes] != list(range(1, len(classes) + 1)):
        order = 'given' if names is not None else 'of the file'
        notes.append(
            f'ids of categories become labels in the order {order}: '
            + few(
                [
                    f'{name} ({ids[name]}) is {n}'
                    for n, name in enumerate(classes)
                ],
                8,
            )
        )
    return Recognised('COCO JSON', classes, parts, notes)


def _only(part: CocoPart, names: tuple[str, ...]) -> CocoPart:
    """The objects of some categories, in another order."""
    by_name = {c['name']: c for c in part.content['categories']}
    categories = [by_name[name] for name in names]
    if categories == part.content['categories']:
        return part
    ids = {c['id'] for c in categories}
    content = dict(
        part.content,
        categories=categories,
        annotations=[
            a for a in part.content['annotations'] if a['category_id'] in ids
        ],
    )
    return replace(part, content=content, file=None)


def _voc(given: Given) -> Recognised:
    if given.task != 'det':
        raise UserError(
            f'{given.labels} has Pascal VOC XML files, which hold boxes '
            f'alone; --task {given.task} reads {READ[given.task]}'
        )
    images, labels = _needed(given)
    names = read_names(given.classes)
    part, notes = voc.read_voc_part(images, labels, names, given.first_pixel)
    parts, classes = {'train': part}, coco.class_names(part)
    if given.val_labels is not None:
        parts['val'], more = voc.read_voc_part(
            given.val_images or images,
            given.val_labels,
            classes,
            given.first_pixel,
        )
        notes += more
    return Recognised('Pascal VOC XML', classes, parts, notes)


def _yolo(given: Given) -> Recognised:
    about = yolo.read_set(given.labels, read_names(given.classes))
    sides = _yolo_sides(given, about)
    parts, notes = {}, []
    for side, (images, labels) in sides.items():
        parts[side], told = yolo.read_yolo_part(
            about, images, labels, given.task
        )
        notes += told
    if given.task == 'pose':
        number = about.points[0]
        names, told = named_joints(
            number, about.point_names, str(given.labels)
        )
        notes += told
        for part in parts.values():
            for category in part.content['categories']:
                category['keypoints'] = names
                if about.flip:
                    category['flip_idx'] = list(about.flip)
    return Recognised('YOLO', about.classes, parts, notes)


def _yolo_sides(
    given: Given, about: yolo.YoloSet
) -> dict[str, tuple[Path, Path]]:
    """Folders of images and of labels of each side."""
    is_yaml = given.labels.is_file()
    if given.images is None:
        if not is_yaml or not about.folders or 'train' not in about.folders:
            _needed(given)
            raise UserError(
                f'{given.labels} names no folder of images (train); give '
                '--images'
            )
        for folder in about.folders.values():
            if not folder.is_dir():
                raise UserError(
                    f'{given.labels} names {folder}, which does not exist; '
                    'give --images'
                )
        folders = dict(about.folders)
        if 'val' in folders and folders['val'].samefile(folders['train']):
            # As in files that are made to try a program.
            del folders['val']
        return {
            side: (folder, yolo.labels_beside(folder))
            for side, folder in folders.items()
        }
    labels = yolo.labels_beside(given.images) if is_yaml else given.labels
    sides = {'train': (given.images, labels)}
    images_in = listed.split_folders(given.images)
    labels_in = labels.is_dir() and listed.split_folders(labels)
    if images_in and labels_in and given.val_labels is None:
        return {s: (images_in[s], labels_in[s]) for s in images_in}
    if given.val_labels is not None:
        sides['val'] = (given.val_images or given.images, given.val_labels)
    return sides


def _maps(given: Given) -> Recognised:
    images, labels = _needed(given)
    if not labels.is_dir():
        raise UserError(_not_recognised(given))
    table = label_maps.read_table(given.classes, labels)
    images_in = listed.split_folders(images)
    labels_in = listed.split_folders(labels)
    sides = {'train': (images, labels)}
    if given.val_labels is not None:
        sides['val'] = (given.val_images or images, given.val_labels)
    elif images_in and labels_in:
        sides = {s: (images_in[s], labels_in[s]) for s in images_in}
    parts, notes, palette = {}, [], []
    classes: tuple[str, ...] = ()
    for side, (folder, maps) in sides.items():
        part, classes, colours, told = label_maps.read_map_part(
            folder, maps, table
        )
        parts[side] = part
        notes += told
        if side == 'train':
            palette = colours
            # A value means the same on both sides.
            values = part.convert or {}
            table = label_maps.Table(classes, values, str(maps))
    forms = dict(
        form='label maps' + (' in colours' if table.colours else ''),
        metainfo=dict(palette=palette) if palette else {},
    )
    counts = sum(parts['train'].pixels, Counter())
    unused = [name for name in classes if not counts[name]]
    if unused:
        notes.append(f'no map of training has {few(unused, 8)}')
    return Recognised(classes=classes, parts=parts, notes=notes, **forms)


def _classes(given: Given) -> Recognised:
    """A class for each image or video."""
    suffixes = IMAGE_SUFFIXES if given.task == 'cls' else VIDEO_SUFFIXES
    if given.images is None:
        raise UserError(
            f'--task {given.task} needs --images, the folder of the files'
        )
    names = read_names(given.classes)
    if given.labels is not None and given.labels.is_file():
        return _lists(given, suffixes, names)
    folder = given.labels or given.images
    return _folders(given, folder, suffixes, names)


def _lists(
    given: Given, suffixes: tuple[str, ...], names: tuple[str, ...] | None
) -> Recognised:
    part, notes = listed.read_labelled_list(
        given.labels, given.images, suffixes, names
    )
    parts: dict[str, Part] = {'train': part}
    if given.val_labels is not None:
        parts['val'], more = listed.read_labelled_list(
            given.val_labels,
            given.val_images or given.images,
            suffixes,
            part.classes,
        )
        notes += more
    return Recognised('list of files', part.classes, parts, notes)


def _folders(
    given: Given,
    folder: Path,
    suffixes: tuple[str, ...],
    names: tuple[str, ...] | None,
) -> Recognised:
    inside = listed.split_folders(folder)
    sides = inside or {'train': folder}
    if given.val_images is not None:
        sides = {'train': folder, 'val': given.val_images}
    read: Callable = listed.read_folders
    parts = {'train': read(sides['train'], suffixes, names)}
    classes = parts['train'].classes
    if len(classes) < 2 and names is None:
        raise UserError(
            f'{sides["train"]} has one folder of a class, '
            f'{few(list(classes))}; two are needed to tell them apart'
        )
    if 'val' in sides:
        parts['val'] = read(sides['val'], suffixes, classes)
    if names is None:
        note = 'classes are the folders, in the order of their names'
    else:
        note = 'classes are in the order of --classes'
    return Recognised('folders of classes', classes, parts, [note])
