"""Boxes as other programs and systems write and lay them out."""

import json
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
