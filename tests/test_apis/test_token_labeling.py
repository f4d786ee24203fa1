"""tools/dataset_tools/make_token_labels.py."""

import copy
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from golden_data import fill
from image_models import build, light, plain, with_token_labels
from mmengine.config import Config

from mmuniformer.apis import make_token_labels
from mmuniformer.apis.token_labeling import classify_places, label_maps
from mmuniformer.datasets import LoadTokenLabel
from mmuniformer.errors import UserError

pytest.importorskip('mmpretrain')

TINY = dict(depths=(1, 1, 1, 1), embed_dims=(8, 16, 32, 32), head_dim=8)
CLASSES = 4


@pytest.fixture
def run(tmp_path):
    """Makes label maps of five images."""
    random = np.random.RandomState(0)
    for index in range(5):
        folder = tmp_path / 'images' / f'n{index % 2}'
        folder.mkdir(parents=True, exist_ok=True)
        image = random.randint(0, 255, (50, 70, 3), np.uint8)
        cv2.imwrite(str(folder / f'{index}.JPEG'), image)
    model = plain(TINY, 32, CLASSES)
    model['data_preprocessor'] = dict(
        mean=[128.0] * 3, std=[64.0] * 3, to_rgb=True
    )
    torch.save(
        dict(state_dict=fill(build(copy.deepcopy(model))).state_dict()),
        tmp_path / 'teacher.pth',
    )
    config = Config(
        dict(
            default_scope='mmpretrain',
            model=model,
            train_dataloader=dict(
                dataset=dict(
                    type='CustomDataset',
                    data_root=str(tmp_path / 'images'),
                    pipeline=[dict(type='RandomFlip', prob=0.5)],
                )
            ),
        )
    )
    config.dump(tmp_path / 'config.py')

    def make(**settings) -> int:
        arguments = dict(
            config=str(tmp_path / 'config.py'),
            checkpoint=str(tmp_path / 'teacher.pth'),
            out=str(tmp_path / 'labels'),
            size=96,
            top=3,
            batch_size=2,
            num_workers=0,
            device='cpu',
        )
        return make_token_labels(**arguments | settings)

    make.folder = tmp_path
    make.model = model
    return make


def files(folder: Path) -> list[str]:
    labels = folder / 'labels'
    return sorted(str(p.relative_to(labels)) for p in labels.rglob('*.pt'))


ALL = ['n0/0.pt', 'n0/2.pt', 'n0/4.pt', 'n1/1.pt', 'n1/3.pt']


def test_what_is_written_is_what_training_reads(run):
    assert run() == 5
    assert files(run.folder) == ALL
    written = torch.load(run.folder / 'labels' / 'n0' / '2.pt')
    assert written.dtype == torch.half
    assert written.shape == (2, 3, 3, 3)
    image = run.folder / 'images' / 'n0' / '2.JPEG'
    load = LoadTokenLabel(str(run.folder / 'labels'), num_classes=CLASSES)
    loaded = load(dict(img_path=str(image)))['token_label']
    assert (loaded == written.float().numpy()).all()

    from PIL import Image

    model = fill(build(copy.deepcopy(run.model))).eval()
    pixels = Image.open(image).resize((96, 96), Image.Resampling.BICUBIC)
    x = torch.from_numpy(np.array(pixels)).permute(2, 0, 1)[None].float()
    with torch.no_grad():
        feature = model.backbone((x - 128) / 64)[0]
        places = model.head.fc(feature.permute(0, 2, 3, 1))[0]
    scores, classes = places.topk(3)
    expected = torch.stack([scores, classes.float()]).permute(0, 3, 1, 2)
    torch.testing.assert_close(written.float(), expected, rtol=1e-2, atol=1e-2)


def test_goes_on_where_it_was_stopped(run):
    run()
    labels = run.folder / 'labels'
    times = {name: (labels / name).stat().st_mtime_ns for name in ALL}
    (labels / 'n1' / '3.pt').unlink()
    assert run() == 1
    assert files(run.folder) == ALL
    for name in ALL[:-1]:
        assert (labels / name).stat().st_mtime_ns == times[name]
    assert run() == 0


def test_parts_are_all(run):
    assert [run(part=(number, 3)) for number in (1, 2, 3)] == [1, 2, 2]
    assert files(run.folder) == ALL
    with pytest.raises(UserError, match='part 4 of 3'):
        run(part=(4, 3))


def test_other_settings_need_another_folder(run):
    run()
    with pytest.raises(UserError, match='label maps of other settings'):
        run(size=128)


def test_images_of_one_name(run):
    folder = run.folder / 'images' / 'n0'
    (folder / '0.b.JPEG').write_bytes((folder / '0.JPEG').read_bytes())
    with pytest.raises(UserError, match=r'0\.b\.JPEG have one label map'):
        run()


def test_a_checkpoint_of_another_model(run):
    state_dict = build(plain(TINY, 32, 7)).state_dict()
    torch.save(dict(state_dict=state_dict), run.folder / 'teacher.pth')
    with pytest.raises(UserError, match='7 classes'):
        run()


@pytest.mark.parametrize('make', [plain, light, with_token_labels])
def test_mean_of_places_is_the_prediction(make):
    """Of a linear classifier; of token labeling it is that of tokens."""
    model = fill(build(make(dict(TINY, mlp_ratio=3), 32, CLASSES))).eval()
    x = torch.randn(2, 3, 64, 96)
    with torch.no_grad():
        logits = classify_places(model, x)
        assert logits.shape == (2, CLASSES, 2, 3)
        mean = logits.mean((2, 3))
        feats = model.extract_feat(x)
        expected = model(x)
        if make is with_token_labels:
            expected = model.head.aux_fc(model.head.pre_logits(feats))
    torch.testing.assert_close(mean, expected)


def test_images_are_those_of_training(run):
    """Not turned by EXIF: training with the maps does not turn them."""
    from PIL import Image

    image = run.folder / 'images' / 'n0' / '2.JPEG'
    picture = Image.open(image).copy()
    picture.save(image)
    run()
    label = run.folder / 'labels' / 'n0' / '2.pt'
    expected = torch.load(label)
    turned = Image.Exif()
    turned[0x112] = 6
    picture.save(image, exif=turned)
    label.unlink()
    run()
    assert torch.load(label).equal(expected)


def test_preprocessor_beside_the_model(run):
    """As mmpretrain's own configs have it."""
    run()
    expected = torch.load(run.folder / 'labels' / 'n1' / '1.pt')
    cfg = Config.fromfile(run.folder / 'config.py')
    cfg.data_preprocessor = cfg.model.pop('data_preprocessor')
    cfg.dump(run.folder / 'config.py')
    run(out=str(run.folder / 'beside'))
    label = torch.load(run.folder / 'beside' / 'n1' / '1.pt')
    assert label.equal(expected)


@pytest.mark.parametrize(
    ('settings', 'message'),
    [
        (dict(size=0), 'size must be at least 1, not 0'),
        (dict(top=-1), 'top must be at least 1, not -1'),
        (dict(batch_size=0), 'batch_size must be at least 1'),
        (dict(num_workers=-1), 'num_workers must be at least 0'),
        (dict(device='gpu'), "device 'gpu': Expected one of cpu, cuda"),
    ],
)
def test_mistakes_are_told_before_anything_is_written(run, settings, message):
    with pytest.raises(UserError, match=message):
        run(**settings)
    assert not (run.folder / 'labels').exists()


def test_classes_beyond_half_precision():
    logits = torch.zeros(1, 5000, 1, 1)
    logits[0, 4097] = 1
    kept = label_maps(logits, 2)
    assert kept.shape == (1, 2, 2, 1, 1)
    assert kept[0, 1, 0].item() == 4097
