"""What a config has that was another one before."""

from mmengine.config import Config

from mmuniformer.engine.changes import changes, of_checkpoint

CONFIG = dict(
    work_dir='here',
    train_dataloader=dict(
        batch_size=2,
        num_workers=2,
        dataset=dict(pipeline=[dict(type='Flip', prob=0.5)]),
    ),
    optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.1)),
    param_scheduler=[dict(type='StepLR', step_size=2)],
)


def text(**options) -> str:
    cfg = Config(CONFIG)
    cfg.merge_from_dict(
        {key.replace('__', '.'): value for key, value in options.items()}
    )
    return cfg.pretty_text


def test_changes():
    now = text(
        work_dir='there',
        train_dataloader__num_workers=0,
        train_dataloader__dataset__pipeline=[dict(type='Flip', prob=0.1)],
        optim_wrapper__optimizer__lr=0.2,
        optim_wrapper__clip_grad=dict(max_norm=1),
    )
    found = changes(text(), now)
    assert found == {
        'train_dataloader.dataset.pipeline.0.prob': ('0.5', '0.1'),
        'optim_wrapper.optimizer.lr': ('0.1', '0.2'),
        'optim_wrapper.clip_grad.max_norm': ('not set', '1'),
    }
    kept = [key for key in found if of_checkpoint(key)]
    assert kept == ['optim_wrapper.optimizer.lr']


def test_no_changes():
    assert not changes(text(), text())


def test_a_text_that_is_no_config():
    """It comes from a file, and nothing of it is executed."""
    assert not changes('model = 1 +', text())
    found = changes('model = exit(1)', 'model = dict()')
    assert found == {'model': ('exit(1)', 'not set')}
