"""Every pose config: one step of training, one of evaluation."""

import json
import math
from pathlib import Path

import pytest
import torch

pytest.importorskip('mmpose')

from golden_data import (
    CASES,
    FOLDER,
    fill,
    make_input,
    recorded,
    relative_l2,
    samples,
)
from mmengine import Config
from mmengine.registry import DefaultScope, Registry
from mmengine.runner import Runner
from mmpose.registry import DATASETS, MODELS
from torch import nn

from mmuniformer import apis
from mmuniformer.engine.config import load_config
from mmuniformer.errors import UserError

FOLDER_OF_LEAVES = Path(__file__).parents[2] / 'configs/pose/topdown_heatmap'
LEAVES = sorted(FOLDER_OF_LEAVES.glob('*.py'))
SMALL = FOLDER_OF_LEAVES / 'td-hm_uniformer-small_8xb128-210e_coco-256x192.py'
BASE = FOLDER_OF_LEAVES / 'td-hm_uniformer-base_8xb128-210e_coco-256x192.py'


def build(registry: Registry, settings: dict):
    with DefaultScope.overwrite_default_scope('mmpose'):
        return registry.build(settings)


def build_estimator(path: Path) -> nn.Module:
    """The model of a config at full size."""
    return build(MODELS, Config.fromfile(path).model)


@pytest.mark.parametrize('path', LEAVES, ids=lambda path: path.stem)
def test_trains_and_evaluates(path, reduced_estimator, outcome):
    out = outcome(reduced_estimator(Config.fromfile(path)))
    assert 0 < out.scalars['train/loss_kpt'] < math.inf
    assert out.unused == []
    assert out.changed
    for name in ('AP', 'AP .5', 'AP .75', 'AP (M)', 'AP (L)', 'AR'):
        # -1 stands for no person of a size among those here.
        low = -1 if '(' in name else 0
        assert low <= out.scalars[f'val/coco/{name}'] <= 1
        assert low <= out.metrics[f'coco/{name}'] <= 1


@pytest.mark.parametrize('boxes', ['detected', 'annotated'])
def test_boxes_and_flip_test(boxes, reduced_estimator, keypoint_data, outcome):
    option = {'test_dataloader.dataset.bbox_file': None}
    options = option if boxes == 'annotated' else None
    cfg = reduced_estimator(load_config(SMALL, options))
    out = outcome(cfg)
    dataset = build(DATASETS, cfg.test_dataloader.dataset)
    # Each person is seen twice, as it is and mirrored.
    seen = sum(count for count, *_ in out.tested)
    assert seen == 2 * len(dataset) > 0
    assert 0 <= out.metrics['coco/AP'] <= 1

    people = keypoint_data.people
    if boxes == 'detected':
        people = json.loads(Path(keypoint_data.bbox_file).read_text())
    scores = [dataset.get_data_info(i)['bbox_score'][0] for i in range(4)]
    expected = [person.get('score', 1.0) for person in people[:4]]
    assert scores == pytest.approx(expected)
    cfg.test_dataloader.dataset.indices = None
    assert len(build(DATASETS, cfg.test_dataloader.dataset)) == len(people)


def test_boxes_of_a_detector_are_the_default():
    for path in LEAVES:
        cfg = Config.fromfile(path)
        for split in ('val', 'test'):
            boxes = Path(cfg[f'{split}_dataloader'].dataset.bbox_file)
            assert boxes.name == 'COCO_val2017_detections_AP_H_56_person.json'
        assert cfg.train_dataloader.dataset.get('bbox_file') is None


def test_features_are_the_official_ones():
    """extract_feat returns the last level of the official pose backbone."""
    case = CASES['det_base_global_256x192']
    model = build_estimator(BASE)
    fill(model.backbone)
    model = model.double().eval()
    with torch.no_grad():
        outs = model.extract_feat(make_input(case).double())
    assert len(outs) == 1
    assert list(outs[0].shape) == case['outputs']['stage4']['shape']
    expected = recorded('det_base_global_256x192')['stage4__f64']
    assert relative_l2(samples(outs[0]), expected) <= 1e-10


def hosted_file(model: nn.Module, backbone: dict[str, list[int]], head: str):
    """A file of the layout that mmpose or the official release has."""
    torch.manual_seed(1)
    shapes = {f'backbone.{name}': shape for name, shape in backbone.items()}
    shapes |= {
        name.replace('head.', head, 1): tensor.shape
        for name, tensor in model.state_dict().items()
        if name.startswith('head.')
    }
    return {
        'meta': {'epoch': 210, 'mmpose_version': '0.16.0'},
        'state_dict': {
            name: torch.zeros((), dtype=torch.int64)
            if name.endswith('num_batches_tracked')
            else torch.rand(*shape)
            for name, shape in shapes.items()
        },
    }


@pytest.fixture(scope='module')
def state_dicts() -> dict[str, dict[str, list[int]]]:
    return json.loads((FOLDER / 'state_dicts.json').read_text())


@pytest.mark.parametrize('head', ['head.', 'keypoint_head.'])
def test_published_file_loads_as_it_is(
    head, state_dicts, reduced_estimator, tmp_path, monkeypatch, capfd
):
    """mmpose's files have all four norms, the official ones an old head."""
    cfg = Config.fromfile(SMALL)
    model = build_estimator(SMALL)
    content = hosted_file(model, state_dicts['mmpose_port_small'], head)
    checkpoint = tmp_path / 'hosted.pth'
    torch.save(content, checkpoint)
    full = cfg.model.to_dict()
    cfg = reduced_estimator(cfg)
    full['head']['decoder'] = cfg.model.head.decoder
    cfg.model = full
    path = tmp_path / 'reduced.py'
    cfg.dump(path)

    runners = []
    test = Runner.test
    monkeypatch.setattr(
        Runner, 'test', lambda self: runners.append(self) or test(self)
    )
    metrics = apis.test(str(path), str(checkpoint), str(tmp_path / 'work'))
    assert 0 <= metrics['coco/AP'] <= 1
    loaded = runners[0].model.state_dict()
    expected = {
        name.replace(head, 'head.', 1): tensor
        for name, tensor in content['state_dict'].items()
    }
    unread = {f'backbone.norm{i}.{p}' for i in (1, 2, 3) for p in
              ('weight', 'bias')}  # fmt: skip
    assert expected.keys() - loaded.keys() == unread
    for name, tensor in loaded.items():
        assert tensor.equal(expected[name]), name
    log = ''.join(capfd.readouterr())
    assert 'do not match exactly' not in log
    assert 'unexpected key' not in log
    assert 'left out: backbone.norm1, backbone.norm2, backbone.norm3.' in log


@pytest.mark.parametrize('path', LEAVES, ids=lambda path: path.stem)
def test_names_of_the_hosted_files(path, state_dicts):
    name = 'mmpose_port_small' if 'small' in path.stem else 'dense_base_global'
    with torch.device('meta'):
        backbone = build_estimator(path).backbone.state_dict()
    shapes = state_dicts[name]
    assert all(list(v.shape) == shapes[k] for k, v in backbone.items())
    unread = {key.split('.')[0] for key in shapes.keys() - backbone.keys()}
    assert unread == {'norm1', 'norm2', 'norm3'}


@pytest.fixture
def broken(reduced_estimator, keypoint_data, tmp_path):
    """Writes a config of a copy of the data, and the copy's annotations."""

    def make(change):
        content = json.loads(
            (keypoint_data.root / keypoint_data.ann_file).read_text()
        )
        change(content)
        path = tmp_path / 'people.json'
        path.write_text(json.dumps(content))
        cfg = reduced_estimator(Config.fromfile(SMALL))
        cfg.data_root = str(keypoint_data.root)
        cfg.train_dataloader.dataset.update(
            ann_file=str(path), indices=None, max_refetch=2
        )
        config = tmp_path / 'broken.py'
        cfg.dump(config)
        return str(config), str(tmp_path / 'work')

    return make


@pytest.mark.parametrize('count', [50, 48])
def test_wrong_number_of_keypoints(broken, keypoint_data, count):
    person = keypoint_data.people[0]

    def cut(content):
        for annotation in content['annotations']:
            if annotation['id'] == person['id']:
                annotation['keypoints'] = annotation['keypoints'][:count]

    config, work_dir = broken(cut)
    with pytest.raises(
        UserError,
        match=rf'people\.json: 1 .* {count} numbers in keypoints, not 51 '
        rf'.*17 keypoints\) \(annotation {person["id"]}\)',
    ):
        apis.train(config, work_dir)
    assert not list(Path(work_dir).rglob('*.pth'))


def test_unreadable_image(broken, tmp_path):
    image = tmp_path / 'broken.jpg'
    image.write_bytes(b'no image')

    def replace(content):
        for info in content['images']:
            info['file_name'] = str(image)

    config, work_dir = broken(replace)
    with pytest.raises(UserError, match=r'damaged, .*broken\.jpg'):
        apis.train(config, work_dir)
    assert not list(Path(work_dir).rglob('*.pth'))


@pytest.mark.parametrize(
    'key',
    [
        'val_dataloader.dataset.bbox_file',
        'val_dataloader.dataset.ann_file',
        'train_dataloader.dataset.ann_file',
        'val_evaluator.ann_file',
    ],
)
def test_missing_file(broken, tmp_path, key):
    config, work_dir = broken(lambda content: None)
    missing = str(tmp_path / 'nowhere.json')
    with pytest.raises(UserError) as caught:
        apis.train(config, work_dir, cfg_options={key: missing})
    assert 'nowhere.json' in str(caught.value)
    assert 'does not exist' in str(caught.value)
    assert key in str(caught.value)
    assert not list(Path(work_dir).rglob('*.pth'))
