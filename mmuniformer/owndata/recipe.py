"""A config of ours, fitted to data: what it inherits and what it changes."""

import os
import re
from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mmengine.config import Config

from mmuniformer.config_files import config_folder, find_config
from mmuniformer.dropin.leaf import (
    SAME,
    Changed,
    Name,
    Same,
    Writer,
    differences,
)
from mmuniformer.errors import UserError
from mmuniformer.nodes import type_name, walk
from mmuniformer.owndata.naming import palette, sided_classes
from mmuniformer.owndata.parts import Recognised
from mmuniformer.owndata.schedule import (
    Length,
    base_batch,
    fitted_schedulers,
    length_of,
    rounded,
)
from mmuniformer.owndata.writing import Written
from mmuniformer.zoo import hint

SCOPES = dict(
    det='mmdet',
    ins='mmdet',
    seg='mmseg',
    pose='mmpose',
    cls='mmpretrain',
    video='mmaction',
)
# By task and by what `--like` says, below the folder of configs.
RECIPES = dict(
    det=dict(
        small='detection/faster_rcnn/'
        'faster-rcnn_uniformer-s-h14_fpn_amp-1x_coco.py',
        base='detection/mask_rcnn/'
        'mask-rcnn_uniformer-b-h14_fpn_amp-1x_coco.py',
        xxs='detection/faster_rcnn/faster-rcnn_uniformer-xxs_fpn_1x_coco.py',
        tiny='quickstart/mask-rcnn_uniformer-tiny_fpn_shapes.py',
    ),
    ins=dict(
        small='detection/mask_rcnn/'
        'mask-rcnn_uniformer-s-h14_fpn_amp-1x_coco.py',
        base='detection/mask_rcnn/'
        'mask-rcnn_uniformer-b-h14_fpn_amp-1x_coco.py',
        xxs='detection/mask_rcnn/mask-rcnn_uniformer-xxs_fpn_1x_coco.py',
        tiny='quickstart/mask-rcnn_uniformer-tiny_fpn_shapes.py',
    ),
    seg=dict(
        small='segmentation/semantic_fpn/'
        'fpn_uniformer-s-h14_8xb4-80k_ade20k-512x512.py',
        base='segmentation/semantic_fpn/'
        'fpn_uniformer-b-h14_8xb4-80k_ade20k-512x512.py',
        xxs='segmentation/semantic_fpn/'
        'fpn_uniformer-xxs_8xb4-80k_ade20k-512x512.py',
        tiny='quickstart/fpn_uniformer-tiny_shapes.py',
    ),
    pose=dict(
        small='pose/topdown_heatmap/'
        'td-hm_uniformer-small_8xb128-210e_coco-256x192.py',
        base='pose/topdown_heatmap/'
        'td-hm_uniformer-base_8xb128-210e_coco-256x192.py',
        tiny='quickstart/td-hm_uniformer-tiny_shapes.py',
    ),
    cls=dict(
        small='classification/uniformer/uniformer-small_8xb128_in1k.py',
        base='classification/uniformer/uniformer-base_8xb128_in1k.py',
        xxs='classification/uniformer_light/'
        'uniformer-xxs_8xb512_in1k-224px.py',
        tiny='quickstart/uniformer-tiny_shapes.py',
    ),
    video=dict(
        small='video/uniformer/uniformer-small_k400-pre_8xb16-16x4x1-25e_'
        'ucf101-split1-rgb.py',
        base='video/uniformer/uniformer-base_imagenet1k-pre_8xb5-16x4x1-110e_'
        'kinetics400-rgb.py',
        xxs='video/uniformer_light/uniformer-xxs-128px_imagenet1k-pre_'
        '8xb32-u16-110e_kinetics400-rgb.py',
        tiny='quickstart/uniformer-tiny_8x2x1_shapes.py',
    ),
)
# What the recipes of classification do without.
IMAGENET = {
    'small': 'https://download.openmmlab.com/mmpose/v1/projects/uniformer/'
    'uniformer_small_in1k.pth',
    'base': 'https://download.openmmlab.com/mmpose/v1/projects/uniformer/'
    'uniformer_base_in1k.pth',
    'xxs': 'checkpoints/uniformer_xxs_224_in1k.pth',
}
# Parts of a model with a number of classes of their own.
OTHER_CLASSES = ('backbone', 'neck', 'reid', 'rpn_head', 'semantic_head')
FLIPS = dict(RandomFlip='prob', Flip='flip_ratio')
TOP_CLASSES = 5


@dataclass(frozen=True)
class Leaf:
    """A config that is to be written.

    Attributes:
        text (str): Of the file.
        notes (list[str]): What it changes and why, for the user.
        batch (int): Samples of a step.
        length (Length): Of the training.
    """

    text: str
    notes: list[str]
    batch: int
    length: Length


def recipe_file(task: str, like: str) -> Path:
    """The config that ``--like`` stands for.

    Args:
        task (str): A key of ``RECIPES``.
        like (str): A size, or a config, as :func:`find_config` takes it.

    Raises:
        UserError: If it is neither.
    """
    sizes = RECIPES[task]
    if like in sizes:
        return config_folder() / sizes[like]
    told = f'for --task {task} it is {", ".join(sizes)} or a config'
    if any(like in others for others in RECIPES.values()):
        raise UserError(f'--like {like}: {told}')
    try:
        return find_config(like)
    except UserError as error:
        raise UserError(f'--like: {told}; {error}') from error


def base_name(recipe: Path, out: Path) -> str:
    """What ``_base_`` names the recipe: one of ours, or a path."""
    recipe = recipe.resolve()
    if recipe.is_relative_to(config_folder()):
        return f'mmuniformer::{recipe.relative_to(config_folder())}'
    folder = out.absolute().parent
    shared = Path(os.path.commonpath([recipe, folder]))
    # A long way up says less than where it is.
    if len(folder.relative_to(shared).parts) > 4 or shared == Path('/'):
        return recipe.as_posix()
    return Path(os.path.relpath(recipe, folder)).as_posix()


def make_leaf(
    cfg: Config,
    base: str,
    found: Recognised,
    written: dict[str, Written],
    task: str,
    batch: int | None,
    weights: str | None,
    notes: Sequence[str] = (),
    workers: int | None = None,
) -> Leaf:
    """Fits a recipe to data.

    Args:
        cfg (Config): The recipe.
        base (str): What ``_base_`` names it.
        found (Recognised): The data.
        written (dict[str, Written]): 'train' and 'val' of it.
        task (str): A key of ``RECIPES``.
        batch (int, optional): Samples of a step; the recipe's of one process
            without it.
        weights (str, optional): A checkpoint to start from, '' for none; by
            default that of the recipe.
        notes (Sequence[str]): Lines of a comment at the top.
        workers (int, optional): At most so many processes that load.

    Raises:
        UserError: If the recipe is for another task.
    """
    _look_at_recipe(cfg, task)
    fit = _Fit(cfg, found, written, task)
    fit.batches(batch, workers)
    fit.model(weights)
    fit.data()
    fit.evaluators()
    fit.length()
    return fit.leaf(base, notes)


def _look_at_recipe(cfg: Config, task: str) -> None:
    scope = cfg.get('default_scope')
    if scope != SCOPES[task]:
        raise UserError(
            f'--like {cfg.filename}: it is of {scope}, and --task {task} '
            f'takes a config of {SCOPES[task]}'
        )
    if 'dataset' in cfg.train_dataloader.dataset:
        raise UserError(
            f'--like {cfg.filename}: its data set is within another '
            f'({type_name(cfg.train_dataloader.dataset)}); take a config '
            'without a wrapper'
        )
    if task == 'ins' and not _has_masks(cfg):
        raise UserError(
            f'--like {cfg.filename}: its model has no masks, and --task ins '
            'learns them'
        )


def _has_masks(cfg: Config) -> bool:
    return any('mask_head' in path for path, _ in walk(cfg.model))


class _Fit:
    """Changes of a recipe, collected key by key.

    Args:
        cfg (Config): The recipe.
        found (Recognised): The data.
        written (dict[str, Written]): Its sides.
        task (str): The task.
    """

    def __init__(
        self,
        cfg: Config,
        found: Recognised,
        written: dict[str, Written],
        task: str,
    ) -> None:
        self.cfg = cfg
        self.found = found
        self.written = written
        self.task = task
        self.notes: list[str] = []
        self.named: list[tuple[str, Any]] = []
        self.changes: dict[str, Any] = {}
        self.pretrained: str | None = None

    def batches(self, batch: int | None, workers: int | None) -> None:
        """The batch, no larger than the data."""
        recipe = self.cfg.train_dataloader.batch_size
        samples = self.written['train'].samples
        self.batch = min(batch or recipe, samples)
        self.workers = workers
        self.factor = self.batch / base_batch(self.cfg)
        self.rate = rounded(self._rate() * self.factor)

    def _rate(self) -> float:
        return self.cfg.optim_wrapper.optimizer.lr

    def model(self, weights: str | None) -> None:
        """Number of classes or keypoints, and the weights."""
        old = self.cfg.model
        new = deepcopy(old)
        if self.task == 'pose':
            self._fit_pose_head(new)
        else:
            self._fit_heads(new)
        if self.task == 'det' and _has_masks(self.cfg):
            _drop_masks(new)
        self._fit_weights(new, weights)
        told = differences(old, new, 'model')
        if told is not SAME:
            self.changes['model'] = told

    def _fit_heads(self, model: Any) -> None:
        number = len(self.found.classes)
        for path, node in walk(model):
            parts = path.split('.')
            if any(part in OTHER_CLASSES for part in parts):
                continue
            if 'num_classes' in node:
                node['num_classes'] = number
            if node.get('class_weight') is not None and isinstance(
                node['class_weight'], (list, tuple)
            ):
                # Those of other classes.
                node['class_weight'] = None
            topk = node.get('topk')
            if topk and max(topk) > number:
                node['topk'] = (1,)

    def _fit_pose_head(self, model: Any) -> None:
        model['head']['out_channels'] = self.found.joints

    def _fit_weights(self, model: Any, weights: str | None) -> None:
        backbone = model['backbone']
        start = (backbone.get('init_cfg') or {}).get('checkpoint')
        if weights is None and start is None and self.task == 'cls':
            weights = (
                IMAGENET.get(backbone.get('arch'))
                if isinstance(backbone.get('arch'), str)
                else None
            )
            if weights:
                self.notes.append(
                    f'starts from the weights of ImageNet, {weights}'
                )
        start = start if weights is None else weights
        if start and '://' not in start and not Path(start).is_file():
            self.notes.append(
                f'the weights {start} are not here, and are needed before you '
                f'train{hint(start)}; or give --weights FILE or none'
            )
        if weights is None:
            return
        if not weights:
            if backbone.get('init_cfg') is not None:
                backbone['init_cfg'] = None
            self.notes.append('starts from random weights')
            return
        self.pretrained = weights
        backbone['init_cfg'] = dict(type='Pretrained', checkpoint=weights)

    def data(self) -> None:
        """Data sets, their loaders and pipelines."""
        classes = self.found.classes
        metainfo: dict[str, Any]
        if self.task == 'pose':
            metainfo = dict(self.found.metainfo)
            for key in ('joint_weights', 'sigmas'):
                values = metainfo.get(key)
                if values and len(set(values)) == 1:
                    metainfo[key] = Name(f'[{values[0]}] * {len(values)}')
            self.named.append(('metainfo', metainfo))
        else:
            self.named.append(('classes', classes))
            colours = self.found.metainfo.get('palette') or palette(classes)
            metainfo = dict(classes=Name('classes'))
            if self.task in ('det', 'ins', 'seg'):
                metainfo['palette'] = colours
            self.named.append(('metainfo', metainfo))
        # Mirrored images of sided things are of the other side.
        self.sided = [] if self.task == 'pose' else sided_classes(classes)
        if self.sided:
            self.notes.append(
                f'images are not mirrored: {", ".join(self.sided)} would '
                'become one another'
            )
        for phase, side in (('train', 'train'), ('val', 'val')):
            loader: dict[str, Any] = {}
            old = self.cfg[f'{phase}_dataloader']
            if phase == 'train':
                loader['batch_size'] = self.batch
                if type_name(old.get('sampler')) == 'RepeatAugSampler':
                    # It leaves out what is no multiple of 256.
                    loader['sampler'] = dict(
                        _delete_=True, type='DefaultSampler', shuffle=True
                    )
            else:
                # mmseg's validation takes images of one size together.
                most = 1 if self.task == 'seg' else max(self.batch, 1)
                if old.batch_size > most:
                    loader['batch_size'] = most
            if self.workers is not None and old.num_workers > self.workers:
                loader['num_workers'] = self.workers
                if not self.workers and old.get('persistent_workers'):
                    loader['persistent_workers'] = False
            loader['dataset'] = self._data_set(phase, side)
            self.changes[f'{phase}_dataloader'] = loader
        test = self.cfg.get('test_dataloader')
        if test == self.cfg.val_dataloader:
            self.changes['test_dataloader'] = Name('val_dataloader')
        else:
            loader = dict(self.changes['val_dataloader'])
            loader['dataset'] = self._data_set('test', 'val')
            self.changes['test_dataloader'] = loader
        if 'tta_pipeline' in self.cfg:
            old = self.cfg.tta_pipeline
            told = differences(old, self._pipeline(old), 'tta_pipeline')
            if told is not SAME:
                self.changes['tta_pipeline'] = _in_slices(told)

    def _data_set(self, phase: str, side: str) -> dict[str, Any]:
        old = self.cfg[f'{phase}_dataloader'].dataset
        new: dict[str, Any] = {}
        # Recipes have a variable of it, which is shorter.
        place = next(
            (
                name
                for name in (f'{phase}_pipeline', 'test_pipeline')
                if self.cfg.get(name) == old.pipeline
            ),
            f'{phase}_dataloader.dataset.pipeline',
        )
        pipeline = differences(
            old.pipeline, self._pipeline(old.pipeline), place
        )
        pipeline = _in_slices(pipeline)
        replaced = dict(cls='CustomDataset', seg='BaseSegDataset').get(
            self.task
        )
        if replaced and type_name(old) != replaced:
            new['type'] = replaced
        if self.task == 'cls' and 'type' in new:
            # It has a split, which others have not.
            new = dict(_delete_=True, **new)
            if pipeline is SAME:
                pipeline = Same(place)
        node = self.written[side].node
        new |= {
            key: value
            for key, value in node.items()
            if '_delete_' in new or key not in old or old[key] != value
        }
        if old.get('bbox_file'):
            new['bbox_file'] = None
        if old.get('ann_file') and 'ann_file' not in node:
            new['ann_file'] = ''
        new['metainfo'] = Name('metainfo')
        if isinstance(old.get('data_prefix'), dict) and set(
            old['data_prefix']
        ) - set(node['data_prefix']):
            new['data_prefix'] = dict(_delete_=True, **node['data_prefix'])
        if pipeline is not SAME:
            new['pipeline'] = pipeline
        return new

    def _pipeline(self, old: Any) -> Any:
        """Transforms without what is of the recipe's own data."""
        new = [
            transform
            for transform in deepcopy(list(old))
            # Of a label that a vertical flip makes another.
            if not ('flip_label_map' in transform and 'direction' in transform)
        ]
        for _, node in walk(new):
            node.pop('flip_label_map', None)
            if self.task == 'seg' and node.get('reduce_zero_label'):
                node['reduce_zero_label'] = False
            if self.task == 'det' and node.get('with_mask'):
                node['with_mask'] = False
            key = FLIPS.get(type_name(node))
            if key and getattr(self, 'sided', None):
                node[key] = 0.0
        return new

    def evaluators(self) -> None:
        """What the metrics compare with."""
        old = self.cfg.val_evaluator
        if not isinstance(old, dict):
            raise UserError(
                f'--like {self.cfg.filename}: it has several evaluators; take '
                'a config with one'
            )
        new: dict[str, Any] = {}
        if 'ann_file' in old:
            new['ann_file'] = self.written['val'].file
        if self.task == 'det' and 'segm' in (old.get('metric') or ()):
            new['metric'] = 'bbox'
        topk = old.get('topk')
        number = len(self.found.classes)
        if topk and self.task == 'cls' and number <= TOP_CLASSES:
            new['topk'] = (1,)
        if new:
            self.changes['val_evaluator'] = new
            self.changes['test_evaluator'] = Name('val_evaluator')

    def length(self) -> None:
        """Epochs or iterations, schedules and the learning rate."""
        cfg = self.cfg
        samples = self.written['train'].samples
        length = self._length = length_of(cfg, samples, self.batch)
        key = 'max_epochs' if length.by_epoch else 'max_iters'
        self.named.append((key, length.amount))
        loop = {key: Name(key)}
        if length.amount != length.recipe or not length.by_epoch:
            loop['val_interval'] = length.interval
            self.changes['default_hooks'] = dict(
                checkpoint=dict(interval=length.interval)
            )
        self.changes['train_cfg'] = loop
        old = cfg.param_scheduler
        old = [old] if isinstance(old, dict) else old
        new = fitted_schedulers(old, length, self.factor)
        told = differences(list(old), new, 'param_scheduler')
        if told is not SAME:
            self.changes['param_scheduler'] = told
        if self.rate != self._rate():
            self.changes['optim_wrapper'] = dict(optimizer=dict(lr=self.rate))
        self.changes['auto_scale_lr'] = dict(base_batch_size=self.batch)
        self.notes += [
            length.reason,
            f'learning rate {self.rate:g}: {self._rate():g} of the recipe for '
            f'a batch of {base_batch(cfg)}, scaled to {self.batch}',
        ]

    def leaf(self, base: str, notes: Sequence[str]) -> Leaf:
        """The text of all changes."""
        write = Writer(lazy=False, checkpoint=self.pretrained)
        lines = [*_comments(notes), f'_base_ = {base!r}']
        if self.pretrained is not None:
            lines.append(f'pretrained = {self.pretrained!r}')
        lines.append('')
        lines += [
            write.assign(name, value)
            for name, value in self.named
            if not name.startswith('max_')
        ]
        lines.append('')
        order = (
            'model',
            'train_dataloader',
            'val_dataloader',
            'test_dataloader',
            'tta_pipeline',
            'val_evaluator',
            'test_evaluator',
        )
        lines += [
            write.assign(key, self.changes[key])
            for key in order
            if key in self.changes
        ]
        lines.append('')
        lines += _comments(self.notes[-2:])
        lines += [
            write.assign(name, value)
            for name, value in self.named
            if name.startswith('max_')
        ]
        lines += [
            write.assign(key, value)
            for key, value in self.changes.items()
            if key not in order
        ]
        text = '\n'.join(lines) + '\n'
        return Leaf(text, self.notes, self.batch, self._length)


def _in_slices(told: Any) -> Any:
    """A list in which items of the base that follow one another are one."""
    if isinstance(told, Changed):
        values = {key: _in_slices(v) for key, v in told.values.items()}
        return replace(told, values=values)
    if not isinstance(told, list):
        return told
    runs: list[Any] = []
    for item in told:
        found = isinstance(item, Same) and re.fullmatch(
            r'(.*)\[(\d+)\]', item.path
        )
        if not found:
            runs.append(_in_slices(item))
            continue
        place, number = found[1], int(found[2])
        last = runs[-1] if runs else None
        if isinstance(last, _Run) and (last.place, last.end) == (
            place,
            number,
        ):
            last.end += 1
        else:
            runs.append(_Run(place, number, number + 1))
    return [run.told() if isinstance(run, _Run) else run for run in runs]


@dataclass
class _Run:
    """Items of a list of the base."""

    place: str
    begin: int
    end: int

    def told(self) -> Same | Name:
        if self.end == self.begin + 1:
            return Same(f'{self.place}[{self.begin}]')
        return Name(f'*_base_.{self.place}[{self.begin}:{self.end}]')


def _drop_masks(model: Any) -> None:
    """A Mask R-CNN without masks is a Faster R-CNN."""
    head = model['roi_head']
    for key in ('mask_head', 'mask_roi_extractor'):
        if key in head:
            head[key] = None


def _comments(notes: Sequence[str]) -> Iterator[str]:
    """Lines of a comment that fit."""
    for note in notes:
        line = '#'
        for word in note.split():
            if len(line) + len(word) > 77 and line != '#':
                yield line
                line = '#'
            line += f' {word}'
        yield line
