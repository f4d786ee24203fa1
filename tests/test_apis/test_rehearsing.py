"""train.py --dry-run: what many processes would do, told by one."""

import json
from pathlib import Path

import pytest
import torch
from torch import nn

from mmuniformer.analysis.memory import kept_for_backward, state_bytes
from mmuniformer.apis import dry_run, report_on_dry_run
from mmuniformer.datasets import shapes
from mmuniformer.errors import UserError
from mmuniformer.models.layers import recompute_in_backward

CONFIGS = Path(__file__).parents[2] / 'configs'
# By config: processes, batch of all, iterations of an epoch and in all; of the
# published sizes of the data sets and the published batch.
PUBLISHED = {
    'classification/uniformer/uniformer-small_8xb128_in1k.py': (
        8,
        1024,
        1251,
        300 * 1251,
    ),
    'detection/mask_rcnn/mask-rcnn_uniformer-xxs_fpn_1x_coco.py': (
        8,
        16,
        7330,
        12 * 7330,
    ),
    'segmentation/semantic_fpn/fpn_uniformer-xs_8xb4-80k_ade20k-512x512.py': (
        8,
        32,
        None,
        80_000,
    ),
    'pose/topdown_heatmap/td-hm_uniformer-small_8xb128-210e_coco-256x192.py': (
        8,
        1024,
        147,
        210 * 147,
    ),
    'video/uniformer/uniformer-base_k400-pre_8xb5-u16-60e_sthv1-rgb.py': (
        8,
        40,
        2150,
        60 * 2150,
    ),
}
QUICK = CONFIGS / 'quickstart' / 'uniformer-tiny_shapes.py'


@pytest.fixture(scope='module')
def data(tmp_path_factory) -> str:
    """A data set of 48 images to learn from."""
    root = tmp_path_factory.mktemp('dry') / 'shapes_cls'
    shapes.generate_portraits(root, train=48, val=6)
    return f'{root}/'


def options(data: str) -> dict:
    return {
        'train_dataloader.dataset.data_root': data,
        'val_dataloader.dataset.data_root': data,
        'train_dataloader.batch_size': 4,
    }


@pytest.mark.parametrize('config', PUBLISHED)
def test_published_configs_give_the_published_numbers(config, monkeypatch):
    # Its memory has tests of its own.
    monkeypatch.setattr(
        'mmuniformer.apis.rehearsing._measure', lambda *_: (None, None)
    )
    world_size, batch, epoch, passes = PUBLISHED[config]
    run = dry_run(str(CONFIGS / config), world_size).run
    assert run.source == 'published'
    assert (run.global_batch, run.passes) == (batch, passes)
    if epoch is not None:
        assert run.epoch == epoch
    assert not torch.distributed.is_initialized()


def test_counts_own_data_as_each_process_would(data):
    plan = dry_run(str(QUICK), 3, cfg_options=options(data))
    run = plan.run
    assert (run.source, run.samples) == ('counted', 48)
    assert run.global_batch == 3 * 4
    # 16 of 48 for each process.
    assert run.epoch == 4
    assert run.passes == 4 * run.epochs


def test_the_rate_is_for_another_batch(data):
    changes = options(data) | {'auto_scale_lr.base_batch_size': 8}
    plan = dry_run(str(QUICK), 4, cfg_options=changes)
    (told,) = [f for f in plan.findings if f.entry == 'auto_scale_lr']
    assert told.level == 'warning'
    assert 'for a batch of 8' in told.what
    assert 'one of 16' in told.what
    scaled = dry_run(str(QUICK), 4, cfg_options=changes, auto_scale_lr=True)
    assert scaled.run.scale == pytest.approx(2)
    assert scaled.run.rates[0] == pytest.approx(2 * plan.run.rates[0])
    assert not [f for f in scaled.findings if f.entry == 'auto_scale_lr']


@pytest.mark.parametrize(
    ('base', 'mend'), [(24, 'or take 6 processes'), (10, 'by 1.6')]
)
def test_processes_are_whole(data, base, mend):
    changes = options(data) | {'auto_scale_lr.base_batch_size': base}
    plan = dry_run(str(QUICK), 4, cfg_options=changes)
    (told,) = [f for f in plan.findings if f.entry == 'auto_scale_lr']
    assert told.mend.endswith(mend)


def test_intervals_that_begin_late_or_change(data):
    changes = {
        'train_cfg.max_epochs': 10,
        'train_cfg.val_interval': 4,
        # The loop looks at the epoch that is next: after 4, 7, 8, 9 and 10.
        'train_cfg.dynamic_intervals': [(8, 1)],
        # After 5, 7, 9, and 10 as the last one.
        'default_hooks.checkpoint.save_begin': 5,
        'default_hooks.checkpoint.interval': 2,
    }
    run = dry_run(str(QUICK), 1, cfg_options=options(data) | changes).run
    assert (run.validations, run.checkpoints) == (5, 4)


def test_accumulated_steps_are_of_one_batch(data):
    changes = options(data) | {'optim_wrapper.accumulative_counts': 4}
    run = dry_run(str(QUICK), 2, cfg_options=changes).run
    assert run.global_batch == 2 * 4 * 4
    assert run.steps == -(-run.passes // 4)


def test_no_whole_batch_for_so_many(data, capsys):
    changes = options(data)
    with pytest.raises(UserError, match='48 samples make no whole batch'):
        report_on_dry_run(
            config=str(QUICK), world_size=32, cfg_options=changes
        )
    assert 'global batch' in capsys.readouterr().out


def test_given_samples_where_nothing_is_known(tmp_path, capsys):
    missing = options(str(tmp_path / 'none'))
    plan = dry_run(str(QUICK), 8, cfg_options=missing)
    run = plan.run
    assert any('--samples' in f.mend for f in plan.findings)
    assert (run.samples, run.epoch, run.passes) == (None, None, None)
    report_on_dry_run(
        config=str(QUICK),
        world_size=8,
        samples=2560,
        cfg_options=missing,
        format='json',
    )
    told = json.loads(capsys.readouterr().out)['run']
    assert told['source'] == 'given'
    assert told['epoch'] == 2560 // (8 * 4)


def test_schedules_that_the_run_does_not_reach(data):
    changes = options(data) | {'train_cfg.max_epochs': 2}
    plan = dry_run(str(QUICK), 1, cfg_options=changes)
    told = [f.entry for f in plan.findings]
    assert any(entry.startswith('param_scheduler') for entry in told)


def test_epochs_in_a_run_by_iterations(data, tmp_path):
    """For mmengine it is one, whose end is that of the run."""
    config = tmp_path / 'by_iterations.py'
    config.write_text(f"""
_base_ = '{QUICK}'
train_cfg = dict(_delete_=True, type='IterBasedTrainLoop', max_iters=144)
schedule = dict(type='MultiStepLR', milestones=[8, 11])
param_scheduler = [
    schedule,
    dict(schedule, convert_to_iter_based=True),
    dict(schedule, by_epoch=False),
]
""")
    plan = dry_run(str(config), 1, cfg_options=options(data))
    told = {f.entry: f.what for f in plan.findings}
    # It is read 12 times.
    assert plan.run.epochs == 12
    schedules = [entry for entry in told if 'param_scheduler' in entry]
    assert schedules == ['param_scheduler.0.by_epoch']
    assert 'when the run is over' in told[schedules[0]]
    assert 'default_hooks.checkpoint.by_epoch' in told


def test_the_command(run_tool, data):
    done = run_tool(
        'train.py',
        QUICK,
        '--dry-run',
        '--world-size',
        '4',
        '--cfg-options',
        *(f'{key}={value}' for key, value in options(data).items()),
    )
    assert done.returncode == 0, done.stderr
    assert '4 x 4' in done.stdout
    assert 'memory of a process' in done.stdout


def test_options_of_a_rehearsal_alone(run_tool):
    done = run_tool('train.py', QUICK, '--world-size', '4')
    assert done.returncode == 2
    assert '--world-size is for --dry-run' in done.stderr


class TestMemory:
    def test_each_kept_tensor_counts_once(self):
        layers = nn.Sequential(
            nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4), nn.ReLU()
        )
        x = torch.rand(5, 8)
        known = [*layers.parameters(), x]
        kept, _ = kept_for_backward(lambda: layers(x), known)
        # Each ReLU keeps what it gives; the first is what the second layer
        # keeps of its input.
        assert kept == 4 * (5 * 16 + 5 * 4)

    def test_freed_memory_is_not_taken_for_what_was_kept(self):
        x = torch.rand(1000, requires_grad=True)

        def forward():
            y = x
            for _ in range(7):
                y = y.exp()
            return y

        kept, _ = kept_for_backward(forward, [x])
        assert kept == 7 * 4 * 1000

    def test_recomputed_blocks_keep_their_inputs(self):
        blocks = [
            nn.Sequential(nn.Linear(6, 6), nn.ReLU(), nn.Linear(6, 6))
            for _ in range(3)
        ]
        known = [p for block in blocks for p in block.parameters()]
        x = torch.rand(4, 6, requires_grad=True)

        def forward():
            y = x
            for block in blocks:
                y = recompute_in_backward(block, y)
            return y

        kept, recomputed = kept_for_backward(forward, known)
        assert kept == 3 * 4 * 4 * 6
        # Of a block: the input of its first layer and what ReLU gives.
        assert recomputed == 2 * 4 * 4 * 6

    @pytest.mark.parametrize(
        ('kind', 'copies'),
        [
            (lambda p: torch.optim.AdamW(p), 2),
            (lambda p: torch.optim.SGD(p, lr=1), 0),
            (lambda p: torch.optim.SGD(p, lr=1, momentum=0.9), 1),
        ],
    )
    def test_state_of_optimizers(self, kind, copies):
        weights = [
            nn.Parameter(torch.zeros(30, 7)),
            nn.Parameter(torch.ones(9)),
        ]
        assert state_bytes(kind(weights)) == copies * 4 * (30 * 7 + 9)
        assert all(p.grad is None for p in weights)
