"""Trainings of seconds of every task, and hooks that end them.

The configs are those of the quick start with models of one block a stage.
"""

import json
import os
import signal
from dataclasses import dataclass, field
from pathlib import Path

import torch
from mmengine.dist import get_rank
from mmengine.hooks import Hook
from mmengine.registry import HOOKS

from mmuniformer.apis import train
from mmuniformer.checkpoint import read_checkpoint
from mmuniformer.datasets.shapes import generate, generate_videos
from mmuniformer.errors import Preempted

QUICKSTART = Path(__file__).parents[1] / 'configs' / 'quickstart'
# 12 samples in batches of 2: 6 iterations an epoch for one process.
IMAGES = 12
SMALL = """
_base_ = {base!r}
custom_imports = dict(imports={imports!r}, allow_failed_imports=False)
data_root = {data!r}
arch = dict(
    _delete_=True,
    depths=(1, 1, 1, 1),
    embed_dims=(16, 16, 32, 32),
    head_dim=16,
)
loader = dict(
    batch_size=2,
    num_workers={workers},
    persistent_workers={persistent},
    dataset=dict(data_root=data_root),
)
train_dataloader = loader
val_dataloader = loader
test_dataloader = val_dataloader
randomness = dict(seed=5)
env_cfg = dict(dist_cfg=dict(backend='gloo'))
default_hooks = dict(
    logger=dict(interval=1), checkpoint=dict(max_keep_ckpts=9)
)
"""
EPOCHS = """
train_cfg = dict(max_epochs=2, val_interval={val_interval})
default_hooks['checkpoint']['interval'] = 1
"""
TASKS = {
    # An average of the weights, images of several sizes, and batches of them.
    'det': (
        'mask-rcnn_uniformer-tiny_fpn_shapes.py',
        EPOCHS
        + """
model = dict(
    data_preprocessor=dict(batch_augments=[dict(
        type='BatchSyncRandomResize', random_size_range=(64, 160), interval=4)
    ]),
    backbone=dict(arch=arch, drop_path_rate=0.2),
    neck=dict(in_channels=[16, 16, 32, 32]),
)
train_dataloader.update(
    batch_sampler=dict(type='AspectRatioBatchSampler'), drop_last=False)
train_dataloader['dataset']['pipeline'] = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations', with_bbox=True, with_mask=True),
    dict(type='RandomChoiceResize', scales=[(64, 64), (96, 64), (96, 96)],
         keep_ratio=False),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackDetInputs'),
]
custom_hooks = [dict(type='EMAHook')]
val_evaluator = dict(
    ann_file=data_root + 'annotations/instances_val.json', metric='bbox')
""",
    ),
    'seg': (
        'fpn_uniformer-tiny_shapes.py',
        """
model = dict(
    data_preprocessor=dict(size=(64, 64)),
    backbone=dict(arch=arch, drop_path_rate=0.2),
    neck=dict(in_channels=[16, 16, 32, 32]),
)
train_cfg = dict(max_iters=9, val_interval={val_interval})
default_hooks['checkpoint']['interval'] = 3
""",
    ),
    'pose': (
        'td-hm_uniformer-tiny_shapes.py',
        EPOCHS
        + """
model = dict(
    backbone=dict(arch=arch, drop_path_rate=0.2),
    head=dict(in_channels=32),
)
custom_hooks = [dict(type='EMAHook', momentum=0.1)]
val_evaluator = dict(
    ann_file=data_root + 'annotations/person_keypoints_val.json')
""",
    ),
    'video': (
        'uniformer-tiny_8x2x1_shapes.py',
        EPOCHS
        + """
model = dict(
    backbone=dict(arch=arch, drop_path_rate=0.2),
    cls_head=dict(in_channels=32, dropout_ratio=0.5),
)
""",
    ),
}
LAST = dict(
    det='epoch_2.pth',
    seg='iter_9.pth',
    pose='epoch_2.pth',
    video='epoch_2.pth',
)


def make_data(root: Path) -> None:
    """Writes the images and videos of all tasks."""
    generate(root / 'images', train=IMAGES, val=4, size=64)
    generate_videos(root / 'videos', train=IMAGES, val=4, size=64, frames=16)


class Killed(BaseException):
    """Ends a training as SIGKILL does: no hook is called any more."""


@HOOKS.register_module()
class EndHook(Hook):
    """Ends a training in an iteration, or in one of a validation.

    Args:
        step (int): Iteration, from 1; of the first validation, if ``val``.
        by (str): A signal, or 'kill'.
        val (bool): Whether it ends in a validation.
        rank (int): The process that gets the signal.
    """

    priority = 'VERY_HIGH'

    def __init__(
        self, step: int, by: str, val: bool = False, rank: int = 0
    ) -> None:
        self.step, self.by, self.val, self.rank = step, by, val, rank

    def before_train_iter(self, runner, batch_idx, data_batch=None) -> None:
        if not self.val and runner.iter + 1 == self.step:
            self._end()

    def before_val_iter(self, runner, batch_idx, data_batch=None) -> None:
        if self.val and batch_idx + 1 == self.step:
            self._end()

    def _end(self) -> None:
        if self.by == 'kill':
            raise Killed
        if get_rank() == self.rank:
            os.kill(os.getpid(), getattr(signal, self.by))


@HOOKS.register_module()
class SeenHook(Hook):
    """Writes which samples each step of each process has read."""

    def after_train_iter(
        self, runner, batch_idx, data_batch=None, outputs=None
    ) -> None:
        samples = data_batch['data_samples']
        names = [
            Path(s.get('img_path') or s.get('filename', '')).name
            for s in samples
        ]
        path = Path(runner.work_dir, f'seen_{get_rank()}.jsonl')
        with open(path, 'a') as file:
            file.write(json.dumps([runner.iter + 1, names]) + '\n')


def seen(work_dir: Path) -> list[str]:
    """Names of the samples of all steps of all processes of a work dir."""
    lines = []
    for path in sorted(work_dir.glob('seen_*.jsonl')):
        lines += map(json.loads, path.read_text().splitlines())
    return [name for _, names in lines for name in names]


@dataclass
class Small:
    """A task on small data, trained in a folder.

    Attributes:
        task (str): A key of ``TASKS``.
        data (Path): What :func:`make_data` wrote.
        folder (Path): Gets configs and work dirs.
        workers (int): Of the loaders.
        val_interval (int): See ``train_cfg``.
        more (str): More lines of the config.
        out (Path, optional): Has the work dirs instead of ``folder``.
    """

    task: str
    data: Path
    folder: Path
    workers: int = 0
    val_interval: int = 100
    more: str = ''
    count: int = field(default=0, init=False)
    out: Path | None = field(default=None, init=False)

    def config(self, end: dict | None = None) -> str:
        """Writes a config of a name of its own."""
        base, text = TASKS[self.task]
        kind = 'videos' if self.task == 'video' else 'images'
        hooks = [dict(type='SeenHook')]
        if end is not None:
            hooks.append(dict(type='EndHook', **end))
        self.count += 1
        path = self.folder / f'{self.folder.name}_{self.task}_{self.count}.py'
        values = dict(
            base=str(QUICKSTART / base),
            imports=['mmuniformer', 'small_runs'],
            data=f'{self.data / kind}/',
            workers=self.workers,
            persistent=self.workers > 0,
        )
        text = text.replace('{val_interval}', str(self.val_interval))
        path.write_text(
            SMALL.format(**values)
            + text
            + '\ncustom_hooks = locals().get("custom_hooks", [])'
            + f'\ncustom_hooks.extend({hooks})\n'
            + self.more
        )
        return str(path)

    def run(
        self,
        work_dir: str,
        resume: str | None = None,
        end: dict | None = None,
        launcher: str = 'none',
    ) -> Path:
        """Trains in a folder of a name, to the end or to its ``end``."""
        out = (self.out or self.folder) / work_dir
        try:
            train(
                self.config(end),
                work_dir=str(out),
                resume=resume,
                launcher=launcher,
                check=False,
            )
        except (Killed, Preempted):
            assert end is not None
        else:
            assert end is None, 'the training was not ended'
        return out

    def last(self, work_dir: Path) -> dict:
        """The last checkpoint of a training that came to its end."""
        return read_checkpoint(str(work_dir / LAST[self.task]))


def differences(one: dict, other: dict) -> list[str]:
    """Where two checkpoints differ, apart from times and folders."""
    return [
        path
        for part in (
            'state_dict',
            'ema_state_dict',
            'optimizer',
            'param_schedulers',
            'run_state',
        )
        for path in _differences(one.get(part), other.get(part), part)
    ] + _of_losses(one, other)


def _of_losses(one: dict, other: dict) -> list[str]:
    """Names of what is logged that has another history."""
    logs = [each['message_hub']['log_scalars'] for each in (one, other)]
    names = [n for n in logs[0] if 'loss' in n or 'lr' in n]
    assert names
    return [
        name
        for name in names
        if list(logs[0][name].data[0]) != list(logs[1][name].data[0])
    ]


def _differences(one, other, path: str) -> list[str]:
    if type(one) is not type(other):
        return [f'{path}: {type(one)}, {type(other)}']
    if isinstance(one, torch.Tensor):
        return [] if torch.equal(one, other) else [path]
    if isinstance(one, dict):
        found = [] if one.keys() == other.keys() else [f'{path}: keys']
        for key in one.keys() & other.keys():
            found += _differences(one[key], other[key], f'{path}.{key}')
        return found
    if isinstance(one, list | tuple):
        found = [] if len(one) == len(other) else [f'{path}: length']
        for index, pair in enumerate(zip(one, other, strict=False)):
            found += _differences(*pair, f'{path}.{index}')
        return found
    return [] if one == other else [f'{path}: {one} {other}']
