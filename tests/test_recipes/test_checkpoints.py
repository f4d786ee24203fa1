"""Which checkpoint is tested, and whose statistics it holds."""

import socket
from pathlib import Path

import pytest
import torch
import two_ranks
from experiments import (
    CLASSIFICATION,
    CONFIGS,
    POSE,
    RECIPES,
    ROOT,
    VIDEO,
    alike,
    config,
)
from mmengine.evaluator import BaseMetric
from mmengine.model import BaseModel
from mmengine.runner import Runner
from mmengine.structures import BaseDataElement
from torch.utils.data import DataLoader

BEST = [e for e in VIDEO if RECIPES[e]['eval']['test_best']]
BEST_OF_IMAGES = [e for e in CLASSIFICATION if RECIPES[e]['eval']['test_best']]
ADDRESS = 'best_acc_top1_epoch_*.pth'
ADDRESS_OF_IMAGES = 'best_accuracy_top1_epoch_*.pth'


class Toy(BaseModel):
    """A model without a task."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))

    def forward(self, mode: str, **_):
        if mode == 'loss':
            return dict(loss=self.weight**2)
        return [BaseDataElement()]


class Falling(BaseMetric):
    """Accuracies of 0.9, 0.8, ..., one for each evaluation."""

    default_prefix = 'acc'
    seen = 0

    def process(self, data_batch, data_samples) -> None:
        self.results.append(0)

    def compute_metrics(self, results: list) -> dict:
        self.seen += 1
        return dict(top5=1.0, top1=1 - self.seen / 10, mean1=1.0)


@pytest.mark.parametrize(
    ('hooks', 'same'), alike(VIDEO, lambda e: config(e).default_hooks)
)
def test_the_best_checkpoint_is_kept_beside_the_last_ones(
    hooks, same, tmp_path
):
    loader = DataLoader([{}], collate_fn=lambda _: {})
    Runner(
        model=Toy(),
        work_dir=str(tmp_path),
        train_dataloader=loader,
        val_dataloader=loader,
        train_cfg=dict(by_epoch=True, max_epochs=5, val_interval=1),
        val_cfg=dict(),
        val_evaluator=[Falling()],
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.1)),
        default_hooks=hooks,
        default_scope='mmengine',
        experiment_name='toy',
    ).train()
    kept = sorted(path.name for path in tmp_path.glob('*.pth'))
    assert kept == [
        'best_acc_top1_epoch_1.pth',
        'epoch_3.pth',
        'epoch_4.pth',
        'epoch_5.pth',
    ]


def test_experiments_that_test_the_best_one():
    pytest.importorskip('mmaction')
    light = [e for e in VIDEO if 'exp_light' in e]
    others = [e for e in BEST if e not in light]
    assert len(light) == 8
    assert set(light) <= set(BEST)
    assert all('ucf101' in e or 'hmdb51' in e for e in others)
    assert len(others) == 2


@pytest.mark.parametrize('experiment', BEST)
def test_commands_test_the_best_one(experiment):
    """Where the official run does, the documented commands do."""
    assert config(experiment).default_hooks.checkpoint.save_best == 'acc/top1'
    expected = RECIPES[experiment]['eval']['interval']
    assert config(experiment).train_cfg.val_interval == expected
    folder = CONFIGS[experiment].parent
    commands = [
        line
        for page in (folder / 'README.md', ROOT / 'docs/video.md')
        for line in page.read_text().splitlines()
        if line.startswith('bash tools/dist_test.sh') and ADDRESS in line
    ]
    assert len(commands) >= 2
    # Of runs that there are, whose best checkpoint is the published one.
    runs = {Path(line.split()[3]).parent.name for line in commands}
    assert runs <= {CONFIGS[e].stem for e in BEST}


@pytest.mark.parametrize('experiment', BEST_OF_IMAGES)
def test_commands_of_images_test_the_best_one(experiment):
    """Of token labeling and of the light models, at 224 or another size."""
    hook = config(experiment).default_hooks.checkpoint
    assert (hook.save_best, hook.rule) == ('accuracy/top1', 'greater')
    runs = {
        Path(line.split()[3]).parent.name
        for line in (CONFIGS[experiment].parent / 'README.md')
        .read_text()
        .splitlines()
        if line.startswith('bash tools/dist_test.sh')
        and ADDRESS_OF_IMAGES in line
    }
    assert runs
    assert runs <= {CONFIGS[e].stem for e in BEST_OF_IMAGES}


@pytest.mark.parametrize(
    'experiment', [e for e in CONFIGS if e not in (*BEST, *BEST_OF_IMAGES)]
)
def test_commands_test_the_last_one(experiment):
    """Everywhere else: what a run ends with is what the page names."""
    loop = config(experiment).train_cfg
    last = (
        f'epoch_{loop.max_epochs}.pth'
        if 'max_epochs' in loop
        else f'iter_{loop.max_iters}.pth'
    )
    page = (ROOT / 'docs/recipes.md').read_text().splitlines()
    (line,) = (text for text in page if f'| `{experiment}` |' in text)
    assert f'`{last}`' in line


def test_one_switch_leaves_the_statistics_of_rank_0(tmp_path: Path):
    """Else each process of video and pose has the mean of all processes.

    mmdet, mmseg and mmpretrain average nothing.
    """
    averaging = dict(type='SyncBuffersHook')
    for experiment in CONFIGS:
        cfg = config(experiment)
        assert 'sync_buffers' not in cfg.default_hooks
        found = [
            hook.type
            for hook in cfg.get('custom_hooks', [])
            if hook.type != 'EMAHook'
        ]
        averages = experiment in (*POSE, *VIDEO)
        assert found == ([averaging['type']] if averages else [])
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]
    runs = {'mean': [averaging], 'rank 0': []}
    torch.multiprocessing.spawn(
        two_ranks.train, (str(tmp_path), port, runs), nprocs=2
    )
    means = {
        name: torch.load(tmp_path / name / 'epoch_1.pth', weights_only=False)[
            'state_dict'
        ]['norm.running_mean'].item()
        for name in runs
    }
    assert means == {'mean': pytest.approx(4.0), 'rank 0': pytest.approx(0.0)}
