"""Makes a config of any task one step of training and one of evaluation.

The model loses depth and its heads width, pictures lose size and the data
set is replaced by a few images or videos. Everything else is what the config
says.

Leaves that differ only in numbers which choose no code are the same program
here, and run once: rates of learning, decay and drop path, lengths of
schedules, batch sizes, the stride of a clip, the number of classes and the
spread of a heatmap. Each has one value here; test_*_recipes.py and
test_video_light.py compare what the leaf says with the official recipe.
"""

from collections.abc import Iterator
from dataclasses import asdict

from mmengine import Config, ConfigDict
from small_data import (
    ClassData,
    CocoData,
    KeypointData,
    SemanticData,
    VideoData,
)

from mmuniformer.models.backbones.settings import IMAGE_ARCHS, LIGHT_ARCHS

SPLITS = ('train', 'val', 'test')
# The published images are about this many times as long and as wide as the
# ones that the suite can afford.
SHRINK = 8
# The side of the crops and the number of frames of a reduced video config.
CROP, FRAMES = 64, 4
# Four blocks in stage 3: with 'hybrid', the last of them is global.
IMAGE = dict(depths=(1, 1, 2, 1), embed_dims=(32, 64, 128, 128), head_dim=32)
DENSE = dict(depths=(1, 1, 4, 1), embed_dims=(64, 128, 320, 512), head_dim=64)
VIDEO = dict(depths=(1, 1, 2, 1), embed_dims=(32, 64, 128, 512), head_dim=64)


def nodes(config: object) -> Iterator[ConfigDict]:
    """Every dict within a config."""
    if isinstance(config, dict):
        yield config
        config = list(config.values())
    if isinstance(config, list | tuple):
        for value in config:
            yield from nodes(value)


def replace(config: object, **values: object) -> None:
    """Gives keys another value wherever they stand for one that counts."""
    for node in nodes(config):
        for key, value in values.items():
            if node.get(key):
                node[key] = value


def reduce_detector(cfg: Config, data: CocoData) -> Config:
    """A detection config, in place."""
    _reduce_backbone(cfg.model.backbone, DENSE)
    heads = [value for key, value in cfg.model.items() if key != 'backbone']
    for node in nodes(heads):
        for key, value in node.items():
            if key.endswith('channels') and value in (256, 1024):
                node[key] = 32
    for node in nodes(cfg.model):
        if 'num_classes' in node:
            node.num_classes = len(data.classes)
        if 'nms_pre' in node:
            node.nms_pre = 200
        if 'max_per_img' in node:
            node.max_per_img = 50
        if node.get('type') == 'RandomSampler':
            node.num = 64
        # An untrained detector is sure of nothing.
        if 'score_thr' in node:
            node.score_thr = 0.0
    for split in SPLITS:
        dataset = cfg[f'{split}_dataloader'].dataset
        dataset.update(
            data_root=str(data.root),
            ann_file=data.ann_file,
            data_prefix=dict(img=data.img_prefix),
            metainfo=dict(classes=data.classes),
            indices=2,
        )
        _shrink_images(dataset.pipeline)
        if split != 'train':
            cfg[f'{split}_evaluator'].ann_file = str(data.root / data.ann_file)
    cfg.train_cfg.max_epochs = 1
    return _reduce_run(cfg)


def reduce_segmentor(cfg: Config, data: SemanticData) -> Config:
    """A segmentation config, in place.

    The label 0 of the images here is a class of its own, that of ADE20K is
    not.
    """
    model = cfg.model
    _reduce_backbone(model.backbone, DENSE)
    heads = [value for key, value in model.items() if key != 'backbone']
    for node in nodes(heads):
        for key in ('channels', 'out_channels'):
            if key in node:
                node[key] = 32
        # The channels of the neck, not those of the backbone.
        if node.get('in_channels') == [256] * 4:
            node.in_channels = [32] * 4
        if 'num_classes' in node:
            node.num_classes = len(data.classes)
    if 'size' in model.data_preprocessor:
        model.data_preprocessor.size = _shrink(model.data_preprocessor.size)
    pipelines = [cfg.tta_pipeline]
    for split in SPLITS:
        dataset = cfg[f'{split}_dataloader'].dataset
        dataset.update(
            type='BaseSegDataset',
            data_root=str(data.root),
            data_prefix=data.prefix,
            metainfo=dict(classes=data.classes),
            indices=2,
        )
        pipelines.append(dataset.pipeline)
    _shrink_images(pipelines)
    for transform in nodes(pipelines):
        if transform.get('type') == 'LoadAnnotations':
            transform.reduce_zero_label = False
    cfg.train_cfg.update(max_iters=1, val_interval=1)
    return _reduce_run(cfg)


def reduce_estimator(cfg: Config, data: KeypointData) -> Config:
    """A pose config, in place: every crop of a person is 64 x 96."""
    _reduce_backbone(cfg.model.backbone, DENSE)
    if cfg.model.head.type == 'HeatmapHead':
        cfg.model.head.deconv_out_channels = (32, 32, 32)
    size = (64, 96)
    for node in nodes(cfg._cfg_dict):
        if 'input_size' in node:
            node.input_size = size
        if 'heatmap_size' in node:
            node.update(
                heatmap_size=tuple(side // 4 for side in size), sigma=2
            )
        if 'in_featuremap_size' in node:
            node.in_featuremap_size = tuple(side // 32 for side in size)
    for split in SPLITS:
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
            cfg[f'{split}_evaluator'].ann_file = str(data.root / data.ann_file)
    cfg.train_dataloader.batch_size = 4
    cfg.train_cfg.max_epochs = 1
    return _reduce_run(cfg)


def reduce_recognizer(cfg: Config, data: VideoData) -> Config:
    """A video config, in place."""
    _reduce_backbone(cfg.model.backbone, VIDEO)
    replace(cfg.model, num_classes=10)
    for split in SPLITS:
        loader = cfg[f'{split}_dataloader']
        dataset = loader.dataset
        reads_frames = dataset.type == 'RawframeDataset'
        dataset.data_root = str(data.root)
        dataset.ann_file = data.frame_list if reads_frames else data.video_list
        dataset.data_prefix = {'img' if reads_frames else 'video': ''}
        if reads_frames:
            dataset.filename_tmpl = data.frame_name
        # Serialising collects all garbage of the process.
        dataset.update(indices=2, serialize_data=False)
        loader.batch_size = 2
        replace(
            dataset.pipeline,
            clip_len=FRAMES,
            frame_interval=4,
            crop_size=CROP,
        )
        for transform in nodes(dataset.pipeline):
            if 'scale' in transform:
                transform.scale = tuple(min(s, CROP) for s in transform.scale)
    cfg.train_cfg.update(max_epochs=1, val_interval=1)
    return _reduce_run(cfg)


def reduce_classifier(cfg: Config, data: ClassData) -> Config:
    """A config of image classification, in place."""
    model = cfg.model
    arch = model.backbone.arch
    if isinstance(arch, str):
        arch = asdict((IMAGE_ARCHS | LIGHT_ARCHS)[arch])
    model.backbone.arch = dict(arch, **IMAGE)
    model.head.in_channels = IMAGE['embed_dims'][-1]
    replace(cfg.model, num_classes=data.number)
    for split in SPLITS:
        loader = cfg[f'{split}_dataloader']
        dataset = loader.dataset
        dataset.update(
            type='CustomDataset',
            data_root=str(data.root),
            data_prefix=dataset.pop('split'),
        )
        loader.batch_size = data.number
        for transform in dataset.pipeline:
            # Before the crop it is larger, as published.
            edge = transform.type == 'ResizeEdge'
            replace(
                transform,
                scale=CROP + 8 if edge else CROP,
                crop_size=CROP,
                label_root=str(data.label_root),
                num_classes=data.number,
            )
    replace(cfg.custom_hooks, momentum=1e-4)
    cfg.train_cfg.update(max_epochs=1, val_interval=1)
    return _reduce_run(cfg)


def _reduce_backbone(backbone: ConfigDict, arch: dict) -> None:
    if 'Light' in backbone.type:
        light = asdict(LIGHT_ARCHS[backbone.arch])
        arch = light | dict(depths=(1, 1, 2, 1))
    backbone.arch = arch
    if isinstance(backbone.get('with_cp'), list):
        backbone.with_cp = [
            min(blocks, depth)
            for blocks, depth in zip(
                backbone.with_cp, arch['depths'], strict=True
            )
        ]
    backbone.init_cfg = None


def _shrink(size: tuple[int, int]) -> tuple[int, int]:
    return tuple(side // SHRINK for side in size)


def _shrink_images(pipeline: list) -> None:
    for transform in nodes(pipeline):
        if 'scale' in transform:
            transform.scale = _shrink(transform.scale)
        if 'scales' in transform:
            transform.scales = [_shrink(scale) for scale in transform.scales]
        if 'crop_size' in transform:
            transform.crop_size = _shrink(transform.crop_size)


def _reduce_run(cfg: Config) -> Config:
    replace(cfg.model, drop_path_rate=0.1)
    replace(cfg.optim_wrapper.optimizer, lr=1e-4, weight_decay=0.05)
    # Up in two steps, then down until the fourth.
    for scheduler in cfg.param_scheduler:
        warmup = scheduler.type == 'mmuniformer.LinearWarmupLR'
        replace(
            scheduler,
            start_factor=0.01,
            begin=2,
            end=2 if warmup else 4,
            milestones=[2, 3],
            T_max=4,
            epochs=4,
            warmup_epochs=2,
            eta_min=1e-6,
            eta_min_ratio=1e-8,
        )
    replace(cfg.get('auto_scale_lr'), base_batch_size=16)
    for split in SPLITS:
        cfg[f'{split}_dataloader'].update(
            num_workers=0, persistent_workers=False
        )
    cfg.default_hooks.logger.interval = 1
    return cfg
