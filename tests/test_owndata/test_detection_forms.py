"""Boxes, masks and keypoints: the same from every form."""

import json
from pathlib import Path

import numpy as np
import pytest
from own_forms import Truth, source_files, write_voc, write_yolo
from PIL import Image

from mmuniformer.errors import UserError
from mmuniformer.owndata.keypoints import Joints, metainfo_of
from mmuniformer.owndata.recognising import Given, recognise


@pytest.fixture(scope='module')
def source(tmp_path_factory):
    return source_files(tmp_path_factory.mktemp('source'))


@pytest.fixture(scope='module')
def truth(source) -> Truth:
    return Truth(source[1])


def found_objects(part) -> dict[str, list[tuple[str, dict]]]:
    names = {c['id']: c['name'] for c in part.content['categories']}
    found = {i['file_name']: [] for i in part.content['images']}
    files = {i['id']: i['file_name'] for i in part.content['images']}
    for annotation in part.content['annotations']:
        name = names[annotation['category_id']]
        found[files[annotation['image_id']]].append((name, annotation))
    return found


def assert_same_boxes(part, truth: Truth, most: float) -> None:
    found = found_objects(part)
    assert found.keys() == truth.sizes.keys()
    for file, objects in found.items():
        wanted = truth.objects[file]
        assert [name for name, _ in objects] == [name for name, _ in wanted]
        for (_, one), (_, other) in zip(objects, wanted, strict=True):
            box, same = np.array(one['bbox']), np.array(other['bbox'])
            box[2:] += box[:2]
            same[2:] += same[:2]
            assert np.abs(box - same).max() <= most, file


def test_coco_is_read_as_it_is(source):
    images, objects, _ = source
    found = recognise(Given('ins', images, objects))
    assert found.form == 'COCO JSON'
    assert found.classes == tuple(Truth(objects).names)
    assert found.parts['train'].file == objects
    assert any('(42) is 0' in note for note in found.notes)


@pytest.mark.parametrize('kind', ['boxes', 'polygons'])
def test_yolo_has_the_same_boxes(source, truth, tmp_path, kind):
    labels = write_yolo(truth, tmp_path, kind)
    found = recognise(Given('det', source[0], labels))
    assert found.classes == tuple(truth.names)
    # A polygon's box is the polygon's, COCO's is that of the mask.
    assert_same_boxes(
        found.parts['train'], truth, 0.01 if kind == 'boxes' else 1
    )


def test_yolo_has_the_same_masks(source, truth, tmp_path):
    labels = write_yolo(truth, tmp_path, 'polygons')
    part = recognise(Given('ins', source[0], labels)).parts['train']
    for file, objects in found_objects(part).items():
        for (_, one), (_, other) in zip(
            objects, truth.objects[file], strict=True
        ):
            np.testing.assert_allclose(
                one['segmentation'][0],
                np.concatenate(other['segmentation']),
                atol=0.01,
            )


@pytest.mark.parametrize('first_pixel', [0, 1])
def test_voc_has_the_same_boxes(source, truth, tmp_path, first_pixel):
    labels = write_voc(truth, tmp_path / 'xml', first_pixel)
    given = Given(
        'det',
        source[0],
        labels,
        classes=','.join(truth.names),
        first_pixel=first_pixel,
    )
    found = recognise(given)
    assert found.classes == tuple(truth.names)
    assert_same_boxes(found.parts['train'], truth, 0.5)


def test_first_pixel_is_told_by_the_numbers(tmp_path):
    def note(box: tuple[float, ...]) -> str:
        folder = tmp_path / str(box[0])
        truth = Truth.__new__(Truth)
        truth.names, truth.sizes = ['a'], {'x.png': (20, 20)}
        truth.objects = {'x.png': [('a', dict(bbox=box))]}
        images = folder / 'images'
        images.mkdir(parents=True)
        Image.new('RGB', (20, 20)).save(images / 'x.png')
        found = recognise(
            Given('det', images, write_voc(truth, folder / 'xml', 0))
        )
        box = found.parts['train'].content['annotations'][0]['bbox']
        return f'{" ".join(found.notes)} {box}'

    assert 'counted from 0' in note((0, 4, 8, 8))
    assert '[2.0, 3.0' in note((3, 4, 8, 8))


def test_yolo_keypoints(source, tmp_path):
    images, _, poses = source
    truth = Truth(poses)
    names = json.loads(poses.read_text())['categories'][0]['keypoints']
    write_yolo(truth, tmp_path, 'keypoints')
    file = tmp_path / 'data.yaml'
    file.write_text(
        f'names: {truth.names}\nkpt_shape: [{len(names)}, 3]\n'
        f'kpt_names:\n  0: {names}\n'
    )
    # The file above the labels is found.
    found = recognise(Given('pose', images, tmp_path / 'labels'))
    part = found.parts['train']
    for name, objects in found_objects(part).items():
        for (_, one), (_, other) in zip(
            objects, truth.objects[name], strict=True
        ):
            np.testing.assert_allclose(
                one['keypoints'], other['keypoints'], atol=0.01
            )
    assert found.joints == len(names)


AP10K = (
    'L_Eye',
    'R_Eye',
    'Nose',
    'Neck',
    'Root of tail',
    'L_Shoulder',
    'L_Elbow',
    'L_F_Paw',
    'R_Shoulder',
    'R_Elbow',
    'R_F_Paw',
    'L_Hip',
    'L_Knee',
    'L_B_Paw',
    'R_Hip',
    'R_Knee',
    'R_B_Paw',
)


def test_keypoints_of_animals_are_those_of_mmpose():
    """AP-10K's names, by which mmpose has its sigmas and swaps."""
    from mmpose.datasets.datasets.utils import parse_pose_metainfo

    known = parse_pose_metainfo(
        dict(from_file='configs/_base_/datasets/ap10k.py')
    )
    ours, _ = metainfo_of(Joints(AP10K), 'own')
    parsed = parse_pose_metainfo(ours)
    for key in ('flip_indices', 'skeleton_links', 'keypoint_id2name'):
        assert parsed[key] == known[key]
    np.testing.assert_allclose(parsed['sigmas'], known['sigmas'])
    # In another order they are the same joints.
    mixed = tuple(reversed(AP10K))
    parsed = parse_pose_metainfo(metainfo_of(Joints(mixed), 'own')[0])
    for number, name in parsed['keypoint_id2name'].items():
        old = AP10K.index(name)
        assert parsed['sigmas'][number] == pytest.approx(known['sigmas'][old])
        other = mixed[parsed['flip_indices'][number]]
        assert other == AP10K[known['flip_indices'][old]]


def test_pairs_of_unknown_keypoints_are_told_by_their_names():
    names = ('beak', 'wing_left', 'wing_right', 'Left foot', 'Right foot')
    ours, notes = metainfo_of(Joints(names, ((0, 1), (0, 2))), 'bird')
    swaps = [point['swap'] for point in ours['keypoint_info'].values()]
    assert swaps == ['', 'wing_right', 'wing_left', 'Right foot', 'Left foot']
    assert ours['sigmas'] == [0.05] * 5
    assert any('no sigmas' in note for note in notes)
    with pytest.raises(UserError, match='of one side'):
        metainfo_of(Joints(('beak', 'left_wing', 'tail')), 'bird')


def test_what_can_be_told_is_added(source, tmp_path):
    """Boxes and numbers of visible keypoints that a file lacks."""
    images, _, poses = source
    content = json.loads(poses.read_text())
    for annotation in content['annotations']:
        for key in ('bbox', 'num_keypoints', 'segmentation', 'area'):
            annotation.pop(key, None)
    file = tmp_path / 'points.json'
    file.write_text(json.dumps(content))
    part = recognise(Given('pose', images, file)).parts['train']
    assert part.file is None
    wanted = [
        a['id'] for a in content['annotations'] if any(a['keypoints'][2::3])
    ]
    assert [a['id'] for a in part.content['annotations']] == wanted
    for annotation in part.content['annotations']:
        points = np.reshape(annotation['keypoints'], (-1, 3))
        seen = points[points[:, 2] > 0, :2]
        assert annotation['num_keypoints'] == len(seen)
        x, y, width, height = annotation['bbox']
        assert (seen >= [x, y]).all()
        assert (seen <= [x + width, y + height]).all()
    assert json.loads(file.read_text()) == content


def test_objects_are_counted_from_1(source, tmp_path):
    """pycocotools takes an object with the id 0 for one that is missed."""
    images, objects, _ = source
    content = json.loads(objects.read_text())
    for number, annotation in enumerate(content['annotations']):
        annotation['id'] = number
    file = tmp_path / 'from0.json'
    file.write_text(json.dumps(content))
    part = recognise(Given('ins', images, file)).parts['train']
    count = len(content['annotations'])
    assert [a['id'] for a in part.content['annotations']] == list(
        range(1, count + 1)
    )
    assert json.loads(file.read_text()) == content


def test_labels_are_told_in_the_order_that_was_given(source):
    images, objects, _ = source
    names = Truth(objects).names[::-1]
    given = Given('ins', images, objects, classes=','.join(names))
    found = recognise(given)
    assert list(found.classes) == list(names)
    (note,) = [n for n in found.notes if 'become labels' in n]
    assert 'in the order given' in note
    assert note.index(names[0]) < note.index(names[-1])


def broken(content: dict, how: str) -> None:
    if how == 'unnamed':
        del content['categories'][1]['name']
    elif how == 'unknown':
        content['annotations'][0]['category_id'] = 5
    elif how == 'gone':
        content['images'][0]['file_name'] = 'nowhere.jpg'
    elif how == 'empty':
        content['annotations'] = []
    elif how == 'no masks':
        for annotation in content['annotations']:
            del annotation['segmentation']


@pytest.mark.parametrize(
    ('how', 'said'),
    [
        ('unnamed', r'categories\[1\] \(id 7\) has no name'),
        ('unknown', r'annotations\[0\].*category_id 5, which is no category'),
        ('gone', r'not in .*nowhere\.jpg.*--images'),
        ('empty', 'has no annotations'),
        ('no masks', r'annotations\[0\].*no segmentation.*--task det'),
    ],
)
def test_mistakes_of_coco_name_the_entry(source, tmp_path, how, said):
    content = json.loads(source[1].read_text())
    broken(content, how)
    file = tmp_path / 'broken.json'
    file.write_text(json.dumps(content))
    with pytest.raises(UserError, match=said) as caught:
        recognise(Given('ins', source[0], file))
    assert str(file) in str(caught.value)


def test_names_below_another_folder_are_found(source, tmp_path):
    content = json.loads(source[1].read_text())
    names = [image['file_name'] for image in content['images']]
    for image in content['images']:
        image['file_name'] = f'train\\{image["file_name"]}'
    file = tmp_path / 'windows.json'
    file.write_text(json.dumps(content))
    part = recognise(Given('det', source[0], file)).parts['train']
    assert part.files == names


@pytest.mark.parametrize(
    ('line', 'said'),
    [
        ('0 320 240 50 60', 'fractions of the width or height'),
        ('9 0.5 0.5 0.1 0.1', 'there is no class 9; '),
        ('0 0.5 0.5 0.1', 'is no class and four or more numbers'),
        ('0 0.5 0.5 0.1 0.1 0.2 0.3 0.4', 'neither a box'),
    ],
)
def test_mistakes_of_yolo_name_the_line(source, truth, tmp_path, line, said):
    labels = write_yolo(truth, tmp_path)
    file = sorted(labels.iterdir())[-1]
    file.write_text(f'{file.read_text()}\n{line}\n')
    number = len(file.read_text().splitlines())
    with pytest.raises(UserError, match=said) as caught:
        recognise(Given('det', source[0], labels))
    assert f'{file}, line {number}' in str(caught.value)


def test_yolo_without_names_or_image(source, truth, tmp_path):
    labels = write_yolo(truth, tmp_path)
    (labels / 'alone.txt').write_text('0 0.5 0.5 0.1 0.1\n')
    with pytest.raises(UserError, match=r'no image.*alone\.txt'):
        recognise(Given('det', source[0], labels))
    (labels / 'alone.txt').unlink()
    (tmp_path / 'classes.txt').unlink()
    with pytest.raises(UserError, match='give --classes'):
        recognise(Given('det', source[0], labels))


def test_other_names_in_voc(source, truth, tmp_path):
    labels = write_voc(truth, tmp_path / 'xml', 1)
    names = [f'{truth.names[0]}s', *truth.names[1:]]
    with pytest.raises(UserError, match=r'\.xml, object \d+ is a .*mean'):
        recognise(Given('det', source[0], labels, classes=','.join(names)))
    with pytest.raises(UserError, match='boxes alone'):
        recognise(Given('ins', source[0], labels))


def test_what_is_nothing_known(source, tmp_path):
    with pytest.raises(UserError, match='is empty'):
        recognise(Given('det', source[0], tmp_path))
    (tmp_path / 'notes.md').write_text('hello')
    with pytest.raises(UserError, match=r'end with \.md'):
        recognise(Given('det', source[0], tmp_path))
    for name in ('a.json', 'b.json'):
        (tmp_path / name).write_text('{}')
    with pytest.raises(UserError, match=r'has 2 JSON files: a\.json, b\.json'):
        recognise(Given('det', source[0], tmp_path))
    with pytest.raises(UserError, match='does not exist'):
        recognise(Given('det', source[0], Path('nowhere')))
