"""Small data sets laid out like those of the published experiments."""

import json
from pathlib import Path

import torch
from mmengine.registry import MODELS

from mmuniformer.datasets.shapes import (
    generate,
    generate_portraits,
    generate_videos,
)
from mmuniformer.engine.config import load_config
from mmuniformer.reproduction.places import root
from mmuniformer.zoo import find_experiment

# Of the published classes, as many as the generated things have.
COCO = [
    (1, 'person'),
    (2, 'bicycle'),
    (3, 'car'),
    (4, 'motorcycle'),
    (5, 'airplane'),
    (6, 'bus'),
]
SYNSETS = [f'n{1440000 + i:08}' for i in range(1000)]
LOADER = {
    'test_dataloader.num_workers': 0,
    'test_dataloader.persistent_workers': False,
    'test_dataloader.batch_size': 2,
}
ARCH = dict(
    _delete_=True,
    depths=[1, 1, 1, 1],
    embed_dims=[64, 128, 320, 512],
    head_dim=64,
)
PIPELINE = 'test_dataloader.dataset.pipeline'
# An experiment of each task, and options that make it small.
SMALL = {
    'classification': (
        'uniformer_small',
        {f'{PIPELINE}.1.scale': 64, f'{PIPELINE}.2.crop_size': 64},
    ),
    'detection': (
        'mask_rcnn_1x_hybrid_small',
        {
            f'{PIPELINE}.1.scale': (96, 96),
            'model.test_cfg.rpn.nms_pre': 20,
            'model.test_cfg.rpn.max_per_img': 20,
        },
    ),
    'segmentation': (
        'fpn_global_small',
        {f'{PIPELINE}.1.scale': (96, 96)},
    ),
    'pose': ('top_down_256x192_global_small', {}),
    'video': (
        'uniformer_s16x4_k400',
        {
            f'{PIPELINE}.1.clip_len': 4,
            f'{PIPELINE}.3.scale': (-1, 64),
            f'{PIPELINE}.4.crop_size': 64,
        },
    ),
}


def options(task: str) -> dict:
    chosen = {**LOADER, **SMALL[task][1]}
    if task == 'video':
        chosen['model.backbone.depth'] = ARCH['depths']
    else:
        chosen['model.backbone.arch'] = ARCH
    if task == 'classification':
        # Its loader is mmpretrain's, which knows no such option.
        del chosen['test_dataloader.persistent_workers']
    return chosen


def weights(task: str, path: Path, seed: int = 0) -> str:
    """A checkpoint of seeded weights of the small model."""
    name, _ = SMALL[task]
    own = {k: v for k, v in options(task).items() if k.startswith('model.')}
    cfg = load_config(root() / find_experiment(name).config, own)
    torch.manual_seed(seed)
    model = MODELS.build(cfg.model)
    torch.save({'state_dict': model.state_dict()}, path)
    return str(path)


def make_data(task: str, folder: Path) -> Path:
    """Writes the data set of a task; returns the root of all data sets."""
    MAKERS[task](folder / 'data')
    return folder / 'data'


def _imagenet(data: Path) -> None:
    out = data / 'imagenet'
    generate_portraits(out, train=6, val=6, size=64)
    folders = sorted(p for p in (out / 'val').iterdir() if p.is_dir())
    for i, synset in enumerate(SYNSETS):
        folder = out / 'val' / synset
        if i < len(folders):
            folders[i].rename(folder)
        else:
            folder.mkdir()


def _coco(data: Path) -> None:
    out = data / 'coco'
    generate(out, train=1, val=2, size=96)
    (out / 'images/val').rename(out / 'val2017')
    for kind in ('instances', 'person_keypoints'):
        path = out / f'annotations/{kind}_val.json'
        content = json.loads(path.read_text())
        for category in content['categories']:
            number, name = COCO[category['id'] - 1]
            category.update(id=number, name=name)
        for image in content['images']:
            image['file_name'] = Path(image['file_name']).name
        path.with_name(f'{kind}_val2017.json').write_text(json.dumps(content))
        path.unlink()
    found = [
        dict(
            image_id=annotation['image_id'],
            category_id=1,
            bbox=annotation['bbox'],
            score=0.9,
        )
        for annotation in content['annotations']
    ]
    path = data / 'coco/person_detection_results'
    path.mkdir()
    name = 'COCO_val2017_detections_AP_H_56_person.json'
    (path / name).write_text(json.dumps(found))


def _ade(data: Path) -> None:
    shapes, out = data / 'shapes', data / 'ade/ADEChallengeData2016'
    generate(shapes, train=1, val=2, size=96)
    for source, target in (
        ('images/val', 'images/validation'),
        ('segmentation/val', 'annotations/validation'),
    ):
        (out / target).parent.mkdir(parents=True)
        (shapes / source).rename(out / target)


def _kinetics(data: Path) -> None:
    out = data / 'kinetics400'
    generate_videos(out, train=1, val=2, size=64, frames=16)
    (out / 'shapes_val_list_videos.txt').rename(
        out / 'kinetics400_val_list_videos.txt'
    )


MAKERS = {
    'classification': _imagenet,
    'detection': _coco,
    'segmentation': _ade,
    'pose': _coco,
    'video': _kinetics,
}
