import json
import os

import pytest

from mmuniformer.checks.coco_file import forget_files, read_coco

RIGHT = {
    'images': [{'id': 1, 'file_name': 'a.jpg', 'height': 4, 'width': 4}],
    'annotations': [{'id': 1, 'image_id': 1, 'bbox': [float('nan')] * 4}],
    'categories': [{'id': 1, 'name': 'a'}],
}


def write(tmp_path, text, **kwargs):
    path = tmp_path / 'ann.json'
    path.write_text(text, **kwargs)
    return path


def message(path):
    file = read_coco(path)
    assert file.content is None
    (finding,) = file.findings
    assert finding.level == 'error'
    assert finding.file == str(path)
    assert str(path) in str(finding)
    return str(finding)


def test_a_file_is_read_once(tmp_path):
    path = write(tmp_path, json.dumps(RIGHT))
    file = read_coco(path)
    assert not file.findings
    assert file.content['images'] == RIGHT['images']
    assert read_coco(path) is file
    os.utime(path, ns=(0, 0))
    assert read_coco(path) is not file


def test_what_was_read_is_given_back(tmp_path):
    path = write(tmp_path, json.dumps(RIGHT))
    file = read_coco(path)
    forget_files()
    assert read_coco(path) is not file


@pytest.mark.parametrize('part', RIGHT)
def test_a_part_may_be_left_out(tmp_path, part):
    content = {key: value for key, value in RIGHT.items() if key != part}
    assert not read_coco(write(tmp_path, json.dumps(content))).findings


@pytest.mark.parametrize('share', [0.2, 0.5, 0.9, 0.99])
def test_cut_off(tmp_path, share):
    text = json.dumps(RIGHT)
    path = write(tmp_path, text[: int(share * len(text))])
    assert 'it was cut off' in message(path)


@pytest.mark.parametrize(
    ('text', 'said'),
    [
        ('', 'is empty'),
        ('\ufeff' + json.dumps(RIGHT), 'byte-order mark'),
        (json.dumps(RIGHT).replace(',', ';', 1), 'is no JSON (line 1'),
        (json.dumps(RIGHT['annotations']), 'is a list, and'),
        ('[{"image_id": 1, "score": 0.5}]', 'is a list of results'),
        ('{"shapes": [], "imagePath": "a.jpg"}', 'labelme'),
        ('null', 'holds None'),
        ('{"images": {"1": {}}}', "has images that are {'1': {}}"),
        ('{"images": [], "annotations": [[]]}', 'has annotations[0] that'),
        ('[' * 100000, 'nested too deeply'),
    ],
)
def test_other_forms(tmp_path, text, said):
    assert said in message(write(tmp_path, text, encoding='utf-8'))


def test_other_encodings(tmp_path):
    text = json.dumps({'images': [{'file_name': 'ä'}]}, ensure_ascii=False)
    path = write(tmp_path, text, encoding='latin-1')
    assert 'is not text in UTF-8' in message(path)


def test_missing(tmp_path):
    assert 'cannot be read' in message(tmp_path / 'none.json')
