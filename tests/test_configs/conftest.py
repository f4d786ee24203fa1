"""Small data and reduced configs for running every config end to end."""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import mmengine
import pytest
from mmengine import Config, ConfigDict
from mmengine.runner import Runner

from mmuniformer.datasets.shapes import CLASSES, generate, generate_videos
from mmuniformer.models.backbones.settings import LIGHT_ARCHS

# The published images are about this many times as long and as wide as the
# ones that the suite can afford.
SHRINK = 8
# The side of the crops and the number of frames of a reduced video config.
CROP, FRAMES = 64, 4


@dataclass(frozen=True)
class CocoData:
    """A data set in COCO format: folder, annotation file, image prefix."""

    root: Path
    ann_file: str
    img_prefix: str

    @property
    def classes(self) -> tuple[str, ...]:
        content = json.loads((self.root / self.ann_file).read_text())
        return tuple(c['name'] for c in content['categories'])


@pytest.fixture(scope='session')
def coco_data(tmp_path_factory) -> CocoData:
    """Real images with boxes and polygons, else the generated ones."""
    real = os.environ.get('MMUNIFORMER_TEST_DATA')
    if real:
        root = Path(real) / 'coco-mini'
        return CocoData(root, 'person_keypoints.json', 'images/')
    root = tmp_path_factory.mktemp('data') / 'shapes'
    generate(root, train=4, val=1, size=160)
    return CocoData(root, 'annotations/instances_train.json', 'images/train/')


@dataclass(frozen=True)
class SemanticData:
    """Images, maps of labels and the names of the labels."""

    root: Path
    prefix: dict[str, str]
    classes: tuple[str, ...]


@pytest.fixture(scope='session')
def semantic_data(tmp_path_factory) -> SemanticData:
    """Real images with masks of people, else the generated ones."""
    real = os.environ.get('MMUNIFORMER_TEST_DATA')
    if real:
        prefix = dict(img_path='images', seg_map_path='segmentation')
        root = Path(real) / 'coco-mini'
        return SemanticData(root, prefix, ('background', 'person'))
    root = tmp_path_factory.mktemp('data') / 'shapes'
    generate(root, train=4, val=1, size=160)
    prefix = dict(img_path='images/train', seg_map_path='segmentation/train')
    return SemanticData(root, prefix, ('background', *CLASSES))


@dataclass(frozen=True)
class KeypointData:
    """People in COCO format, and boxes that a detector has found."""

    root: Path
    ann_file: str
    img_prefix: str
    bbox_file: str

    @property
    def people(self) -> list[dict]:
        """The annotations that have keypoints."""
        content = json.loads((self.root / self.ann_file).read_text())
        return [a for a in content['annotations'] if a['num_keypoints']]


@pytest.fixture(scope='session')
def keypoint_data(tmp_path_factory) -> KeypointData:
    """Real images of people with keypoints, else the generated figures."""
    real = os.environ.get('MMUNIFORMER_TEST_DATA')
    if real:
        root = Path(real) / 'coco-mini'
        detections = str(root / 'person_detections.json')
        return KeypointData(
            root, 'person_keypoints.json', 'images/', detections
        )
    root = tmp_path_factory.mktemp('data') / 'shapes'
    generate(root, train=8, val=1, size=160)
    data = KeypointData(
        root,
        'annotations/person_keypoints_train.json',
        'images/train/',
        str(root / 'detections.json'),
    )
    keys = ('image_id', 'category_id', 'bbox')
    detections = [
        {key: person[key] for key in keys} | {'score': 0.9}
        for person in data.people
        for _ in range(2)
    ]
    Path(data.bbox_file).write_text(json.dumps(detections))
    return data


@dataclass(frozen=True)
class VideoData:
    """Videos and folders with their frames, each with a label of its own."""

    root: Path
    names: tuple[str, ...]
    video_list: str = 'videos.txt'
    frame_list: str = 'frames.txt'
    frame_name: str = 'img_{:05}.jpg'


@pytest.fixture(scope='session')
def video_data(tmp_path_factory) -> VideoData:
    """Real videos, else generated ones."""
    root = tmp_path_factory.mktemp('data')
    real = os.environ.get('MMUNIFORMER_TEST_DATA')
    if real:
        sources = [
            Path(real) / 'video-mini' / f'{name}.mp4'
            for name in ('demo', 'test', 'demo_spatiotemporal_det')
        ]
    else:
        generate_videos(root / 'shapes', train=3, val=1)
        sources = sorted((root / 'shapes/videos_train').iterdir())
    data = VideoData(root, tuple(path.stem for path in sources))
    videos, folders = [], []
    for label, path in enumerate(sources):
        videos.append(f'{path} {label}')
        count = split_video(path, root / path.stem, data.frame_name)
        folders.append(f'{path.stem} {count} {label}')
    (root / data.video_list).write_text('\n'.join(videos))
    (root / data.frame_list).write_text('\n'.join(folders))
    return data


def split_video(path: Path, folder: Path, name: str) -> int:
    """Writes the first frames of a video, and gives their number."""
    folder.mkdir()
    video, count = cv2.VideoCapture(str(path)), 8
    for index in range(count):
        read, frame = video.read()
        assert read
        cv2.imwrite(str(folder / name.format(index + 1)), frame)
    return count


@pytest.fixture(autouse=True)
def plain_config_text(monkeypatch):
    """Leaves the text of a config as it is: a run formats it five times."""
    monkeypatch.setattr(
        mmengine.config.config, 'FormatCode', lambda text, **_: (text, True)
    )


def nodes(config: object) -> Iterator[ConfigDict]:
    """Every dict within a config."""
    if isinstance(config, dict):
        yield config
        config = list(config.values())
    if isinstance(config, list | tuple):
        for value in config:
            yield from nodes(value)


def shrink(size: tuple[int, int]) -> tuple[int, int]:
    return tuple(side // SHRINK for side in size)


def reduce_pipeline(pipeline: list) -> None:
    for transform in nodes(pipeline):
        if 'scale' in transform:
            transform.scale = shrink(transform.scale)
        if 'scales' in transform:
            transform.scales = [shrink(scale) for scale in transform.scales]
        if 'crop_size' in transform:
            transform.crop_size = shrink(transform.crop_size)


def reduce_light(backbone: ConfigDict) -> None:
    arch = asdict(LIGHT_ARCHS[backbone.arch])
    backbone.arch = dict(arch, depths=(1, 1, 2, 1))


def reduce_backbone(backbone: ConfigDict) -> None:
    if 'Light' in backbone.type:
        reduce_light(backbone)
    else:
        # Four blocks in stage 3: with 'hybrid', the last of them is global.
        backbone.arch = dict(
            depths=(1, 1, 4, 1), embed_dims=(64, 128, 320, 512), head_dim=64
        )
    if isinstance(backbone.get('with_cp'), list):
        backbone.with_cp = [
            min(blocks, depth)
            for blocks, depth in zip(
                backbone.with_cp, backbone.arch['depths'], strict=True
            )
        ]
    backbone.init_cfg = None


def reduce_detector(model: ConfigDict, num_classes: int) -> None:
    reduce_backbone(model.backbone)
    heads = [value for key, value in model.items() if key != 'backbone']
    for node in nodes(heads):
        for key, value in node.items():
            if key.endswith('channels') and value in (256, 1024):
                node[key] = 32
    for node in nodes(model):
        if 'num_classes' in node:
            node.num_classes = num_classes
        if 'nms_pre' in node:
            node.nms_pre = 200
        if 'max_per_img' in node:
            node.max_per_img = 50
        if node.get('type') == 'RandomSampler':
            node.num = 64
        # An untrained detector is sure of nothing.
        if 'score_thr' in node:
            node.score_thr = 0.0


def reduce_segmentor(model: ConfigDict, num_classes: int) -> None:
    reduce_backbone(model.backbone)
    heads = [value for key, value in model.items() if key != 'backbone']
    for node in nodes(heads):
        for key in ('channels', 'out_channels'):
            if key in node:
                node[key] = 32
        # The channels of the neck, not those of the backbone.
        if node.get('in_channels') == [256] * 4:
            node.in_channels = [32] * 4
        if 'num_classes' in node:
            node.num_classes = num_classes
    if 'size' in model.data_preprocessor:
        model.data_preprocessor.size = shrink(model.data_preprocessor.size)


def reduce_estimator(model: ConfigDict) -> None:
    reduce_backbone(model.backbone)
    if model.head.type == 'HeatmapHead':
        model.head.deconv_out_channels = (32, 32, 32)


def reduce_crops(cfg: Config) -> None:
    """Makes every crop of a person 64 x 96 pixels."""
    size = (64, 96)
    for node in nodes(cfg._cfg_dict):
        if 'input_size' in node:
            node.input_size = size
        if 'heatmap_size' in node:
            node.heatmap_size = tuple(side // 4 for side in size)
        if 'in_featuremap_size' in node:
            node.in_featuremap_size = tuple(side // 32 for side in size)


def reduce_recognizer(model: ConfigDict) -> None:
    if 'Light' in model.backbone.type:
        reduce_light(model.backbone)
    else:
        model.backbone.arch = dict(
            depths=(1, 1, 2, 1), embed_dims=(32, 64, 128, 512), head_dim=64
        )
    model.backbone.init_cfg = None


def reduce_clips(pipeline: list) -> None:
    for transform in nodes(pipeline):
        if 'clip_len' in transform:
            transform.clip_len = FRAMES
        if 'crop_size' in transform:
            transform.crop_size = CROP
        if 'scale' in transform:
            transform.scale = tuple(min(s, CROP) for s in transform.scale)


def reduce_runtime(cfg: Config, work_dir: Path) -> None:
    for split in ('train', 'val', 'test'):
        loader = cfg[f'{split}_dataloader']
        loader.num_workers = 0
        loader.persistent_workers = False
    cfg.default_hooks.logger.interval = 1
    cfg.default_hooks.checkpoint.update(interval=-1, save_last=False)
    cfg.work_dir = str(work_dir)


@pytest.fixture
def reduced(coco_data, tmp_path) -> Callable[[Config], Config]:
    """Makes a detection config one step of training and of evaluation.

    The model loses depth and its heads width, images lose size and COCO is
    replaced by a few images. Everything else is what the config says.
    """

    def reduce(cfg: Config) -> Config:
        reduce_detector(cfg.model, len(coco_data.classes))
        for split in ('train', 'val', 'test'):
            loader = cfg[f'{split}_dataloader']
            loader.dataset.update(
                data_root=str(coco_data.root),
                ann_file=coco_data.ann_file,
                data_prefix=dict(img=coco_data.img_prefix),
                metainfo=dict(classes=coco_data.classes),
                indices=2,
            )
            reduce_pipeline(loader.dataset.pipeline)
            if split != 'train':
                evaluator = cfg[f'{split}_evaluator']
                evaluator.ann_file = str(coco_data.root / coco_data.ann_file)
        cfg.train_cfg.max_epochs = 1
        # Mixed precision of the recipes needs an accelerator.
        cfg.optim_wrapper.type = 'OptimWrapper'
        reduce_runtime(cfg, tmp_path)
        return cfg

    return reduce


@pytest.fixture
def reduced_segmentor(semantic_data, tmp_path) -> Callable[[Config], Config]:
    """Does to a segmentation config what `reduced` does to a detector's.

    The label 0 of the images here is a class of its own, that of ADE20K is
    not.
    """

    def reduce(cfg: Config) -> Config:
        classes = semantic_data.classes
        reduce_segmentor(cfg.model, len(classes))
        for split in ('train', 'val', 'test'):
            loader = cfg[f'{split}_dataloader']
            loader.dataset.update(
                type='BaseSegDataset',
                data_root=str(semantic_data.root),
                data_prefix=semantic_data.prefix,
                metainfo=dict(classes=classes),
                indices=2,
            )
        pipelines = [
            cfg[f'{split}_dataloader'].dataset.pipeline
            for split in ('train', 'val', 'test')
        ]
        for pipeline in [*pipelines, cfg.tta_pipeline]:
            reduce_pipeline(pipeline)
            for transform in nodes(pipeline):
                if transform.get('type') == 'LoadAnnotations':
                    transform.reduce_zero_label = False
        cfg.train_cfg.update(max_iters=1, val_interval=1)
        reduce_runtime(cfg, tmp_path)
        return cfg

    return reduce


@pytest.fixture
def reduced_estimator(keypoint_data, tmp_path) -> Callable[[Config], Config]:
    """Does to a pose config what `reduced` does to a detector's."""

    def reduce(cfg: Config) -> Config:
        data = keypoint_data
        reduce_estimator(cfg.model)
        reduce_crops(cfg)
        for split in ('train', 'val', 'test'):
            dataset = cfg[f'{split}_dataloader'].dataset
            dataset.update(
                data_root=str(data.root),
                ann_file=data.ann_file,
                data_prefix=dict(img=data.img_prefix),
                indices=4,
            )
            if dataset.get('bbox_file'):
                dataset.bbox_file = data.bbox_file
            if split != 'train':
                evaluator = cfg[f'{split}_evaluator']
                evaluator.ann_file = str(data.root / data.ann_file)
        cfg.train_dataloader.batch_size = 4
        cfg.train_cfg.max_epochs = 1
        # Mixed precision of the recipes needs an accelerator.
        cfg.optim_wrapper.type = 'OptimWrapper'
        cfg.optim_wrapper.pop('loss_scale', None)
        cfg.default_hooks.checkpoint.save_best = None
        reduce_runtime(cfg, tmp_path)
        return cfg

    return reduce


@pytest.fixture
def reduced_recognizer(video_data, tmp_path) -> Callable[[Config], Config]:
    """Does to a video config what `reduced` does to a detector's."""

    def reduce(cfg: Config) -> Config:
        data = video_data
        reduce_recognizer(cfg.model)
        for split in ('train', 'val', 'test'):
            loader = cfg[f'{split}_dataloader']
            dataset = loader.dataset
            reads_frames = dataset.type == 'RawframeDataset'
            dataset.data_root = str(data.root)
            dataset.ann_file = (
                data.frame_list if reads_frames else data.video_list
            )
            dataset.data_prefix = {'img' if reads_frames else 'video': ''}
            if reads_frames:
                dataset.filename_tmpl = data.frame_name
            # Serialising collects all garbage of the process.
            dataset.update(indices=2, serialize_data=False)
            loader.batch_size = 2
            reduce_clips(dataset.pipeline)
        cfg.train_cfg.max_epochs = 1
        # Mixed precision of the recipes needs an accelerator.
        cfg.optim_wrapper.type = 'OptimWrapper'
        cfg.optim_wrapper.pop('loss_scale', None)
        cfg.default_hooks.checkpoint.save_best = None
        reduce_runtime(cfg, tmp_path)
        return cfg

    return reduce


@pytest.fixture
def unused_parameters() -> Callable:
    """Lists the trained parameters that a step gives no gradient."""

    @contextmanager
    def record(runner: Runner) -> Iterator[list[str]]:
        names = []

        def look(*_):
            names.extend(
                name
                for name, parameter in runner.model.named_parameters()
                if parameter.requires_grad and parameter.grad is None
            )

        wrapper = runner.build_optim_wrapper(runner.optim_wrapper)
        runner.optim_wrapper = wrapper
        handle = wrapper.optimizer.register_step_pre_hook(look)
        yield names
        handle.remove()

    return record
