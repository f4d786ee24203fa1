"""Label maps from their files to the loss."""

import copy

import cv2
import numpy as np
import pytest
import torch
from image_models import build, with_token_labels
from mmengine.dataset import Compose, default_collate
from mmengine.optim import OptimWrapper
from mmengine.registry import DATASETS, TRANSFORMS, DefaultScope

from mmuniformer.checks.token_labels import token_label_path
from mmuniformer.errors import UserError

CLASSES = 3
TINY = dict(depths=(1, 1, 1, 1), embed_dims=(16, 32, 64, 64), head_dim=16)
PIPELINE = [
    dict(type='LoadImageFromFile'),
    dict(type='mmuniformer.LoadTokenLabel', label_root=None, num_classes=3),
    dict(type='mmuniformer.TokenLabelFlip'),
    dict(type='mmuniformer.TimmRandAugment', interpolation='random'),
    dict(type='mmuniformer.TokenLabelCrop', scale=64),
    dict(type='PackInputs', algorithm_keys=('token_label', 'token_crop')),
]
AUGMENTS = dict(
    augments=dict(
        type='mmuniformer.BatchAugments',
        augments=[dict(type='mmuniformer.BatchErasing', prob=0.5)],
    )
)


def transform(name: str, **settings):
    return TRANSFORMS.build(dict(type=f'mmuniformer.{name}', **settings))


@pytest.fixture
def files(tmp_path):
    """Two images of each class, and their label maps."""
    random = np.random.RandomState(0)
    for folder in ('n01', 'n02', 'n03'):
        for kind in ('images', 'labels'):
            (tmp_path / kind / folder).mkdir(parents=True)
        for number in range(2):
            name = f'{folder}_{number}'
            image = random.randint(0, 255, (40, 50 + number, 3), np.uint8)
            path = tmp_path / 'images' / folder / f'{name}.x.jpeg'
            cv2.imwrite(str(path), image)
            scores = torch.randn(2, 6, 6).sort(0, descending=True).values
            classes = torch.rand(CLASSES, 6, 6).argsort(0)[:2]
            torch.save(
                torch.stack([scores, classes]).half(),
                tmp_path / 'labels' / folder / f'{name}.pt',
            )
    return tmp_path


def data_set(files):
    pipeline = copy.deepcopy(PIPELINE)
    pipeline[1]['label_root'] = str(files / 'labels')
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        return DATASETS.build(
            dict(
                type='CustomDataset',
                data_root=str(files / 'images'),
                pipeline=pipeline,
            )
        )


def test_a_training_step_of_a_real_data_set(files):
    """Through mmpretrain's data set, packing, preprocessor and model."""
    pytest.importorskip('mmpretrain.datasets')
    np.random.seed(0)
    config = with_token_labels(TINY, 64, CLASSES)
    config['data_preprocessor'] = dict(
        num_classes=CLASSES,
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        to_rgb=True,
        batch_augments=AUGMENTS,
    )
    model = build(config).train()
    dataset = data_set(files)
    batch = default_collate([dataset[index] for index in range(6)])
    assert batch['inputs'].shape == (6, 3, 64, 64)
    sample = batch['data_samples'][0]
    assert sample.token_label.shape == (2, 2, 6, 6)
    assert sample.token_crop.shape == (4,)
    optimizer = torch.optim.AdamW(model.parameters(), 1e-3)
    losses = model.train_step(batch, OptimWrapper(optimizer))
    assert set(losses) == {'loss', 'loss_cls', 'loss_aux'}
    assert losses['loss'].isfinite()


def test_path_of_a_label_map():
    path = token_label_path('labels', '/data/train/n01440764/n01_7.JPEG.jpg')
    assert str(path) == 'labels/n01440764/n01_7.pt'


def test_reading(files):
    load = transform('LoadTokenLabel', label_root=str(files / 'labels'))
    image = files / 'images' / 'n02' / 'n02_1.x.jpeg'
    loaded = load(dict(img_path=str(image)))['token_label']
    stored = torch.load(files / 'labels' / 'n02' / 'n02_1.pt')
    assert loaded.dtype == np.float32
    assert (loaded == stored.float().numpy()).all()


@pytest.mark.parametrize(
    'make', [torch.Tensor.bfloat16, torch.Tensor.double, torch.nn.Parameter]
)
def test_numbers_of_any_kind(files, make):
    """Those of a teacher that was trained meanwhile, too."""
    path = files / 'labels' / 'n01' / 'n01_0.pt'
    stored = torch.load(path).float().round()
    torch.save(make(stored), path)
    load = transform('LoadTokenLabel', label_root=str(files / 'labels'))
    image = files / 'images' / 'n01' / 'n01_0.x.jpeg'
    loaded = load(dict(img_path=str(image)))['token_label']
    assert loaded.dtype == np.float32
    assert (loaded == stored.numpy()).all()


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        (None, r'n01/n01_0\.x\.jpeg has no label map: .*n01_0\.pt does not'),
        (b'', r'n01_0\.pt cannot be read'),
        (b'text', r'n01_0\.pt cannot be read'),
        (dict(a=1), r'n01_0\.pt holds a dict: a label map is a tensor of'),
        (torch.zeros(2, 5), r'n01_0\.pt is of 2 x 5: a label map is'),
        (torch.zeros(3, 5, 4, 4), 'is of 3 x 5 x 4 x 4'),
        (torch.full((2, 1, 2, 2), 3.0), r'the class 3: classes are .* 0 to 2'),
        (torch.full((2, 1, 2, 2), 0.5), r'the class 0\.5: .*second'),
        (torch.full((2, 1, 2, 2), -1), 'the class -1'),
        (torch.full((2, 1, 2, 2), torch.nan), 'no finite numbers'),
    ],
)
def test_what_is_no_label_map_is_told(files, content, message):
    path = files / 'labels' / 'n01' / 'n01_0.pt'
    path.unlink()
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        torch.save(content, path)
    load = transform(
        'LoadTokenLabel', label_root=str(files / 'labels'), num_classes=3
    )
    image = files / 'images' / 'n01' / 'n01_0.x.jpeg'
    with pytest.raises(UserError, match=message):
        load(dict(img_path=str(image)))


class RunsCode:
    def __reduce__(self):
        return print, ('code of a label map',)


def test_no_code_of_a_file_is_run(files, capsys):
    path = files / 'labels' / 'n01' / 'n01_0.pt'
    torch.save(RunsCode(), path)
    load = transform('LoadTokenLabel', label_root=str(files / 'labels'))
    image = files / 'images' / 'n01' / 'n01_0.x.jpeg'
    with pytest.raises(UserError, match=r'n01_0\.pt cannot be read'):
        load(dict(img_path=str(image)))
    assert 'code' not in capsys.readouterr().out


def sample() -> dict:
    """An image whose pixels are their columns, and a map alike."""
    image = np.tile(np.arange(60, dtype=np.uint8), (40, 1))
    labels = np.tile(np.arange(6, dtype=np.float32), (2, 1, 6, 1))
    return dict(img=np.stack([image] * 3, -1), token_label=labels)


def test_flip():
    np.random.seed(0)
    flipped = 0
    for _ in range(400):
        results = transform('TokenLabelFlip')(sample())
        is_flipped = results['img'][0, 0, 0] == 59
        assert results['flip'] == is_flipped
        assert (results['token_label'][0, 0, 0, 0] == 5) == is_flipped
        flipped += is_flipped
    assert flipped / 400 == pytest.approx(0.5, abs=0.07)


def test_crop_tells_its_place():
    """The label map stays whole; shares of the image say what is seen."""
    torch.manual_seed(0)
    crop = transform('TokenLabelCrop', scale=32)
    areas = []
    for _ in range(100):
        results = crop(sample())
        assert results['img'].shape == (32, 32, 3)
        assert results['token_label'].shape == (2, 1, 6, 6)
        top, left, height, width = results['token_crop']
        assert 0 <= top <= top + height <= 1.0001
        areas.append(height * width)
        # The columns that are seen, but for what interpolation blurs.
        first, last = results['img'][0, [0, -1], 0].astype(float)
        assert abs(first - left * 60) < 2
        assert abs(last - (left + width) * 60) < 2
    assert min(areas) < 0.2
    assert max(areas) > 0.8
    with pytest.raises(ValueError, match='interpolation'):
        transform('TokenLabelCrop', scale=32, interpolation='area')


def test_crop_is_that_of_pillow():
    from PIL import Image

    crop = transform('TokenLabelCrop', scale=16, interpolation='bicubic')
    given = sample()
    torch.manual_seed(1)
    results = crop(dict(given))
    top, left, height, width = results['token_crop'] * [40, 60, 40, 60]
    box = np.rint([left, top, left + width, top + height]).astype(int)
    expected = Image.fromarray(given['img']).resize(
        (16, 16), Image.Resampling.BICUBIC, box=tuple(box)
    )
    # Cut first: nothing outside of the crop is seen.
    cut = Image.fromarray(given['img']).crop(tuple(box))
    exact = cut.resize((16, 16), Image.Resampling.BICUBIC)
    assert (results['img'] == np.asarray(exact)).all()
    assert np.abs(results['img'].astype(int) - expected).max() < 3


def test_all_say_what_they_are():
    texts = [
        repr(Compose([transform('LoadTokenLabel', label_root='labels')])),
        repr(transform('TokenLabelFlip', prob=0.3)),
        repr(transform('TokenLabelCrop', scale=32)),
        repr(transform('TimmRandAugment')),
        repr(transform('TimmAutoAugment')),
    ]
    for text, words in zip(
        texts,
        ("'labels'", 'prob=0.3', 'scale=32', 'magnitude=9', 'fill='),
        strict=True,
    ):
        assert words in text
