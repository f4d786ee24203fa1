"""``mmuniformer test`` with an exported file in place of a checkpoint."""

import pytest
import torch
from export_models import model_of
from mmengine.model import ExponentialMovingAverage

from mmuniformer import apis
from mmuniformer.datasets.shapes import generate, generate_videos
from mmuniformer.deployment.evaluating import ExportedModel
from mmuniformer.errors import UserError

pytest.importorskip('onnxruntime')
pytest.importorskip('onnxscript')
pytest.importorskip('openvino')

TASKS = {
    'cls': 'accuracy/top1',
    'seg': 'mIoU',
    'pose': 'coco/AP',
    'video': 'acc/top1',
    'det': 'coco/bbox_mAP',
}


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp('data')
    generate(folder / 'shapes', train=1, val=6, size=96)
    generate_videos(folder / 'videos', train=1, val=6, size=64)
    return folder


def both(task, data, exported, tmp_path):
    """Metrics of the checkpoint and of the file."""
    config, checkpoint = model_of(task, exported.folder)
    # Files that the examples need, too.
    suffix = {'seg': '.xml', 'video': '.pt2'}.get(task, '.onnx')
    result = exported(task, suffix)
    kind = 'videos' if task == 'video' else 'shapes'
    root = f'{data / kind}/'
    options = {
        'test_dataloader.dataset.data_root': root,
        'test_dataloader.num_workers': 0,
        'test_dataloader.persistent_workers': False,
    }
    if task in ('pose', 'det'):
        name = 'person_keypoints' if task == 'pose' else 'instances'
        file = f'{root}annotations/{name}_val.json'
        options['test_evaluator.ann_file'] = file
    if task == 'det':
        options['test_evaluator.metric'] = 'bbox'
    return [
        apis.test(
            config,
            str(file),
            work_dir=str(tmp_path / name),
            cfg_options=dict(options),
        )
        for name, file in (('model', checkpoint), ('file', result.path))
    ]


@pytest.mark.parametrize(
    'task',
    [
        'seg',
        *(
            pytest.param(task, marks=pytest.mark.slow)
            for task in ('pose', 'video', 'det')
        ),
    ],
)
def test_metrics_are_those_of_the_model(task, data, exported, tmp_path):
    model, file = both(task, data, exported, tmp_path)
    assert model.keys() == file.keys()
    assert TASKS[task] in model
    for name, value in model.items():
        scale = 1 if task == 'seg' else 100
        assert file[name] * scale == pytest.approx(value * scale, abs=0.1)


def test_a_hook_that_averages(exported):
    """It copies the model that it finds."""
    path = str(exported('cls', '.onnx').path)
    host = dict(head=dict(num_classes=6))
    pipeline = [dict(type='LoadImageFromFile')]
    model = ExportedModel(path, host, 'mmpretrain', pipeline)
    average = ExponentialMovingAverage(model)
    images = torch.randint(0, 256, (1, 3, 64, 64), dtype=torch.uint8)
    scores = average.module.outputs(images)['scores']
    assert (scores == model.outputs(images)['scores']).all()


def test_mistakes(exported, tmp_path):
    config, _ = model_of('seg', exported.folder)
    path = str(exported('cls', '.onnx').path)
    options = dict(work_dir=str(tmp_path), check=False)
    with pytest.raises(UserError, match='runs as it was exported'):
        apis.test(config, path, tta=True, **options)
    with pytest.raises(UserError, match='file of classification, and the'):
        apis.test(config, path, **options)
    with pytest.raises(UserError, match='onnx does not exist'):
        apis.test(config, 'nowhere.onnx', **options)


def test_a_file_of_other_classes(exported):
    path = str(exported('cls', '.onnx').path)
    # That of the data set that a config has inherited its preprocessor from.
    host = dict(
        head=dict(num_classes=6), data_preprocessor=dict(num_classes=1000)
    )
    ExportedModel(path, host, 'mmpretrain', [{}])
    with pytest.raises(UserError, match='of 6 classes, and the config of 9'):
        ExportedModel(path, dict(head=dict(num_classes=9)), 'mmpretrain', [{}])


@pytest.mark.slow
def test_a_file_of_one_image(exported, tmp_path):
    config, checkpoint = model_of('cls', exported.folder)
    result = apis.export(
        config, checkpoint, str(tmp_path / 'one.onnx'), static=True
    )
    pipeline = [dict(type='LoadImageFromFile')]
    host = dict(head=dict(num_classes=6))
    model = ExportedModel(str(result.path), host, 'mmpretrain', pipeline)
    images = torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8)
    both = model.outputs(images)['scores']
    one = model.outputs(images[1:])['scores']
    assert (both[1] == one[0]).all()
    with pytest.raises(UserError, match='takes 64 x 64 x 3, and the test'):
        model.outputs(images[..., :32])
