"""Steps that are not finite are not taken, in real runs of small models."""

import copy
import math
import re
import sys
from contextlib import nullcontext
from pathlib import Path

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.logging import MessageHub
from mmengine.optim import OptimWrapper, OptimWrapperDict
from mmengine.runner import Runner

from mmuniformer.apis import train
from mmuniformer.apis.replaying import describe, replay
from mmuniformer.checkpoint import read_checkpoint
from mmuniformer.engine.config import load_run_config
from mmuniformer.engine.finite import Buffers, StepGuard, largest
from mmuniformer.engine.prepare import prepare
from mmuniformer.engine.runner import runner_of
from mmuniformer.errors import CheckpointError, UserError

# The toy config trains 8 steps in an epoch.
ONE_EPOCH = {'train_cfg.max_epochs': 1, 'model.type': 'ToyFaulty'}
FAULTS = ['loss', 'term', 'gradient', 'statistics']


class Keeps(Hook):
    """The state of the model before each step, and after the last one."""

    priority = 'VERY_LOW'

    def __init__(self) -> None:
        self.states: list[dict] = []

    def before_train(self, runner) -> None:
        self.keep(runner)

    def after_train_iter(self, runner, **kwargs) -> None:
        self.keep(runner)

    def keep(self, runner) -> None:
        self.states.append(copy.deepcopy(runner.model.state_dict()))
        self.averages = [
            hook.ema_model.state_dict()
            for hook in runner.hooks
            if hasattr(hook, 'ema_model')
        ]


def run(config: str, work_dir: Path, options: dict, hooks: tuple = ()):
    """Trains as :func:`apis.train` does, with further hooks."""
    cfg = load_run_config(
        config, ONE_EPOCH | options, 'train', (), str(work_dir)
    )
    notes = prepare(cfg, validate=False)
    with runner_of(cfg, notes, hooks) as runner:
        runner.train()
    return runner


def equal(a: dict, b: dict) -> bool:
    return all(torch.equal(a[k], b[k]) for k in a)


@pytest.mark.parametrize('fault', FAULTS)
def test_a_step_is_not_taken(toy_config, tmp_path, fault):
    keeps = Keeps()
    options = {
        'model.fault': fault,
        'model.at': [2, 5],
        'optim_wrapper.optimizer.weight_decay': 0.1,
        'custom_hooks': [dict(type='EMAHook', update_buffers=True)],
    }
    runner = run(toy_config, tmp_path / 'run', options, (keeps,))
    before_and_after = list(zip(keeps.states, keeps.states[1:], strict=False))
    same = [i for i, pair in enumerate(before_and_after) if equal(*pair)]
    assert same == [2, 5]
    for state in (*keeps.states, *keeps.averages):
        assert all(torch.isfinite(t).all() for t in state.values())
    # Six forward passes count: BatchNorm has forgotten the others.
    assert keeps.states[-1]['norm.num_batches_tracked'] == 6
    scalars = runner.message_hub.log_scalars
    assert scalars['train/skipped_steps'].current() == 2
    for history in scalars.values():
        assert all(math.isfinite(value) for value in history.data[0])
    log = next((tmp_path / 'run').rglob('*.log')).read_text()
    assert log.count('no step is taken') == 2
    assert 'skipped_steps: 2' in log
    name = {'loss': 'loss_a is nan', 'term': 'loss_b is inf'}.get(fault)
    assert (name or 'the loss is finite') in log


def test_without_faults_it_is_the_same_run(toy_config, tmp_path):
    states = []
    for stop_after in (3, None):
        keeps = Keeps()
        hook = dict(type='mmuniformer.FiniteStepsHook', stop_after=stop_after)
        run(toy_config, tmp_path / 'a', {'custom_hooks': [hook]}, (keeps,))
        states.append(keeps.states[-1])
    cfg = load_run_config(
        toy_config, ONE_EPOCH, 'train', (), str(tmp_path / 'b')
    )
    cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
    keeps = Keeps()
    runner = Runner.from_cfg(cfg)
    runner.register_hook(keeps)
    runner.train()
    assert equal(states[0], states[1])
    assert equal(states[0], keeps.states[-1])


def test_a_few_in_a_row_end_the_run(toy_config, tmp_path):
    options = {'model.at': [1, 3, 4, 5], 'model.fault': 'term'}
    with pytest.raises(UserError) as caught:
        train(
            toy_config,
            work_dir=str(tmp_path / 'run'),
            cfg_options=ONE_EPOCH | options,
            no_validate=True,
        )
    said = str(caught.value)
    assert '\n' not in said
    # The one at 1 is not in a row with them.
    assert said.startswith('3 steps in a row were not taken (not finite: the')
    assert 'iteration 6, rank 0: loss is inf, loss_b is inf' in said
    file = tmp_path / 'run' / 'not_finite' / 'iter_6_rank_0.pth'
    assert f'replay_batch.py {file}' in said
    # The model of the replay counts its passes anew.
    found = replay(str(file))
    assert found.iteration == 6
    assert found.terms == {'loss': math.inf, 'loss_b': math.inf}
    assert 'all is finite this time' in describe(found)


@pytest.mark.parametrize(
    ('fault', 'forward', 'backward'),
    [
        ('loss', 'what linear (Linear) is given', ''),
        ('term', 'the output of the model', ''),
        ('gradient', '', 'SqrtBackward0 in the model'),
        ('statistics', '', ''),
    ],
)
def test_a_replay_says_where(toy_config, tmp_path, fault, forward, backward):
    options = {
        'model.at': list(range(9)),
        'model.fault': fault,
        'custom_hooks': [
            dict(type='mmuniformer.FiniteStepsHook', stop_after=1)
        ],
    }
    with pytest.raises(UserError, match='1 steps in a row'):
        run(toy_config, tmp_path / 'run', options)
    found = replay(str(tmp_path / 'run' / 'not_finite' / 'iter_1_rank_0.pth'))
    assert forward in found.trace.forward
    assert bool(forward) == bool(found.trace.forward)
    assert backward in found.trace.backward
    if backward:
        assert "losses['loss_b'] = (0 * predicted)" in found.trace.lines[-1]
    text = describe(found)
    assert f'rank 0: {"the loss was" if not forward else "loss"}' in text


def test_a_replay_of_a_model_that_counts(toy_config, tmp_path):
    """It is told how far the run was, and has counted as far."""
    options = {
        'model.type': 'ToyCounting',
        'model.at': [5],
        'custom_hooks': [
            dict(type='mmuniformer.FiniteStepsHook', stop_after=1)
        ],
    }
    with pytest.raises(UserError, match='iteration 6, '):
        run(toy_config, tmp_path / 'run', options)
    # That of a run which has ended knows it still.
    MessageHub.get_current_instance().runtime_info.clear()
    found = replay(str(tmp_path / 'run' / 'not_finite' / 'iter_6_rank_0.pth'))
    told = [found.losses[f'loss_{name}'] for name in 'ime']
    assert told == [5, 1, 5]


def test_a_replay_with_a_module_of_a_project(
    toy_config, tmp_path, monkeypatch
):
    """The last line of the run is a command that works as it is."""
    (tmp_path / 'a_project.py').write_text('')
    monkeypatch.syspath_prepend(str(tmp_path))
    options = {
        'model.at': [0],
        'model.fault': 'loss',
        'custom_imports.imports': ['toy_library', 'a_project'],
        'custom_hooks': [
            dict(type='mmuniformer.FiniteStepsHook', stop_after=1)
        ],
    }
    with pytest.raises(UserError) as caught:
        run(toy_config, tmp_path / 'run', options)
    command = re.search('`(.*)`', str(caught.value))[1].split()
    assert command[:2] == ['python', 'tools/misc/replay_batch.py']
    # Another program has not imported it.
    sys.modules.pop('a_project', None)
    with pytest.raises(CheckpointError, match="import of 'a_project'"):
        replay(command[2])
    found = replay(*command[2:])
    assert found.iteration == 1
    assert sys.modules.pop('a_project')


def test_accumulated_gradients(toy_config, tmp_path):
    """The batch of a step is the one that is wrong, not the last one."""
    keeps = Keeps()
    options = {
        'optim_wrapper.accumulative_counts': 4,
        'model.at': [1],
        'custom_hooks': [
            dict(type='mmuniformer.FiniteStepsHook', stop_after=1)
        ],
    }
    with pytest.raises(UserError, match='iteration 4, rank 0: loss is'):
        run(toy_config, tmp_path / 'run', options, (keeps,))
    assert equal(keeps.states[0], keeps.states[2])
    content = read_checkpoint(
        str(tmp_path / 'run' / 'not_finite' / 'iter_4_rank_0.pth')
    )
    assert set(content['terms']) == {'loss', 'loss_a', 'loss_b'}
    assert content['batch']['x'].shape == (2, 4)


def test_clipping_by_value_hides_nothing(toy_config, tmp_path):
    options = {
        'optim_wrapper.clip_grad': dict(
            _delete_=True, type='value', clip_value=1.0
        ),
        'model.at': [0, 1, 2],
        'model.fault': 'gradient',
    }
    with pytest.raises(UserError, match='3 steps in a row'):
        run(toy_config, tmp_path / 'run', options)


def test_lost_weights_end_the_run_at_once(toy_config, tmp_path):
    """And no average takes them."""

    class Break(Hook):
        priority = 'VERY_HIGH'

        def after_train_iter(self, runner, **kwargs) -> None:
            if runner.iter == 3:
                runner.model.head.weight.data[0, 0] = torch.inf

    keeps = Keeps()
    options = {'custom_hooks': [dict(type='EMAHook')]}
    with pytest.raises(UserError, match='the weights are not finite in iter'):
        run(toy_config, tmp_path / 'run', options, (Break(), keeps))
    (average,) = keeps.averages
    assert all(torch.isfinite(t).all() for t in average.values())


class Ruins(Hook):
    """Weights that are finite, and no loss of theirs is."""

    def __init__(self, step: int) -> None:
        self.step = step

    def after_train_iter(self, runner, **kwargs) -> None:
        if runner.iter + 1 == self.step:
            for parameter in runner.model.parameters():
                parameter.data.fill_(1e38)


@pytest.mark.parametrize(
    ('step', 'said'),
    [
        # The last one of the second epoch, which is saved.
        (16, 'epoch_2.pth, but no finite step has followed it and its'),
        (18, 'The last checkpoint is'),
    ],
)
def test_a_checkpoint_of_ruined_weights(toy_config, tmp_path, step, said):
    options = {'train_cfg.max_epochs': 3}
    with pytest.raises(UserError) as caught:
        run(toy_config, tmp_path / 'run', options, (Ruins(step),))
    told = str(caught.value)
    assert said in told
    before = f'the one before it is {tmp_path}/run/epoch_1.pth'
    assert (before in told) is (step == 16)


def test_nothing_that_is_not_finite_is_saved(toy_config, tmp_path):
    """Not over a good file either; buffers and averages count."""

    class Break(Hook):
        priority = 'VERY_HIGH'

        def __init__(self, what: str) -> None:
            self.what = what

        def before_train(self, runner) -> None:
            # Meant to be so.
            runner.model.register_buffer('mask', torch.tensor([-torch.inf]))

        def before_train_epoch(self, runner) -> None:
            if runner.epoch == 1:
                models = dict(model=runner.model)
                for hook in runner.hooks:
                    if hasattr(hook, 'ema_model'):
                        models['ema'] = hook.ema_model.module
                tensors = models[self.what].state_dict()
                tensors['norm.running_mean'].fill_(torch.nan)

    for what in ('model', 'ema'):
        folder = tmp_path / what
        options = {
            'train_cfg.max_epochs': 2,
            'default_hooks.checkpoint.max_keep_ckpts': 1,
            'custom_hooks': [
                dict(type='EMAHook', update_buffers=True),
                dict(type='mmuniformer.FiniteStepsHook', stop_after=None),
            ],
        }
        # The mask is in the model before the averages are made.
        lost = nullcontext()
        if what == 'ema':
            # The model is well, and would train on without being saved.
            lost = pytest.raises(
                UserError, match=r'average .*epoch_1.pth stay'
            )
        with lost:
            run(toy_config, folder, options, (Break(what),))
        assert (folder / 'epoch_1.pth').is_file()
        assert not (folder / 'epoch_2.pth').exists()
        last = (folder / 'last_checkpoint').read_text()
        assert last.endswith('epoch_1.pth')
        log = next(folder.rglob('*.log')).read_text()
        assert 'Not saved: epoch_2.pth would hold' in log


class TestGuard:
    """What has no run of its own here: several optimizers, scalers."""

    @staticmethod
    def guarded(scaler=None, dtype=None):
        param = torch.nn.Parameter(torch.ones(2))
        wrapper = OptimWrapper(torch.optim.AdamW([param], lr=0.1))
        if scaler is not None:
            wrapper.loss_scaler, wrapper.cast_dtype = scaler, dtype

            def step(**kwargs):
                scaler.step(wrapper.optimizer)
                scaler.update()

            def backward(loss, **kwargs):
                scaler.scale(loss).backward()
                wrapper._inner_count += 1

            wrapper.step, wrapper.backward = step, backward
        return param, wrapper, StepGuard(wrapper, list)

    @pytest.mark.parametrize(
        ('loss', 'start', 'dtype', 'outcome'),
        [
            (lambda p: p.sum(), 4.0, torch.float16, 'taken'),
            # The scale is too high: it is lowered.
            (lambda p: (p * 1e38).sum(), 16.0, torch.float16, 'scaled'),
            # It is lowered by and by, and is not the reason.
            (lambda p: (p * 0).sqrt().sum(), 1.0, torch.float16, 'refused'),
            (lambda p: (p * 1e38).sum(), 16.0, torch.bfloat16, 'refused'),
            (lambda p: (p / 0).sum(), 4.0, torch.float16, 'refused'),
            (lambda p: p.sum() + torch.inf, 4.0, torch.float16, 'refused'),
        ],
    )
    def test_scalers_of_mixed_precision(self, loss, start, dtype, outcome):
        scaler = torch.amp.GradScaler('cpu', init_scale=start)
        param, wrapper, guard = self.guarded(scaler, dtype)
        for _ in range(2):
            wrapper.update_params(loss(param))
            assert guard.outcome == outcome
        assert (param == 1).all() == (outcome != 'taken')
        wrapper.update_params(param.sum())
        assert guard.outcome == 'taken'
        assert torch.isfinite(param).all()

    def test_each_of_several_optimizers(self):
        params, wrappers, guards = zip(
            *(self.guarded() for _ in range(2)), strict=True
        )
        both = OptimWrapperDict(a=wrappers[0], b=wrappers[1])
        both['a'].update_params(params[0].sum())
        both['b'].update_params(params[1].sum() * torch.nan)
        assert [guard.outcome for guard in guards] == ['taken', 'refused']
        assert (params[0] != 1).all()
        assert (params[1] == 1).all()

    def test_buffers_of_other_shapes_come_back(self):
        model = torch.nn.BatchNorm1d(2)
        buffers = Buffers(model)
        buffers.keep()
        model.running_mean = torch.full((3,), torch.nan)
        buffers.restore()
        assert model.running_mean.tolist() == [0, 0]

    def test_the_largest_number(self):
        wanted = [torch.tensor([1.0, -3.0]), torch.tensor(7), torch.ones(0)]
        assert largest(wanted) == 3
        assert largest([torch.tensor(7)]) is None
        # Their sum is more than half precision has.
        assert largest([torch.full((10,), 6e4).half()]).isfinite()
        for wrong in (torch.nan, torch.inf):
            assert not largest([*wanted, torch.tensor([wrong])]).isfinite()
