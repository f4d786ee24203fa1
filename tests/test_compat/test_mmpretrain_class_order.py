"""What a class means from a folder of images to the labels."""

import cv2
import numpy as np
import pytest

pytest.importorskip('mmpretrain')
FOLDERS = ('ant', 'bee', 'cow')


@pytest.fixture
def images(tmp_path):
    for number, name in enumerate(FOLDERS, 1):
        (tmp_path / name).mkdir()
        for index in range(number):
            image = np.zeros((8, 8, 3), np.uint8)
            cv2.imwrite(str(tmp_path / name / f'{index}.png'), image)
    return tmp_path


def labelled(images, classes) -> dict[str, int]:
    """Images of each name, counted from the labels."""
    from mmpretrain.datasets import CustomDataset

    metainfo = dict(classes=classes) if classes else None
    data = CustomDataset(data_prefix=str(images), metainfo=metainfo)
    numbers = dict.fromkeys(data.CLASSES, 0)
    for index in range(len(data)):
        info = data.get_data_info(index)
        numbers[data.CLASSES[info['gt_label']]] += 1
    return numbers


@pytest.mark.parametrize('classes', [None, FOLDERS, ('cow', 'ant', 'bee')])
def test_labels_follow_classes(images, classes):
    assert labelled(images, classes) == dict(ant=1, bee=2, cow=3)


def test_other_names_are_those_of_the_sorted_folders(images):
    names = ('Formicidae', 'Apis', 'Bos')
    assert labelled(images, names) == dict(Formicidae=1, Apis=2, Bos=3)
