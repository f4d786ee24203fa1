"""The config that a run writes: its author's, whatever runs."""

import copy
import runpy
import sys
from importlib import import_module
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import LOOPS
from mmengine.runner import EpochBasedTrainLoop, IterBasedTrainLoop, Runner

from mmuniformer.apis import test as run_test
from mmuniformer.apis import train
from mmuniformer.checkpoint import read_checkpoint
from mmuniformer.datasets.shapes import generate, generate_videos
from mmuniformer.engine.config import load_config
from mmuniformer.engine.written import RunConfig

QUICKSTART = Path(__file__).parents[2] / 'configs' / 'quickstart'
# Of each library: a config, the length of its training, a class of ours that
# takes the place of the library's in a run, and where.
TASKS = {
    'mmdet': (
        'mask-rcnn_uniformer-tiny_fpn_shapes',
        dict(max_epochs=1, val_interval=1),
        'SafeCheckpointHook',
    ),
    'mmseg': (
        'fpn_uniformer-tiny_shapes',
        dict(max_iters=1, val_interval=1),
        'CheckLabels',
    ),
    'mmpose': (
        'td-hm_uniformer-tiny_shapes',
        dict(max_epochs=1, val_interval=1),
        'SafeCheckpointHook',
    ),
    'mmaction': (
        'uniformer-tiny_8x2x1_shapes',
        dict(max_epochs=1, val_interval=1),
        'VideoDataset',
    ),
}


@LOOPS.register_module()
class TheirEpochs(EpochBasedTrainLoop):
    """A project's own, which ours does not take the place of.

    Ours draws other random numbers than mmengine's, so that a run can go on
    from anywhere.
    """


@LOOPS.register_module()
class TheirIterations(IterBasedTrainLoop):
    """The same by iterations."""


LOADER = dict(batch_size=2, num_workers=0, persistent_workers=False)


@pytest.fixture(scope='module')
def data(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp('data')
    generate(root / 'shapes', train=2, val=1, size=64)
    generate_videos(root / 'shapes_video', train=6, val=6)
    return root


@pytest.fixture
def folder(data, tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'data').symlink_to(data)
    return tmp_path


def write_config(folder: Path, host: str) -> Path:
    base, length, _ = TASKS[host]
    by_epoch = 'max_epochs' in length
    length = dict(
        length,
        _delete_=True,
        type='TheirEpochs' if by_epoch else 'TheirIterations',
    )
    # mmengine keeps loggers by the config's name and the second it runs in.
    path = folder / f'{folder.name}_{host}.py'
    path.write_text(
        f'_base_ = {str(QUICKSTART / base) + ".py"!r}\n'
        f'train_cfg = dict(**{length})\n'
        f'train_dataloader = dict(**{LOADER})\n'
        f'val_dataloader = dict(**{LOADER})\n'
        'test_dataloader = val_dataloader\n'
        'default_hooks = dict(checkpoint=dict(interval=1))\n'
    )
    return path


def plain(cfg: Config) -> dict:
    """Without what a command line says of a run."""
    own = ('launcher', 'work_dir', 'resume', 'load_from')
    return {k: v for k, v in cfg.to_dict().items() if k not in own}


@pytest.fixture
def runners(monkeypatch) -> list[Runner]:
    """The runners that are built."""
    built = []
    original = Runner.__init__

    def __init__(self, *args, **kwargs):
        original(self, *args, **kwargs)
        built.append(self)

    monkeypatch.setattr(Runner, '__init__', __init__)
    return built


@pytest.mark.parametrize('host', TASKS)
def test_a_work_dir_is_the_authors_and_the_libraries(
    host, folder, runners, monkeypatch
):
    pytest.importorskip(host)
    config = write_config(folder, host)
    options = {'randomness.seed': 3}
    train(str(config), no_validate=True, work_dir='run', cfg_options=options)
    author = load_config(config, options)
    for key in ('val_cfg', 'val_dataloader', 'val_evaluator'):
        author[key] = None

    # The files of the run, and what is in its checkpoint.
    work_dir = folder / 'run'
    written = [work_dir / config.name, *work_dir.glob('*/vis_data/config.py')]
    assert len(written) == 2
    (checkpoint,) = work_dir.glob('*.pth')
    content = read_checkpoint(str(checkpoint))
    texts = [path.read_text() for path in written]
    texts += [content['meta']['cfg'], runners[0].message_hub.get_info('cfg')]
    for text in texts:
        assert 'mmuniformer.' + TASKS[host][2] not in text
        found = Config.fromstring(text, '.py')
        assert plain(found) == plain(author)

    # What ran is ours.
    (runner,) = runners
    parts = {type(hook).__name__ for hook in runner.hooks}
    dataset = runner.train_dataloader.dataset
    parts.add(type(dataset).__module__ + type(dataset).__name__)
    steps = dataset.pipeline.transforms
    parts |= {type(step).__name__ for step in steps}
    assert 'SafeCheckpointHook' in parts
    assert any(part.endswith(TASKS[host][2]) for part in parts)
    if host == 'mmaction':
        assert type(dataset).__module__.startswith('mmuniformer')

    # Again by ours, and by the library's own command line.
    train(str(work_dir / config.name), work_dir='again', resume='auto')
    again = Config.fromfile(folder / 'again' / config.name)
    assert plain(again) == plain(author)
    package = Path(import_module(host).__file__).parent
    tool = package / '.mim' / 'tools' / 'train.py'
    arguments = [str(work_dir / config.name), '--work-dir', 'theirs']
    monkeypatch.setattr(sys, 'argv', [str(tool), *arguments])
    runpy.run_path(str(tool), run_name='__main__')
    (theirs,) = (folder / 'theirs').glob('*.pth')
    state, other = (
        read_checkpoint(str(path))['state_dict']
        for path in (checkpoint, theirs)
    )
    assert list(state) == list(other)
    assert all(torch.equal(value, other[key]) for key, value in state.items())
    assert type(runners[-1].train_dataloader.dataset).__module__.startswith(
        host
    )


def test_a_test_leaves_no_trace(toy_config, tmp_path):
    """What was tested is no start of a training from the same folder."""
    work_dir = tmp_path / 'run'
    train(toy_config, work_dir=str(work_dir))
    path = work_dir / Path(toy_config).name
    before = plain(Config.fromfile(path))
    run_test(toy_config, str(work_dir / 'epoch_4.pth'), str(work_dir))
    after = Config.fromfile(path)
    assert plain(after) == before
    assert after.get('load_from') is None


@pytest.mark.parametrize('given', ['VideoDataset', 'mmaction.VideoDataset'])
def test_what_only_ours_can_do_names_ours(given, folder):
    pytest.importorskip('mmaction')
    config = write_config(folder, 'mmaction')
    key = 'train_dataloader.dataset'
    options = {f'{key}.unreadable': 'skip', f'{key}.type': given}
    train(str(config), work_dir='run', cfg_options=options)
    cfg = Config.fromfile(folder / 'run' / config.name)
    dataset = cfg.train_dataloader.dataset
    assert dataset.type == 'mmuniformer.VideoDataset'
    assert dataset.unreadable == 'skip'
    assert cfg.val_dataloader.dataset.type == 'VideoDataset'


class TestRunConfig:
    def test_changes_are_for_the_run(self, tmp_path):
        cfg = RunConfig.of(Config(dict(a=1, b=dict(c=2)), filename=None))
        cfg.b.c = 3
        cfg.d = 4
        assert cfg.to_dict() == dict(a=1, b=dict(c=2))
        assert cfg.pretty_text == 'a = 1\nb = dict(c=2)\n'
        cfg.dump(tmp_path / 'x.py')
        assert (tmp_path / 'x.py').read_text() == cfg.pretty_text

    def test_a_copy_is_alike(self):
        cfg = RunConfig.of(Config(dict(a=1)))
        cfg.a = 2
        for other in (copy.deepcopy(cfg), copy.copy(cfg)):
            assert other.a == 2
            assert other.to_dict() == dict(a=1)
        cfg.written.a = 5
        assert cfg.a == 2
        assert cfg.to_dict() == dict(a=5)
