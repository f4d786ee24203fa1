"""Boxes as other programs and systems write and lay them out."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from own_forms import Truth, write_voc, write_yolo
from PIL import Image

from mmuniformer.errors import UserError
from mmuniformer.owndata.recognising import Given, recognise

NAMES = ('red car', 'Straße', 'cat')
SIZE = (60, 40)


def truth_of(files) -> Truth:
    """Two whole boxes in each file, another one of each class."""
    truth = Truth.__new__(Truth)
    truth.names = list(NAMES)
    truth.sizes = dict.fromkeys(files, SIZE)
    truth.objects = {
        file: [
            (NAMES[(n + k) % 3], dict(bbox=[3 + n, 4 + k, 20 - n, 10 + k]))
            for k in range(2)
        ]
        for n, file in enumerate(files)
    }
    return truth


def draw(truth, folder):
    for file in truth.sizes:
        path = folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new('RGB', SIZE).save(path)
    return folder


def coco_of(truth) -> dict:
    files = list(truth.sizes)
    annotations = [
        dict(
            id=0,
            image_id=files.index(file) + 1,
            category_id=7 + 4 * NAMES.index(name),
            bbox=one['bbox'],
            area=one['bbox'][2] * one['bbox'][3],
            iscrowd=0,
        )
        for file, objects in truth.objects.items()
        for name, one in objects
    ]
    for number, annotation in enumerate(annotations, 1):
        annotation['id'] = number
    return dict(
        images=[
            dict(id=n, file_name=file, width=SIZE[0], height=SIZE[1])
            for n, file in enumerate(files, 1)
        ],
        annotations=annotations,
        categories=[dict(id=7 + 4 * n, name=c) for n, c in enumerate(NAMES)],
    )


def boxes_of(part) -> dict[str, list]:
    """Names and whole boxes of each file."""
    content = part.content
    names = {c['id']: c['name'] for c in content['categories']}
    found = {i['id']: [] for i in content['images']}
    for one in content['annotations']:
        box = np.round(one['bbox']).astype(int).tolist()
        found[one['image_id']].append((names[one['category_id']], box))
    return {i['file_name']: found[i['id']] for i in content['images']}


def assert_right(part, truth, files=None):
    wanted = {
        file: [(name, one['bbox']) for name, one in objects]
        for file, objects in truth.objects.items()
        if files is None or file in files
    }
    assert boxes_of(part) == wanted
    assert all((part.images / file).is_file() for file in part.files)


@pytest.fixture
def truth():
    return truth_of(['a.jpg', 'b.jpg', 'c.jpg'])


@pytest.fixture
def yolo(truth, tmp_path):
    draw(truth, tmp_path / 'images')
    write_yolo(truth, tmp_path)
    return tmp_path


def test_lists_of_images_are_the_sides(yolo, truth):
    (yolo / 'train.txt').write_text('./images/a.jpg\n./images/c.jpg\n')
    (yolo / 'val.txt').write_text(f'{yolo}/images/b.jpg\n')
    (yolo / 'data.yaml').write_text(
        'path: .\ntrain: train.txt\nval: [val.txt]\n'
        f'names: {json.dumps(NAMES)}\n'
    )
    for labels in (yolo / 'data.yaml', yolo):
        found = recognise(Given('det', None, labels))
        assert found.classes == NAMES
        assert_right(found.parts['train'], truth, {'a.jpg', 'c.jpg'})
        assert_right(found.parts['val'], truth, {'b.jpg'})
    (yolo / 'val.txt').write_text('images/b.jpg\nimages/x.jpg\n')
    with pytest.raises(UserError, match=r'val\.txt, line 2: .*images/x\.jpg'):
        recognise(Given('det', None, yolo / 'data.yaml'))


def test_several_folders_are_one_side(truth, tmp_path):
    both = truth_of(['one/a.jpg', 'two/a.jpg'])
    draw(both, tmp_path / 'images')
    for name in ('one', 'two'):
        part = truth_of(['a.jpg'])
        part.objects = {'a.jpg': both.objects[f'{name}/a.jpg']}
        write_yolo(part, tmp_path / name)
        (tmp_path / 'labels').mkdir(exist_ok=True)
        shutil.move(tmp_path / name / 'labels', tmp_path / 'labels' / name)
    (tmp_path / 'data.yaml').write_text(
        f'path: {tmp_path}\ntrain: [images/one, images/two]\n'
        f'names: {json.dumps(NAMES)}\n'
    )
    found = recognise(Given('det', None, tmp_path / 'data.yaml'))
    assert_right(found.parts['train'], both)


def test_marks_and_ends_of_lines_of_windows(yolo, truth):
    for file in [*yolo.glob('labels/*.txt'), yolo / 'classes.txt']:
        text = file.read_text().replace('\n', '\r\n')
        file.write_bytes(b'\xef\xbb\xbf' + text.encode())
    found = recognise(Given('det', yolo / 'images', yolo / 'labels'))
    assert found.classes == NAMES
    assert_right(found.parts['train'], truth)


def test_two_images_of_one_label_file(yolo):
    Image.new('RGB', SIZE).save(yolo / 'images/a.png')
    with pytest.raises(UserError, match=r'a\.jpg and a\.png'):
        recognise(Given('det', yolo / 'images', yolo / 'labels'))


def test_hidden_files_are_none(yolo, truth):
    (yolo / 'images/._a.jpg').write_bytes(b'Mac OS X')
    (yolo / 'labels/.ipynb_checkpoints').mkdir()
    (yolo / 'labels/.ipynb_checkpoints/z.txt').write_text('0 1 1 1 1')
    found = recognise(Given('det', yolo / 'images', yolo / 'labels'))
    assert_right(found.parts['train'], truth)


def test_a_link_to_a_folder_is_followed_once(yolo, truth):
    (yolo / 'real').mkdir()
    for name in ('images', 'labels'):
        shutil.move(yolo / name, yolo / 'real' / name)
        (yolo / name).mkdir()
        (yolo / name / 'here').symlink_to(yolo / 'real' / name)
    (yolo / 'real/images/back').symlink_to(yolo / 'images')
    found = recognise(Given('det', yolo / 'images', yolo / 'labels'))
    assert len(found.parts['train'].files) == 3


def test_folders_of_both_sides_are_the_sides(truth, tmp_path):
    parts = {'train': truth, 'valid': truth_of(['x.jpg'])}
    for name, part in parts.items():
        draw(part, tmp_path / name)
        xmls = write_voc(part, tmp_path / 'xml' / name, 1)
        for file in xmls.iterdir():
            # As they are in one folder.
            file.rename(tmp_path / name / file.with_suffix('.XML').name)
    found = recognise(Given('det', tmp_path, tmp_path))
    assert found.classes == ('Straße', 'cat', 'red car')
    assert_right(found.parts['train'], parts['train'])
    assert_right(found.parts['val'], parts['valid'])


def test_image_sets_are_the_sides(truth, tmp_path):
    images = draw(truth, tmp_path / 'JPEGImages')
    labels = write_voc(truth, tmp_path / 'Annotations', 1)
    sets = tmp_path / 'ImageSets/Main'
    sets.mkdir(parents=True)
    (sets / 'train.txt').write_text('a\nc\n')
    (sets / 'val.txt').write_text('b\n')
    found = recognise(Given('det', images, labels))
    assert_right(found.parts['train'], truth, {'a.jpg', 'c.jpg'})
    assert_right(found.parts['val'], truth, {'b.jpg'})
    assert any('ImageSets' in note for note in found.notes)


def test_both_sides_are_counted_from_one_pixel(tmp_path):
    """A side that has no 0 by chance is counted as the other."""
    parts = {'train': truth_of(['a.jpg']), 'val': truth_of(['b.jpg'])}
    parts['train'].objects['a.jpg'][0][1]['bbox'][0] = 0
    for name, part in parts.items():
        draw(part, tmp_path / 'images' / name)
        write_voc(part, tmp_path / 'xml' / name, 0)
    found = recognise(Given('det', tmp_path / 'images', tmp_path / 'xml'))
    assert_right(found.parts['train'], parts['train'])
    assert_right(found.parts['val'], parts['val'])


def test_an_image_of_the_same_name_is_not_guessed(truth, tmp_path):
    images = draw(truth_of(['x/a.jpg', 'y/a.jpg']), tmp_path / 'images')
    labels = write_voc(truth_of(['a.jpg']), tmp_path / 'xml', 1)
    with pytest.raises(UserError, match=r'of x/a\.jpg or y/a\.jpg'):
        recognise(Given('det', images, labels))
    Image.new('RGB', SIZE).save(images / 'a.jpg')
    found = recognise(Given('det', images, labels))
    assert_right(found.parts['train'], truth_of(['a.jpg']))


def test_difficult_objects_are_told_once(truth, tmp_path):
    images = draw(truth, tmp_path / 'images')
    labels = write_voc(truth, tmp_path / 'xml', 1)
    file = labels / 'b.xml'
    hard = '<difficult>1</difficult><bndbox>'
    file.write_text(file.read_text().replace('<bndbox>', hard, 1))
    found = recognise(Given('det', images, labels))
    told = [note for note in found.notes if 'nor counted as missed' in note]
    assert len(told) == 1
    assert 'difficult): 1;' in told[0]
    annotations = found.parts['train'].content['annotations']
    assert [a['iscrowd'] for a in annotations] == [0, 0, 1, 0, 0, 0]


def write(content, file) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(content))
    return file


def test_ids_that_are_texts(truth, tmp_path):
    images, content = draw(truth, tmp_path / 'images'), coco_of(truth)
    for annotation in content['annotations']:
        annotation['id'] = f'x{annotation["id"]}'
        for key in ('image_id', 'category_id'):
            annotation[key] = str(annotation[key])
    found = recognise(
        Given('det', images, write(content, tmp_path / 'a.json'))
    )
    part = found.parts['train']
    assert_right(part, truth)
    ids = [a['id'] for a in part.content['annotations']]
    assert ids == list(range(1, 7))
    assert part.file is None


@pytest.mark.parametrize('name', ['sub\\{}', 'else/sub/{}', 'sub/{}'])
def test_names_of_images_of_other_machines(name, truth, tmp_path):
    images, content = tmp_path / 'images', coco_of(truth)
    draw(truth, images / 'sub')
    for image in content['images']:
        image['file_name'] = name.format(image['file_name'])
    place = images / 'sub' if 'else' in name else images
    found = recognise(Given('det', place, write(content, tmp_path / 'a.json')))
    part = found.parts['train']
    assert {Path(file).name for file in part.files} == set(truth.sizes)
    assert all((part.images / file).is_file() for file in part.files)


def test_where_images_are_that_are_missing(truth, tmp_path):
    draw(truth, tmp_path / 'images/sub')
    file = write(coco_of(truth), tmp_path / 'a.json')
    with pytest.raises(UserError, match=r'there is .*images/sub/a\.jpg'):
        recognise(Given('det', tmp_path / 'images', file))


def test_folders_of_roboflow(truth, tmp_path):
    parts = {'train': truth, 'valid': truth_of(['x.jpg'])}
    for name, part in parts.items():
        draw(part, tmp_path / name)
        write(coco_of(part), tmp_path / name / '_annotations.coco.json')
    val = tmp_path / 'valid'
    for given in (
        Given('det', None, tmp_path),
        Given('det', tmp_path, tmp_path),
        Given('det', tmp_path / 'train', tmp_path / 'train', val, val),
    ):
        found = recognise(given)
        assert_right(found.parts['train'], parts['train'])
        assert_right(found.parts['val'], parts['valid'])


def test_labelme_is_named_and_a_way_out(truth, tmp_path):
    images = draw(truth, tmp_path / 'images')
    for name in 'abc':
        content = dict(shapes=[], imagePath=f'{name}.jpg', imageData=None)
        write(content, images / f'{name}.json')
    with pytest.raises(
        UserError, match=r"labelme's file .*convert it to COCO"
    ):
        recognise(Given('det', images, images))
    file = tmp_path / 'annotations.xml'
    file.write_text('<annotations/>')
    with pytest.raises(UserError, match=r'CVAT.* export COCO JSON instead'):
        recognise(Given('det', images, file))


def test_classes_of_almost_one_name(truth, tmp_path):
    images, content = draw(truth, tmp_path / 'images'), coco_of(truth)
    content['categories'][0]['name'] = 'Cat'
    file = write(content, tmp_path / 'a.json')
    notes = recognise(Given('det', images, file)).notes
    assert any("'Cat' and 'cat' have almost one name" in n for n in notes)


@pytest.mark.parametrize(
    'front', ['/data/photos/', 'C:\\data\\photos\\', 'photos/']
)
def test_names_with_folders_in_front_and_below(front, tmp_path):
    truth = truth_of(['a/1.jpg', 'b/1.jpg', '2.jpg'])
    images = draw(truth, tmp_path / 'photos')
    content = coco_of(truth)
    for image in content['images']:
        name = front + image['file_name']
        image['file_name'] = name.replace('/', '\\') if '\\' in front else name
    labels = write(content, tmp_path / 'labels.json')
    part = recognise(Given('det', images, labels)).parts['train']
    assert_right(part, truth)


def test_what_coco_files_leave_empty(truth, tmp_path):
    images = draw(truth, tmp_path / 'images')
    content = coco_of(truth)
    for image in content['images']:
        del image['width'], image['height']
    for annotation in content['annotations']:
        x, y, width, height = annotation['bbox']
        annotation['segmentation'] = [
            [x, y, x + width, y, x + width, y + height, x, y + height]
        ]
        annotation.update(bbox=None, area=None, iscrowd='0')
    labels = write(content, tmp_path / 'labels.json')
    part = recognise(Given('det', images, labels)).parts['train']
    assert_right(part, truth)
    assert {(i['width'], i['height']) for i in part.content['images']} == {
        SIZE
    }
    for annotation in part.content['annotations']:
        _, _, width, height = annotation['bbox']
        assert annotation['area'] == width * height
        assert annotation['iscrowd'] == 0


@pytest.mark.parametrize(
    ('key', 'value', 'said'),
    [
        ('bbox', [1, 2, 3], 'bbox .* width and height'),
        ('bbox', ['1', '2', '3', '4'], 'bbox .* width and height'),
        ('bbox', [], 'no bbox, and nothing to tell it from'),
        ('category_id', [7], r'category_id \[7\]; it is one number'),
        ('segmentation', [[1, 2, 3]], 'a list of polygons'),
        ('segmentation', [1, 2, 3, 4, 5, 6], 'a list of polygons'),
        ('segmentation', dict(counts=[9]), 'without counts or without size'),
    ],
)
def test_values_of_another_kind(key, value, said, truth, tmp_path):
    images = draw(truth, tmp_path / 'images')
    content = coco_of(truth)
    first = content['annotations'][0]
    del first['area']
    if key == 'segmentation':
        del first['bbox']
    first[key] = value
    labels = write(content, tmp_path / 'labels.json')
    with pytest.raises(UserError, match=said):
        recognise(Given('det', images, labels))


@pytest.mark.parametrize(
    ('where', 'key', 'value', 'said'),
    [
        ('categories', 'skeleton', [['nose', 'tail']], 'list of pairs'),
        ('categories', 'skeleton', [[1]], 'list of pairs'),
        ('categories', 'skeleton', [0, 1], 'list of pairs'),
        ('categories', 'keypoints', {'0': 'nose', '1': 'tail'}, 'a list of'),
        ('categories', 'sigmas', ['a', 'b'], 'sigmas .* no numbers'),
        ('annotations', 'keypoints', [[1, 2, 2], [3, 4, 2]], 'in one list'),
        ('annotations', 'keypoints', [1, 2, '2', 3, 4, '2'], 'in one list'),
        ('annotations', 'keypoints', [1, 2, 2, None, None, 0], 'in one list'),
    ],
)
def test_keypoints_of_another_kind(where, key, value, said, truth, tmp_path):
    images = draw(truth, tmp_path / 'images')
    content = pose_of(truth)
    content[where][0][key] = value
    labels = write(content, tmp_path / 'labels.json')
    with pytest.raises(UserError, match=said):
        recognise(Given('pose', images, labels))


def pose_of(truth) -> dict:
    content = coco_of(truth)
    content['categories'] = [
        dict(id=7, name='dog', keypoints=['nose', 'tail'], skeleton=[[1, 2]])
    ]
    for annotation in content['annotations']:
        annotation.update(category_id=7, keypoints=[5, 6, 2, 9, 8, 1])
    return content


def test_joints_are_counted(truth, tmp_path):
    images = draw(truth, tmp_path / 'images')
    content = pose_of(truth)
    content['annotations'][0]['num_keypoints'] = None
    content['annotations'][1]['num_keypoints'] = 0
    labels = write(content, tmp_path / 'labels.json')
    part = recognise(Given('pose', images, labels)).parts['train']
    assert {a['num_keypoints'] for a in part.content['annotations']} == {2}
    with pytest.raises(UserError, match='cat are no categories'):
        recognise(Given('pose', images, labels, classes='cat'))


def test_names_of_yolo_are_texts(yolo, truth):
    yolo.joinpath('data.yaml').write_text(
        'train: images\nnames: [no, 1.0, null]\n'
    )
    found = recognise(Given('det', None, yolo / 'data.yaml'))
    assert found.classes == ('no', '1.0', 'null')
    yolo.joinpath('data.yaml').write_bytes(
        b'train: images\nnames: [caf\xe9, b, c]\n'
    )
    with pytest.raises(UserError, match=r'line 2: byte 0xe9 is not UTF-8'):
        recognise(Given('det', None, yolo / 'data.yaml'))


@pytest.mark.parametrize(
    ('line', 'said'),
    [
        ('kpt_shape: 2', 'kpt_shape is 2, and no list'),
        ('kpt_shape: [2]', 'number of keypoints and of the numbers of each'),
        ('kpt_shape: [2, 3]\nflip_idx: left', 'flip_idx is .left., and no'),
    ],
)
def test_keypoints_of_a_data_yaml(line, said, yolo):
    file = yolo / 'data.yaml'
    file.write_text(f'train: images\nnames: [a, b, c]\n{line}\n')
    with pytest.raises(UserError, match=said):
        recognise(Given('pose', None, file))


def test_paths_of_windows_in_a_data_yaml(yolo, truth):
    file = yolo / 'data.yaml'
    file.write_text(f'train: .\\images\nnames: {list(NAMES)}\n')
    found = recognise(Given('det', None, file))
    assert_right(found.parts['train'], truth)


def test_label_files_of_any_name(tmp_path):
    truth = truth_of(['train.jpg', 'val.jpg', 'test.jpg'])
    images = draw(truth, tmp_path / 'images')
    labels = write_yolo(truth, tmp_path)
    (labels / 'README.roboflow.txt').write_text('Exported from somewhere\n')
    found = recognise(Given('det', images, labels))
    assert_right(found.parts['train'], truth)


def test_many_images_without_an_object_come_first(tmp_path):
    truth = truth_of([f'{n:02}.jpg' for n in range(30)])
    truth.objects = dict.fromkeys(truth.sizes, ())
    truth.objects['29.jpg'] = [(NAMES[2], dict(bbox=[3, 4, 20, 10]))]
    images = draw(truth, tmp_path / 'images')
    labels = write_yolo(truth, tmp_path)
    found = recognise(Given('det', images, labels))
    assert_right(found.parts['train'], truth)


def test_what_label_files_are_not_is_told(yolo):
    for file in (yolo / 'labels').iterdir():
        file.write_text(file.read_text().replace(' ', ','))
    with pytest.raises(UserError, match=r"line 1: '\d,.* is no class and"):
        recognise(Given('det', yolo / 'images', yolo / 'labels'))


@pytest.mark.parametrize('form', ['yolo', 'voc', 'coco'])
def test_the_test_is_the_validation_without_another(form, tmp_path):
    parts = {
        'train': truth_of(['a.jpg', 'b.jpg']),
        'Test': truth_of(['x.jpg']),
    }
    for name, part in parts.items():
        draw(part, tmp_path / 'images' / name)
        folder = tmp_path / 'labels' / name
        if form == 'yolo':
            shutil.copytree(write_yolo(part, tmp_path / name), folder)
        elif form == 'voc':
            write_voc(part, folder, 1)
        else:
            folder.mkdir(parents=True)
            write(coco_of(part), folder / 'labels.json')
    given = Given(
        'det',
        tmp_path / 'images',
        tmp_path / 'labels',
        classes=','.join(NAMES),
    )
    found = recognise(given)
    assert_right(found.parts['train'], parts['train'])
    assert_right(found.parts['val'], parts['Test'])
    assert any('images of the test' in note for note in found.notes)


def test_names_in_image_sets(tmp_path):
    truth = truth_of(['a b.jpg', 'c.jpg', 'd.jpg'])
    images = draw(truth, tmp_path / 'JPEGImages')
    labels = write_voc(truth, tmp_path / 'Annotations', 1)
    sets = tmp_path / 'ImageSets' / 'Main'
    sets.mkdir(parents=True)
    (sets / 'trainval.txt').write_text('a b\nd.jpg\ngone\n')
    (sets / 'test.txt').write_text('c -1\n')
    given = Given('det', images, labels)
    found = recognise(given)
    assert found.parts['train'].files == ['a b.jpg', 'd.jpg']
    assert found.parts['val'].files == ['c.jpg']
    assert any('1 of 3 names' in n and 'gone' in n for n in found.notes)
    (sets / 'test.txt').write_text('gone\n')
    with pytest.raises(UserError, match=r'test\.txt names no image.*gone'):
        recognise(given)


def test_numbers_and_words_of_voc(tmp_path):
    truth = truth_of(['a.jpg'])
    images = draw(truth, tmp_path / 'images')
    labels = write_voc(truth, tmp_path / 'labels', 1)
    file = labels / 'a.xml'
    # A pixel wide: both ends are the same one.
    text = re.sub(r'(xm..)>\d+<', r'\1>9<', file.read_text())
    difficult = '<difficult>True</difficult>'
    file.write_text(text.replace('<bndbox>', f'{difficult}<bndbox>', 1))
    # Nothing is told by what comes first.
    (labels / '0.xml').write_text('<other/>')
    Image.new('RGB', SIZE).save(images / '0.jpg')
    part = recognise(Given('det', images, labels)).parts['train']
    first = part.content['annotations'][0]
    assert first['bbox'][0::2] == [8, 1]
    assert first['iscrowd'] == 1
    file.write_text(text.replace('<xmin>9<', '<xmin>nan<'))
    with pytest.raises(UserError, match='no xmin, ymin, xmax and ymax'):
        recognise(Given('det', images, labels))
