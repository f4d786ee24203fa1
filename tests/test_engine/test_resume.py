"""A run that was ended and resumed is the run that was not."""

import shutil

import numpy as np
import pytest
import torch
from mmengine.registry import DATA_SAMPLERS, LOOPS, TRANSFORMS
from mmengine.runner.base_loop import BaseLoop
from small_runs import (
    IMAGES,
    TASKS,
    Small,
    differences,
    make_data,
    seen,
)

from mmuniformer.apis import publish
from mmuniformer.checkpoint import read_checkpoint


@pytest.fixture(scope='module')
def data(shared):
    root = shared / 'small_runs'
    make_data(root)
    return root


@pytest.fixture
def small(data, tmp_path):
    """Makes a small training in a folder of its own."""

    def make(task: str, **settings) -> Small:
        folder = tmp_path / f'{tmp_path.name}_{len(list(tmp_path.iterdir()))}'
        folder.mkdir()
        return Small(task, data, folder, **settings)

    return make


def check_equal(whole: Small, parts: Small, end: dict) -> None:
    """Compares a run with one that is ended and resumed."""
    whole_dir = whole.run('whole')
    parts.run('parts', end=end)
    parts_dir = parts.run('parts', resume='auto')
    assert not differences(whole.last(whole_dir), parts.last(parts_dir))
    # What a stopped run has left is gone.
    names = [
        sorted(path.name for path in each.glob('*.pth'))
        for each in (whole_dir, parts_dir)
    ]
    assert names[0] == names[1]


# In the first epoch, in the second one after a checkpoint, by iterations.
@pytest.mark.parametrize(
    ('task', 'workers', 'end'),
    [
        ('det', (0, 2), dict(step=4, by='SIGTERM')),
        ('seg', (2, 0), dict(step=5, by='kill')),
    ],
)
def test_ended_and_resumed(small, task, workers, end):
    """With other workers than the whole run, which are no part of it."""
    whole, parts = (small(task, workers=each) for each in workers)
    check_equal(whole, parts, end)


@pytest.mark.slow
@pytest.mark.parametrize('task', sorted(TASKS))
@pytest.mark.parametrize('workers', [0, 2])
@pytest.mark.parametrize('step', [3, 8])
@pytest.mark.parametrize('by', ['SIGTERM', 'SIGUSR1', 'kill'])
def test_every_task(small, task, workers, step, by):
    whole, parts = (small(task, workers=workers) for _ in range(2))
    if by == 'kill' and step == 3:
        # Nothing was saved: it begins again.
        parts.run('parts', end=dict(step=step, by=by))
        assert not list(parts.folder.glob('parts/*.pth'))
        return
    check_equal(whole, parts, dict(step=step, by=by))


def test_ended_in_a_validation(small):
    """It is made again, with the average in place, and counts once."""
    end = dict(step=1, by='SIGTERM', val=True)
    whole, parts = (small('pose', val_interval=1) for _ in range(2))
    check_equal(whole, parts, end)
    scores = [
        read_checkpoint(str(each.folder / name / 'epoch_2.pth'))[
            'message_hub'
        ]['log_scalars']['val/coco/AP'].data[0]
        for each, name in ((whole, 'whole'), (parts, 'parts'))
    ]
    # The second validation comes after the checkpoint.
    assert len(scores[0]) == 1
    assert list(scores[0]) == list(scores[1])


def test_ended_in_a_validation_without_an_end(small):
    """Of a sampler that was meant for training."""
    run = small(
        'pose',
        val_interval=1,
        more='val_dataloader = dict(loader, sampler=dict(_delete_=True, '
        "type='InfiniteSampler', shuffle=False))\n",
    )
    # Four images have been read long ago.
    run.run('run', end=dict(step=20, by='SIGTERM', val=True))
    assert (run.folder / 'run' / 'epoch_1.pth').is_file()


SWITCHING = """
custom_hooks += [
    dict(
        type='RTMOModeSwitchHook',
        epoch_attributes={0: {'loss_module.loss_weight': 3.0}},
    ),
    dict(
        type='YOLOXPoseModeSwitchHook',
        num_last_epochs=1,
        new_train_pipeline=[
            dict(type='LoadImage'),
            dict(type='GetBBoxCenterScale'),
            dict(type='RandomBBoxTransform'),
            dict(type='TopdownAffine', input_size=(64, 64)),
            dict(type='GenerateTarget', encoder=dict(
                type='MSRAHeatmap', input_size=(64, 64),
                heatmap_size=(16, 16), sigma=2)),
            dict(type='PackPoseInputs'),
        ],
    ),
]
"""


# mmpose's hooks act in the first epoch; ended in that, and in the next one.
@pytest.mark.parametrize('part', [0.5, 1.5])
def test_hooks_that_switch_in_one_epoch(small, part):
    whole, parts = (small('pose', more=SWITCHING) for _ in range(2))
    names = seen(whole.run('whole'))
    steps = len(names) // 4
    parts.run('parts', end=dict(step=int(part * steps), by='SIGTERM'))
    out = parts.run('parts', resume='auto')
    assert not differences(whole.last(whole.folder / 'whole'), parts.last(out))
    assert seen(out) == names


@pytest.mark.slow
def test_validations_have_no_say(small):
    """The same training, however often it is validated."""
    often, never = small('seg', val_interval=2), small('seg')
    dirs = [each.run('run') for each in (often, never)]
    states = [often.last(d)['state_dict'] for d in dirs[:1]]
    states += [never.last(dirs[1])['state_dict']]
    assert all(
        torch.equal(states[0][name], states[1][name]) for name in states[0]
    )


@pytest.mark.slow
def test_epochs_of_a_sampler_that_goes_on(small):
    """By iterations, over data that end: 2 epochs in 9 iterations."""
    more = "train_dataloader['sampler'] = dict(type='DefaultSampler')\n"
    more += "train_dataloader['sampler']['_delete_'] = True\n"
    whole, parts = (small('seg', more=more) for _ in range(2))
    check_equal(whole, parts, dict(step=8, by='SIGTERM'))
    names = seen(whole.folder / 'whole')
    assert len(set(names[:IMAGES])) == IMAGES
    assert seen(parts.folder / 'parts') == names


def test_files_without_states(small, tmp_path):
    """Published ones, and those of mmengine, from which a run goes on."""
    run = small('seg')
    run.run('run', end=dict(step=4, by='SIGTERM'))
    path = run.folder / 'run' / 'iter_4.pth'
    given = publish(str(path), str(tmp_path / 'given.pth'))
    assert set(read_checkpoint(str(given))) == {'meta', 'state_dict'}

    content = torch.load(path, weights_only=False)
    del content['run_state']
    torch.save(content, path)
    out = run.run('run', resume=str(path))
    text = ''.join(each.read_text() for each in out.glob('*/*.log'))
    assert 'The checkpoint has no random states' in text
    names = seen(out)
    assert len(names) == 2 * 9
    # The second epoch of the data begins where the first one is over.
    assert len(set(names[:IMAGES])) == IMAGES


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs CUDA')
@pytest.mark.parametrize('task', sorted(TASKS))
def test_mixed_precision_on_a_gpu(small, task):
    more = """
optim_wrapper = dict(type='AmpOptimWrapper', loss_scale='dynamic')
randomness = dict(seed=5, deterministic=True)
"""
    whole, parts = (small(task, workers=2, more=more) for _ in range(2))
    check_equal(whole, parts, dict(step=4, by='SIGTERM'))


class OfProject:
    """An order of its own generator, without an end of its numbers."""

    def __init__(self, dataset, seed=None, start: int | None = 0) -> None:
        self.number = len(dataset)
        self.generator = np.random.default_rng(start)

    def __len__(self) -> int:
        return self.number

    def __iter__(self):
        return iter(self.generator.permutation(self.number).tolist())


class Darker:
    """Draws from a generator of its own."""

    def __init__(self) -> None:
        self.generator = np.random.default_rng(3)

    def __call__(self, results: dict) -> dict:
        factor = self.generator.uniform(0.5, 1)
        results['img'] = (results['img'] * factor).astype(np.uint8)
        return results


class LoopOfProject(BaseLoop):
    """What mmengine asks of a loop, and no more."""

    def __init__(self, runner, dataloader, max_epochs: int) -> None:
        super().__init__(runner, dataloader)
        self.max_epochs = max_epochs
        self.max_iters = max_epochs * len(self.dataloader)
        self.val_begin, self.val_interval = 1, 100
        self._epoch = self._iter = 0

    @property
    def epoch(self) -> int:
        return self._epoch

    @property
    def iter(self) -> int:
        return self._iter

    def run(self) -> None:
        runner = self.runner
        runner.call_hook('before_train')
        while self._epoch < self.max_epochs:
            runner.call_hook('before_train_epoch')
            for index, batch in enumerate(self.dataloader):
                step = dict(batch_idx=index, data_batch=batch)
                runner.call_hook('before_train_iter', **step)
                outputs = runner.model.train_step(
                    batch, optim_wrapper=runner.optim_wrapper
                )
                runner.call_hook('after_train_iter', outputs=outputs, **step)
                self._iter += 1
            runner.call_hook('after_train_epoch')
            self._epoch += 1
        runner.call_hook('after_train')


@pytest.fixture
def project(monkeypatch):
    """Parts of a project, registered while the test runs."""
    for registry, kind in (
        (DATA_SAMPLERS, OfProject),
        (TRANSFORMS, Darker),
        (LOOPS, LoopOfProject),
    ):
        monkeypatch.setitem(registry._module_dict, kind.__name__, kind)


def log_of(work_dir) -> str:
    return ''.join(each.read_text() for each in work_dir.glob('*/*.log'))


DARKER = """
train_dataloader = dict(
    sampler=dict(_delete_=True, type='OfProject', start={start}),
    dataset=dict(pipeline=[
        dict(type='LoadImage'),
        dict(type='Darker'),
        dict(type='GetBBoxCenterScale'),
        dict(type='TopdownAffine', input_size=(64, 64)),
        dict(type='GenerateTarget', encoder=dict(
            type='MSRAHeatmap', input_size=(64, 64), heatmap_size=(16, 16),
            sigma=2)),
        dict(type='PackPoseInputs'),
    ]),
)
for key, value in loader.items():
    if key != 'dataset':
        train_dataloader[key] = value
train_dataloader['dataset']['data_root'] = data_root
"""


def test_random_numbers_of_a_project(small, project):
    """In the second epoch, of a sampler and a transform."""
    more = DARKER.format(start=0)
    whole, parts = (small('pose', workers=w, more=more) for w in (2, 0))
    steps = len(seen(whole.run('whole'))) // 4
    end = dict(step=steps + 2, by='SIGTERM')
    parts.run('parts', end=end)
    out = parts.run('parts', resume='auto')
    assert not differences(whole.last(whole.folder / 'whole'), parts.last(out))
    assert seen(out) == seen(whole.folder / 'whole')


def test_a_sampler_that_cannot_be_repeated(small, project):
    """What of the epoch was not seen is read, and the log says so."""
    run = small('pose', more=DARKER.format(start=None))
    run.run('run', end=dict(step=3, by='SIGTERM'))
    first = seen(run.folder / 'run')
    out = run.run('run', resume='auto')
    assert 'as if it had not' not in log_of(out)
    assert 'The sampler gives other samples than before' in log_of(out)
    epoch = seen(out)[: len(seen(out)) // 2]
    assert epoch[: len(first)] == first
    # Two people of an image are two samples.
    again = seen(out)[len(epoch) :]
    assert sorted(epoch) == sorted(again)


def test_a_changed_config(small):
    """Another batch size; a rate and a seed that have no effect."""
    run = small('pose')
    run.run('run', end=dict(step=3, by='SIGTERM'))
    run.more = """
train_dataloader['batch_size'] = 3
optim_wrapper = dict(optimizer=dict(lr=0.5))
randomness = dict(seed=6)
"""
    out = run.run('run', resume='auto')
    log = log_of(out)
    assert 'as if it had not' not in log
    assert '3 samples a step instead of 2: of this epoch' in log
    assert 'train_dataloader.batch_size (2, now 3)' in log
    effect = log[log.index('Without effect') :].splitlines()[0]
    assert 'optim_wrapper.optimizer.lr (' in effect
    assert 'now 0.5' in effect
    assert 'randomness.seed (5, now 6)' in effect
    names = seen(out)
    assert sorted(names[: len(names) // 2]) == sorted(names[len(names) // 2 :])
    optimizer = read_checkpoint(str(out / 'epoch_2.pth'))['optimizer']
    assert optimizer['param_groups'][0]['lr'] < 0.1


def test_gradients_that_wait_are_said(small):
    """A validation in the middle of a step is not waited for."""
    more = 'optim_wrapper = dict(accumulative_counts=3)\n'
    run = small('pose', val_interval=1, more=more)
    run.run('run', end=dict(step=1, by='SIGTERM', val=True))
    log = log_of(run.run('run', resume='auto'))
    assert 'Gradients that wait for the step' in log
    assert 'as if it had not' not in log


def test_after_the_end(small):
    run = small('pose', more='train_cfg = dict(max_epochs=1)\n')
    first = run.run('run')
    last = first / 'epoch_1.pth'
    before = last.read_bytes()
    log = log_of(run.run('run', resume='auto'))
    assert 'which was the last one: nothing is left to train' in log
    assert 'as if it had not' not in log
    assert last.read_bytes() == before


def test_within_a_rest(small):
    """Ended in an epoch that another batch size goes on with."""
    run = small('pose')
    run.run('whole', end=dict(step=3, by='SIGTERM'))
    shutil.copytree(run.folder / 'whole', run.folder / 'parts')
    run.more = "train_dataloader['batch_size'] = 3\n"
    whole = run.run('whole', resume='auto')
    run.run('parts', resume='auto', end=dict(step=4, by='SIGTERM'))
    parts = run.run('parts', resume='auto')
    assert not differences(run.last(whole), run.last(parts))
    assert seen(whole) == seen(parts)


def test_other_data(small):
    run = small('pose')
    run.run('run', end=dict(step=3, by='SIGTERM'))
    run.more = "train_dataloader['dataset']['indices'] = 5\n"
    log = log_of(run.run('run', resume='auto'))
    assert 'as if it had not' not in log
    assert 'The data set has 5 samples instead of' in log


def test_a_loop_of_a_project(small, project):
    run = small(
        'pose',
        more="train_cfg = dict(_delete_=True, type='LoopOfProject',"
        ' max_epochs=2)\n',
    )
    run.run('run', end=dict(step=3, by='SIGTERM'))
    out = run.run('run', resume='auto')
    assert (out / 'epoch_2.pth').is_file()
    assert 'LoopOfProject begins the epoch again' in log_of(out)
