"""Which form labels have, by the task and by what is in them."""

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
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
from mmuniformer.owndata.parts import CocoPart, Recognised

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
        first_pixel (int, optional): See :func:`voc.read_voc_part`; told
            by the numbers if it is None.
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
    if given.val_images is None and given.val_labels is None:
        found.notes += _about_test(found)
    found.notes += _alike(found.classes)
    return found


def _about_test(found: Recognised) -> list[str]:
    """A note where validation is what others call the test."""
    if 'val' not in found.parts:
        return []
    train, val = (set(found.parts[s].images.parts) for s in ('train', 'val'))
    if not any(part.lower() in listed.TEST for part in val - train):
        return []
    return [
        f'{found.parts["val"].images}: the images of the test are those of '
        'validation, for there are no others'
    ]


def _alike(classes: Sequence[str]) -> list[str]:
    """A note on names that differ in upper and lower case or spaces alone."""
    alike = defaultdict(list)
    for name in classes:
        alike[''.join(name.split()).casefold()].append(repr(name))
    return [
        f'the classes {" and ".join(names)} have almost one name: if they are '
        'one class, write it in one way'
        for names in alike.values()
        if len(names) > 1
    ]


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
    given = _with_json_files(given)
    labels = given.labels
    if labels.is_file() and labels.suffix.lower() == '.json':
        found = _coco(given)
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


def _with_json_files(given: Given) -> Given:
    """JSON files in place of the folders that have one each."""
    inside = listed.split_folders(given.labels) or {}
    files = {side: _only_json(folder) for side, (folder,) in inside.items()}
    if files and all(files.values()) and given.val_labels is None:
        # As Roboflow writes them: images, and their labels among them.
        both = listed.split_folders(given.images or given.labels, given.labels)
        if both is None:
            raise UserError(
                f'{given.labels} has labels of training and of validation, '
                f'and {given.images} no such folders; name both with --images '
                'and --val-images, --labels and --val-labels'
            )
        return replace(
            given,
            images=both['train'][0],
            labels=_only_json(both['train'][1]),
            val_images=given.val_images or both['val'][0],
            val_labels=_only_json(both['val'][1]),
        )
    labels, val = given.labels, given.val_labels
    file = _only_json(labels)
    val_file = None if val is None else _only_json(val)
    return replace(given, labels=file or labels, val_labels=val_file or val)


def _only_json(place: Path) -> Path | None:
    """The JSON file of a folder; a folder of several is ambiguous."""
    if not place.is_dir():
        return None
    files = sorted(place.glob('*.json'))
    if len(files) < 2:
        return next(iter(files), None)
    read = coco.read_coco(files[0])
    if read.content is None:
        raise UserError(
            f'{place} has {len(files)} JSON files; {read.findings[0]}'
        )
    raise UserError(
        f'{place} has {len(files)} JSON files: '
        f'{few([f.name for f in files], 6)}; name one with --labels, and '
        'that of validation with --val-labels'
    )


def _not_recognised(given: Given) -> str:
    labels = given.labels
    others = {'.xml': 'CVAT', '.csv': 'a program'}
    if labels.is_file() and labels.suffix.lower() in others:
        return (
            f'{labels}: --task {given.task} does not read such files of '
            f'{others[labels.suffix.lower()]}; export COCO JSON instead, '
            'which CVAT, Label Studio, Roboflow and labelme2coco write'
        )
    if labels.is_file():
        what = f'{labels} is none of them'
    elif why := yolo.why_no_rows(labels):
        what = why
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
    if names is not None:
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
    sides = _voc_sides(given)
    names = read_names(given.classes)
    parts, notes, first_pixel = {}, [], given.first_pixel
    if first_pixel is None:
        first_pixel, why = voc.first_pixel_of(
            [xml for _, xml in sides.values()]
        )
        notes.append(f'{given.labels}: {why}')
    for side, (images, labels) in sides.items():
        parts[side], told = voc.read_voc_part(
            images, labels, names, first_pixel
        )
        notes += told
        # Those of validation are numbered in the same way.
        names = coco.class_names(parts[side])
    sets = voc.image_sets(given.labels) if len(sides) == 1 else None
    if sets:
        whole = parts['train']
        for side, file in sets.items():
            parts[side], told = voc.take_image_set(whole, file)
            notes += told
        files = ' and '.join(file.name for file in sets.values())
        notes.append(
            f'training and validation are those of ImageSets/Main: {files}'
        )
    return Recognised('Pascal VOC XML', names, parts, notes)


def _voc_sides(given: Given) -> dict[str, tuple[Path, Path]]:
    """Folders of images and of labels of each side."""
    images, labels = _needed(given)
    if given.val_labels is not None:
        val = (given.val_images or images, given.val_labels)
        return {'train': (images, labels), 'val': val}
    return listed.split_folders(images, labels) or {'train': (images, labels)}


def _yolo(given: Given) -> Recognised:
    about = yolo.read_set(given.labels, read_names(given.classes))
    sides = _yolo_sides(given, about)
    parts, notes = {}, []
    for name, side in sides.items():
        parts[name], told = yolo.read_yolo_part(about, side, given.task)
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


def _yolo_sides(given: Given, about: yolo.YoloSet) -> dict[str, yolo.Side]:
    """Images and labels of each side."""
    file = yolo.yaml_of(given.labels)
    if given.images is None:
        if 'train' not in about.places:
            raise UserError(
                f'{file or given.labels} names no folder of images (train); '
                'give --images'
            )
        return yolo.sides_of(about, file)
    is_yaml = given.labels.is_file()
    labels = yolo.labels_beside(given.images) if is_yaml else given.labels
    if given.val_labels is not None:
        val = yolo.Side(given.val_images or given.images, given.val_labels)
        return {'train': yolo.Side(given.images, labels), 'val': val}
    sides = listed.split_folders(given.images, labels)
    sides = sides or {'train': (given.images, labels)}
    return {side: _yolo_side(*folders) for side, folders in sides.items()}


def _yolo_side(images: Path, labels: Path) -> yolo.Side:
    """A side; it may have the two in folders of their own."""
    inside = images / 'images', labels / 'labels'
    if all(folder.is_dir() for folder in inside):
        return yolo.Side(*inside)
    return yolo.Side(images, labels)


def _maps(given: Given) -> Recognised:
    images, labels = _needed(given)
    if not labels.is_dir():
        raise UserError(_not_recognised(given))
    table, notes = label_maps.read_table(given.classes, labels)
    sides = {'train': (images, labels)}
    if given.val_labels is not None:
        sides['val'] = (given.val_images or images, given.val_labels)
    else:
        sides = listed.split_folders(images, labels) or sides
    parts, palette = {}, []
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
    folder = given.labels or given.images
    if folder.is_file():
        found = _lists(given, suffixes, names)
    else:
        found = _folders(given, folder, suffixes, names)
    if len(found.classes) < 2:
        raise UserError(
            f'{folder} has one class, {found.classes[0]}; two are needed to '
            'tell them apart'
        )
    return found


def _lists(
    given: Given, suffixes: tuple[str, ...], names: tuple[str, ...] | None
) -> Recognised:
    parts, notes = listed.read_labelled_list(
        given.labels, given.images, suffixes, names
    )
    classes = parts['train'].classes
    if given.val_labels is not None:
        if 'val' in parts:
            raise UserError(
                f'{given.labels} has a column of the split, and --val-labels '
                'is a second one; leave one of them out'
            )
        others, more = listed.read_labelled_list(
            given.val_labels,
            given.val_images or given.images,
            suffixes,
            classes,
        )
        if 'val' in others:
            raise UserError(
                f'{given.val_labels} has a column of the split: it says what '
                'is for training; give it as --labels alone'
            )
        parts['val'] = others['train']
        notes += more
    return Recognised('list of files', classes, parts, notes)


def _folders(
    given: Given,
    folder: Path,
    suffixes: tuple[str, ...],
    names: tuple[str, ...] | None,
) -> Recognised:
    inside = listed.split_folders(folder) or {'train': (folder,)}
    sides = {side: place for side, (place,) in inside.items()}
    if given.val_images is not None:
        sides = {'train': folder, 'val': given.val_images}
    read: Callable = listed.read_folders
    parts = {'train': read(sides['train'], suffixes, names)}
    classes = parts['train'].classes
    if 'val' in sides:
        parts['val'] = read(sides['val'], suffixes, classes)
    if names is None:
        note = 'classes are the folders, in the order of their names'
    else:
        note = 'classes are in the order of --classes'
    return Recognised('folders of classes', classes, parts, [note])
