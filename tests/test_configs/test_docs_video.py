"""The configs that docs/video.md shows, run as a reader would."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip('mmaction')

import mmaction
from mmaction.registry import DATASETS, MODELS
from mmengine import Config
from mmengine.registry import DefaultScope

from mmuniformer import apis
from mmuniformer.datasets.shapes import MOTIONS, generate_videos
from mmuniformer.engine.config import load_config

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / 'docs/video.md').read_text()
SNIPPETS = re.findall(r'```python\n(.*?)```', TEXT, re.DOTALL)
COMMANDS = re.findall(
    r'^python tools/test.py (\S+) CHECKPOINT --cfg-options (\S+)$',
    TEXT,
    re.MULTILINE,
)
MMACTION_TRAIN = Path(mmaction.__file__).parent / '.mim/tools/train.py'
LEAVES = ROOT / 'configs/video/uniformer'
CONFIGS = {
    '$CONFIG': 'uniformer-small_imagenet1k-pre_8xb4-16x4x1-110e_'
    'kinetics400-rgb.py',
    '$STH_CONFIG': 'uniformer-small_k400-pre_8xb4-u16-60e_sthv1-rgb.py',
}


def snippet(words: str) -> str:
    """The one config that has these words, with paths as from the root."""
    (text,) = (s for s in SNIPPETS if words in s)
    return text.replace("_base_ = 'configs", f"_base_ = '{ROOT}/configs")


@pytest.fixture
def write(tmp_path) -> Callable[[str], Path]:
    def write(text: str) -> Path:
        path = tmp_path / 'snippet.py'
        path.write_text(text)
        return path

    return write


@pytest.mark.parametrize('words', ['sthv2_train_list_videos', 'OpenCVInit'])
def test_other_readers_train_and_test(
    words, write, reduced_recognizer, outcome
):
    cfg = Config.fromfile(write(snippet(words)))
    for split in ('train', 'val', 'test'):
        first, _, third = cfg[f'{split}_dataloader'].dataset.pipeline[:3]
        reader = first.type.removesuffix('Init')
        assert reader == words.removesuffix('Init') or reader == 'Decord'
        assert third.type == f'{reader}Decode'
    out = outcome(reduced_recognizer(cfg))
    assert 0 <= out.metrics['acc/top1'] <= 1


def test_frames_and_videos_of_sthv2_differ_in_nothing_else():
    theirs = Config.fromfile(
        LEAVES / 'uniformer-small_k400-pre_8xb4-u16-50e_sthv2-rgb.py'
    )
    ours = Config.fromstring(snippet('sthv2_train_list_videos'), '.py')
    reading = ('RawFrameDecode', 'DecordInit', 'DecordDecode')
    for split in ('train', 'val', 'test'):
        before, after = (
            cfg[f'{split}_dataloader'].dataset for cfg in (theirs, ours)
        )
        steps = [
            [t for t in dataset.pipeline if t.type not in reading]
            for dataset in (before, after)
        ]
        assert steps[0] == steps[1]
        assert after.type == 'VideoDataset'
        assert after.data_root == before.data_root
        assert after.get('test_mode') == before.get('test_mode')
        lists = before.ann_file.replace('rawframes', 'videos')
        assert after.ann_file == lists


@pytest.mark.parametrize(('config', 'option'), COMMANDS)
def test_options_for_views_are_taken(config, option, video_data):
    key, value = option.split('=')
    value = int(value) if value.isdigit() else value
    cfg = load_config(LEAVES / CONFIGS[config], {key: value})
    dataset = cfg.test_dataloader.dataset
    frames = dataset.type == 'RawframeDataset'
    dataset.update(
        data_root=str(video_data.root),
        ann_file=video_data.frame_list if frames else video_data.video_list,
        data_prefix={'img' if frames else 'video': ''},
    )
    if frames:
        dataset.filename_tmpl = video_data.frame_name
    with DefaultScope.overwrite_default_scope('mmaction'):
        views = len(DATASETS.build(dataset)[0]['inputs'])
    published = {'$CONFIG': 4, '$STH_CONFIG': 3}[config]
    if value == 'ThreeCrop':
        assert views == 3 * published
    elif value == 'CenterCrop':
        assert views == published / 3
    else:
        assert views == published * value / {'$CONFIG': 4}.get(config, 1)


def test_all_commands_are_tried():
    assert len(COMMANDS) == 4


class TestOwnVideos:
    def test_config_is_of_the_generated_videos(self):
        cfg = Config.fromstring(snippet('data/shapes_video/'), '.py')
        assert cfg.classes == MOTIONS
        assert cfg.model.cls_head.num_classes == len(MOTIONS)
        augment = cfg.train_dataloader.dataset.pipeline[-1]
        assert 'Flip' not in [t.type for t in augment.transforms]
        assert len(augment.transforms) == 6

    def test_config_trains_and_tests(self, write, tmp_path):
        """At a reduced size, on videos that are written as the text says."""
        data = tmp_path / 'shapes_video'
        generate_videos(data, train=4, val=2)
        text = snippet('data/shapes_video/')
        cfg = Config.fromfile(
            write(text.replace('data/shapes_video', f'{data}'))
        )
        cfg.model.backbone.update(
            arch=dict(depths=(1, 1, 1, 1), embed_dims=(16, 32, 64, 512)),
            init_cfg=None,
        )
        for split in ('train', 'val', 'test'):
            cfg[f'{split}_dataloader'].update(
                num_workers=0, persistent_workers=False
            )
        cfg.train_cfg.max_epochs = 1
        reduced, work = tmp_path / 'reduced.py', tmp_path / 'work'
        cfg.dump(reduced)
        apis.train(str(reduced), str(work), auto_scale_lr=True)
        pictures = tmp_path / 'pictures'
        metrics = apis.test(
            str(reduced),
            str(work / 'epoch_1.pth'),
            str(work),
            show_dir=str(pictures),
        )
        assert 0 <= metrics['acc/top1'] <= 1
        assert len(list(pictures.iterdir())) == 2


SWIN = snippet("'mmaction::recognition/swin")
UNIFORMER = snippet("'mmaction::recognition/uniformer")


def test_drop_in_changes_backbone_and_channels_of_mmaction():
    theirs = Config.fromstring(SWIN.splitlines()[0], '.py').to_dict()
    ours = Config.fromstring(SWIN, '.py').to_dict()
    ours.pop('pretrained')
    assert ours.pop('custom_imports')['imports'] == ['mmuniformer']
    for config in (ours, theirs):
        config['model'].pop('backbone')
        config['model']['cls_head'].pop('in_channels')
    assert ours == theirs


def test_drop_in_for_mmactions_uniformer_changes_its_type():
    theirs = Config.fromstring(UNIFORMER.splitlines()[0], '.py').to_dict()
    cfg = Config.fromstring(UNIFORMER, '.py')
    with DefaultScope.overwrite_default_scope('mmaction'):
        model = MODELS.build(cfg.model)
    assert type(model.backbone).__module__.startswith('mmuniformer.')
    ours = cfg.to_dict()
    assert ours.pop('custom_imports')['imports'] == ['mmuniformer']
    assert ours['model']['backbone'].pop('type') == 'mmuniformer.UniFormer3D'
    theirs['model']['backbone'].pop('type')
    assert ours == theirs


def test_drop_in_trains_and_tests(write, reduced_recognizer, outcome):
    out = outcome(reduced_recognizer(Config.fromfile(write(SWIN))))
    assert out.scalars['train/loss_cls'] > 0
    assert 0 <= out.metrics['acc/top1'] <= 1


def test_drop_in_trains_with_the_command_of_mmaction(
    write, reduced_recognizer, tmp_path
):
    cfg = reduced_recognizer(Config.fromfile(write(SWIN)))
    # The command of mmaction2 has no way round mixed precision.
    cfg.optim_wrapper.type = 'OptimWrapper'
    cfg.optim_wrapper.pop('loss_scale', None)
    path = tmp_path / 'reduced.py'
    cfg.dump(path)
    done = subprocess.run(
        [
            sys.executable,
            MMACTION_TRAIN,
            path,
            '--work-dir',
            tmp_path / 'work',
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert 'acc/top1' in done.stdout + done.stderr
