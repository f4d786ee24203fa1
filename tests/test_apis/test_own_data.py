"""From labels to a training: what the model is given is what the files say.

The configs start from those of the quick start, with models of one block a
stage.
"""

import json
from collections import defaultdict
from functools import cache
from pathlib import Path

import mmengine
import numpy as np
import pytest
import torch
from mmengine import Config
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from own_forms import Truth, source_files, write_masks, write_voc, write_yolo
from PIL import Image
from pycocotools import mask as coco_mask

from mmuniformer.analysis.memory import Memory
from mmuniformer.apis import train
from mmuniformer.apis.own_data import fitting_batch, new_data
from mmuniformer.datasets.shapes import generate_videos
from mmuniformer.errors import UserError

SMALL = """
_base_ = {config!r}
arch = dict(
    _delete_=True,
    depths=(1, 1, 1, 1),
    embed_dims=(16, 16, 32, 32),
    head_dim=16,
)
model = dict(backbone=dict(arch=arch), **{reading})
train_cfg = dict({loop})
param_scheduler = []
custom_hooks = [dict(type='Batches')]
loader = dict(num_workers=0, persistent_workers=False)
train_dataloader = loader
val_dataloader = loader
test_dataloader = loader
"""
FOUR = dict(neck=dict(in_channels=[16, 16, 32, 32]))
SEEN: list = []


@HOOKS.register_module()
class Batches(Hook):
    """Keeps what the loader gives to the model."""

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        samples = data_batch['data_samples']
        for inputs, sample in zip(data_batch['inputs'], samples, strict=True):
            SEEN.append((inputs, sample.clone()))


@pytest.fixture(autouse=True, scope='module')
def quick_configs():
    """Reads the index of a library once, and not for each base config."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mmengine.config.utils, 'load', cache(mmengine.load))
        yield


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    SEEN.clear()


@pytest.fixture(scope='module')
def source(tmp_path_factory):
    return source_files(tmp_path_factory.mktemp('source'))


def trained(config: Path, reading: dict, loop: str = '') -> list:
    """What was given in a training of one epoch, with its validation."""
    loop = loop or 'max_epochs=1, val_interval=1'
    leaf = Path('run.py')
    leaf.write_text(
        SMALL.format(config=str(config), reading=reading, loop=loop)
    )
    train(str(leaf), 'work')
    assert SEEN
    return SEEN


def classes_of(config: Path) -> tuple[str, ...]:
    cfg = Config.fromfile(config)
    return cfg.train_dataloader.dataset.metainfo.classes


def unflipped(boxes: np.ndarray, sample) -> np.ndarray:
    """Boxes (N, 4) of a sample in the pixels of its file."""
    boxes = boxes.copy()
    if sample.flip:
        boxes[:, [0, 2]] = sample.img_shape[1] - boxes[:, [2, 0]]
    return boxes / np.tile(sample.scale_factor, 2)


def assert_objects_are_those_of(truth: Truth, config: Path, most: float):
    classes = classes_of(config)
    assert classes == tuple(truth.names)
    seen = set()
    for _, sample in SEEN:
        file = Path(sample.img_path).name
        seen.add(file)
        wanted = truth.objects[file]
        instances = sample.gt_instances
        boxes = instances.bboxes
        boxes = unflipped(getattr(boxes, 'tensor', boxes).numpy(), sample)
        names = [classes[label] for label in instances.labels]
        assert names == [name for name, _ in wanted]
        for box, (_, annotation) in zip(boxes, wanted, strict=True):
            x, y, width, height = annotation['bbox']
            same = [x, y, x + width, y + height]
            np.testing.assert_allclose(box, same, atol=most)
    assert seen == set(truth.sizes)


@pytest.mark.parametrize('form', ['coco', 'yolo', 'voc'])
def test_boxes(source, tmp_path, form):
    images, objects, _ = source
    truth = Truth(objects)
    labels, names = objects, None
    if form == 'yolo':
        labels = write_yolo(truth, tmp_path / 'yolo')
    if form == 'voc':
        labels = write_voc(truth, tmp_path / 'voc', 1)
        names = ','.join(truth.names)
    made = new_data(
        'det', str(images), str(labels), 'own.py', classes=names, like='tiny'
    )
    assert made.report.of_level('error') == []
    cfg = Config.fromfile('own.py')
    assert cfg.model.roi_head.bbox_head.num_classes == len(truth.names)
    assert cfg.model.roi_head.mask_head is None
    assert Path('own.png').stat().st_size > 10_000
    if form == 'yolo':
        trained(Path('own.py'), FOUR)
    else:
        collect(cfg)
    # Whole pixels, and the edge that a resize rounds to.
    assert_objects_are_those_of(truth, Path('own.py'), 1.0)


def collect(cfg: Config) -> None:
    """Reads what a loader of a training would give."""
    from mmengine.registry import DATASETS, DefaultScope

    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        data = DATASETS.build(cfg.train_dataloader.dataset)
    for packed in data:
        SEEN.append((packed['inputs'], packed['data_samples']))


def test_masks_with_ids_of_any_kind(source):
    images, objects, _ = source
    truth = Truth(objects)
    before = objects.read_bytes()
    new_data('ins', str(images), str(objects), 'own.py', like='tiny')
    trained(Path('own.py'), FOUR)
    assert_objects_are_those_of(truth, Path('own.py'), 1.0)
    for _, sample in SEEN:
        file = Path(sample.img_path).name
        width, height = truth.sizes[file]
        for mask, (_, annotation) in zip(
            sample.gt_instances.masks.to_ndarray(),
            truth.objects[file],
            strict=True,
        ):
            rle = coco_mask.merge(
                coco_mask.frPyObjects(
                    annotation['segmentation'], height, width
                )
            )
            whole = coco_mask.decode(rle)
            if sample.flip:
                whole = whole[:, ::-1]
            size = mask.shape[::-1]
            small = np.array(Image.fromarray(whole).resize(size, 0))
            # At the edge, whichever way it was made smaller.
            different = np.count_nonzero(small != mask)
            assert different <= 0.25 * small.sum() + 12
    assert objects.read_bytes() == before


def test_keypoints_in_their_order(source):
    images, _, poses = source
    names = json.loads(poses.read_text())['categories'][0]['keypoints']
    new_data('pose', str(images), str(poses), 'own.py', like='tiny')
    reading = dict(head=dict(in_channels=32))
    trained(Path('own.py'), reading)
    truth = Truth(poses)
    by_id = {a['id']: a for file in truth.objects.values() for _, a in file}
    flips = set()
    for _, sample in SEEN:
        wanted = np.reshape(by_id[sample.id]['keypoints'], (-1, 3))
        points = sample.gt_instances.keypoints[0].copy()
        flips.add(sample.flip)
        if sample.flip:
            width = truth.sizes[Path(sample.img_path).name][0]
            points[:, 0] = width - 1 - points[:, 0]
            points = points[sample.flip_indices]
        shown = wanted[:, 2] > 0
        np.testing.assert_allclose(points[shown], wanted[shown, :2], atol=1e-3)
        for index, other in enumerate(sample.flip_indices):
            mirrored = names[index].replace('left', '*')
            mirrored = mirrored.replace('right', 'left').replace('*', 'right')
            assert names[other] == mirrored
    assert flips == {True, False}


@pytest.mark.parametrize('form', ['0 and 255', 'colours'])
def test_label_maps(tmp_path, form):
    rng = np.random.default_rng(0)
    truth = {}
    Path('photos').mkdir()
    for name in 'abcd':
        pixels = rng.integers(0, 255, (64, 64, 3), np.uint8)
        Image.fromarray(pixels).save(f'photos/{name}.png')
        truth[name] = np.kron(
            rng.integers(0, 2, (8, 8), np.uint8), np.ones((8, 8), np.uint8)
        )
    if form == 'colours':
        colours = np.array([[9, 9, 200], [250, 0, 0]], np.uint8)
        maps = {name: colours[labels] for name, labels in truth.items()}
        Path('table.csv').write_text('r,g,b,name\n9,9,200,sea\n250,0,0,ship\n')
        names, wanted = 'table.csv', ('sea', 'ship')
    else:
        maps = {name: 255 * labels for name, labels in truth.items()}
        names, wanted = None, ('background', 'foreground')
    write_masks(maps, tmp_path / 'maps')
    made = new_data(
        'seg',
        'photos',
        'maps',
        'own.py',
        classes=names,
        like='tiny',
        share=0.5,
    )
    assert made.found.classes == wanted
    trained(Path('own.py'), FOUR, 'max_iters=4, val_interval=4')
    seen = set()
    for _, sample in SEEN:
        name = Path(sample.img_path).stem
        labels = sample.gt_sem_seg.data.numpy()[0]
        if sample.flip:
            labels = labels[:, ::-1]
        np.testing.assert_array_equal(labels, truth[name])
        seen.add(name)
    lists = [
        set(Path(f'own_labels/{side}.txt').read_text().split())
        for side in ('train', 'val')
    ]
    assert seen == lists[0]
    assert not lists[0] & lists[1]
    assert lists[0] | lists[1] == set(truth)


def test_folders_of_classes():
    colours = dict(red=(200, 0, 0), green=(0, 200, 0), blue=(0, 0, 200))
    for name, colour in colours.items():
        for number in range(4):
            file = Path(f'photos/{name}/a {number}.png')
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.new('RGB', (64, 64), colour).save(file)
    new_data('cls', 'photos', None, 'own.py', like='tiny', share=0.75)
    reading = dict(head=dict(in_channels=32))
    trained(Path('own.py'), reading)
    classes = classes_of(Path('own.py'))
    assert classes == ('blue', 'green', 'red')
    for inputs, sample in SEEN:
        # The network's colours are in OpenCV's order.
        means = inputs.float().mean((1, 2)).flip(0)
        name = classes[sample.gt_label.item()]
        assert torch.argmax(means) == torch.argmax(torch.tensor(colours[name]))
    val = Path('own_labels/val.txt').read_text().splitlines()
    assert sorted(line.partition('/')[0] for line in val) == sorted(classes)


def test_videos_of_a_csv_with_names(tmp_path):
    generate_videos(tmp_path / 'shapes', train=4, val=1, size=64, frames=16)
    listed = Path('shapes/shapes_train_list_videos.txt').read_text()
    files = [line.split()[0] for line in listed.splitlines()]
    labels = [('turn right', 'turn left')[n % 2] for n in range(len(files))]
    rows = [f'{f},{n}' for f, n in zip(files, labels, strict=True)]
    Path('videos.csv').write_text('\n'.join(['video,action', *rows]))
    made = new_data(
        'video', 'shapes/videos_train', 'videos.csv', 'own.py', like='tiny'
    )
    assert any('not mirrored' in note for note in made.notes)
    reading = dict(cls_head=dict(in_channels=32))
    trained(Path('own.py'), reading)
    cfg = Config.fromfile('own.py')
    flips = [
        t for t in cfg.train_dataloader.dataset.pipeline if 'Flip' in t.type
    ]
    assert [t.flip_ratio for t in flips] == [0.0]
    assert 'flip_label_map' not in flips[0]
    lines = (
        Path(cfg.train_dataloader.dataset.ann_file).read_text().splitlines()
    )
    told = {
        line.split()[0]: cfg.classes[int(line.split()[1])] for line in lines
    }
    assert told == dict(zip(files, labels, strict=True))
    numbers = defaultdict(int)
    for _, sample in SEEN:
        numbers[cfg.classes[sample.gt_label.item()]] += 1
    assert sum(numbers.values()) == len(files)
    assert numbers['turn left'] == len(files) // 2


def test_nothing_is_written_over_and_nothing_stays(source):
    images, objects, _ = source
    arguments = ('det', str(images), str(objects), 'own.py')
    Path('own.png').write_bytes(b'mine')
    with pytest.raises(UserError, match=r'own\.png exists; --overwrite'):
        new_data(*arguments, like='tiny')
    assert not Path('own.py').exists()
    Path('own.png').unlink()
    Path('notes.txt').write_text('whale')
    with pytest.raises(UserError, match='no categories'):
        new_data(*arguments, like='tiny', classes='notes.txt')
    assert not list(Path().glob('own*'))
    content = json.loads(objects.read_text())
    content['annotations'][0]['bbox'][2] = float('nan')
    Path('nan.json').write_text(json.dumps(content))
    with pytest.raises(UserError, match='NaN'):
        new_data('det', str(images), 'nan.json', 'own.py', like='tiny')
    assert not list(Path().glob('own*'))


@pytest.mark.parametrize('size', ['small', 'xxs'])
def test_recipes_of_full_size(source, size):
    """What it writes for a recipe: the rate, the length, the weights."""
    images, objects, _ = source
    made = new_data(
        'det', str(images), str(objects), 'own.py', like=size, batch=2
    )
    cfg = Config.fromfile('own.py')
    assert cfg.model.type == 'FasterRCNN'
    assert cfg.optim_wrapper.optimizer.lr == pytest.approx(1e-4 * 2 / 16)
    assert cfg.auto_scale_lr.base_batch_size == 2
    epochs, samples = cfg.max_epochs, len(Truth(objects).sizes)
    assert epochs * -(-samples // 2) >= 1000
    assert any(f'{epochs} epochs of {samples}' in n for n in made.notes)
    warmup, steps = cfg.param_scheduler
    assert warmup.end == 100
    assert steps.end == epochs
    assert steps.milestones == [round(epochs * m / 12) for m in (8, 11)]
    text = Path('own.py').read_text()
    # Names of files can be no shorter.
    lines = [line for line in text.splitlines() if '/' not in line]
    assert [line for line in lines if len(line) > 79] == []
    compile(text, 'own.py', 'exec')


def test_the_batch_fits_into_memory():
    gib = 2**30
    memory = Memory(gib, gib, 2 * gib, 0, 0, 16 * gib, 0)
    # 16 samples of a GiB, and 4 GiB besides.
    assert fitting_batch(memory, 16, 40 * gib) == 16
    assert fitting_batch(memory, 16, 19 * gib) == 8
    assert fitting_batch(memory, 16, 6.5 * gib) == 2
    assert fitting_batch(memory, 16, 2 * gib) == 1


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs CUDA')
def test_the_batch_of_this_device(source):
    images, objects, _ = source
    made = new_data('ins', str(images), str(objects), 'own.py', like='tiny')
    assert any('GiB that are for the taking' in n for n in made.notes)
    cfg = Config.fromfile('own.py')
    assert cfg.train_dataloader.batch_size in (2, 4)
