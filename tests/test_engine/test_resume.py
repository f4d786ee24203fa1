"""A run that was ended and resumed is the run that was not."""

import pytest
import torch
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
