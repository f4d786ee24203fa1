"""A damaged map of labels ends a run with one line that names the file."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from mmuniformer.apis import train
from mmuniformer.datasets import CheckLabels
from mmuniformer.datasets.shapes import generate
from mmuniformer.errors import UserError

CONFIG = """
_base_ = ['{root}/configs/quickstart/fpn_uniformer-tiny_shapes.py']
loader = dict(
    num_workers={workers},
    persistent_workers=False,
    batch_size=2,
    dataset=dict(data_root={data!r}),
)
train_dataloader = loader
val_dataloader = loader
train_cfg = dict(max_iters=2, val_interval=2)
"""


def results(labels: np.ndarray, **others: object) -> dict:
    return dict(gt_seg_map=labels, seg_map_path='maps/a.png', **others)


class TestCheckLabels:
    def test_what_fits_passes_as_it_is(self):
        labels = np.array([[0, 6], [255, 3]], np.uint8)
        given = results(labels.copy(), ori_shape=(2, 2))
        assert CheckLabels(num_classes=7)(given) is given
        assert (given['gt_seg_map'] == labels).all()

    @pytest.mark.parametrize(
        ('labels', 'others', 'message'),
        [
            ([[0, 7]], {}, r'maps/a\.png has the label 7: .* 0 to 6, and 255'),
            ([[9, 254]], {}, 'has the label 9, 254:'),
            (
                [[8]],
                dict(reduce_zero_label=True),
                r'8 \(after reduce_zero_label\)',
            ),
            ([range(7, 20)], {}, r'label 7, 8, 9, 10, 11, \.\.\.'),
            ([[[0, 0, 0]]], {}, r'maps/a\.png has 3 channels'),
            (
                [[0, 0]],
                dict(ori_shape=(3, 4)),
                r'maps/a\.png is 2 x 1 pixels and its image 4 x 3',
            ),
        ],
    )
    def test_what_does_not_is_refused(self, labels, others, message):
        given = results(np.array(labels, np.uint8), **others)
        with pytest.raises(UserError, match=message):
            CheckLabels(num_classes=7)(given)

    def test_what_was_cut_to_8_bits(self, tmp_path):
        file = tmp_path / 'a.png'
        wide = np.array([[0, 3], [1, 2]], np.uint16)
        for value, message in (
            (3, None),
            (259, 'the value 259, and .* 8 bits'),
        ):
            wide[0, 1] = value
            cv2.imwrite(str(file), wide)
            given = results(wide.astype(np.uint8))
            given['seg_map_path'] = str(file)
            check = CheckLabels(num_classes=7)
            if message is None:
                assert check(given) is given
            else:
                with pytest.raises(UserError, match=message):
                    check(given)

    def test_another_label_may_be_ignored(self):
        given = results(np.array([[200]], np.uint8))
        CheckLabels(num_classes=7, ignore_index=200)(given)


@pytest.mark.parametrize('workers', [0, 2])
@pytest.mark.parametrize('damage', ['label', 'bytes'])
def test_training_ends_and_names_the_file(tmp_path, damage, workers):
    pytest.importorskip('mmseg')
    data = tmp_path / 'shapes'
    generate(data, train=2, val=1, size=64)
    for path in (data / 'segmentation/train').iterdir():
        if damage == 'label':
            labels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
            labels[0, 0] = 100
            cv2.imwrite(str(path), labels)
        else:
            path.write_bytes(path.read_bytes()[:30])
    config = tmp_path / f'{tmp_path.name}.py'
    text = CONFIG.format(
        root=Path(__file__).parents[2], data=str(data), workers=workers
    )
    config.write_text(text)
    with pytest.raises(UserError) as raised:
        train(str(config), work_dir=str(tmp_path / 'work'))
    message = str(raised.value)
    assert '\n' not in message
    assert str(data / 'segmentation/train/00000') in message
    expected = {'label': 'has the label 100', 'bytes': 'it is damaged'}
    assert expected[damage] in message
    assert not list((tmp_path / 'work').glob('*.pth'))
