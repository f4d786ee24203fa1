"""Every command and loader takes the names of the catalogue."""

import json

import pytest
import torch
from image_models import build, plain
from mmengine.config import Config
from mmengine.registry import MODELS, DefaultScope
from mmengine.runner import load_checkpoint
from small_runs import Small, make_data

from mmuniformer import UniFormer, apis, load_classifier, load_pretrained
from mmuniformer.checkpoint import read_checkpoint
from mmuniformer.checks import stop_on_errors
from mmuniformer.checks.checkpoints import check_is_file, check_start
from mmuniformer.errors import CheckpointError, UserError

ARCH = dict(depths=(1,) * 4, embed_dims=(8, 16, 32, 64), head_dim=8)
# Its file has no known digest, so that ours may stand for it.
NAME, FILE = 'uniformer_small', 'uniformer_small_in1k.pth'
NEAR = 'uniformer_smal'


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The user's own folder of weights, and no way out of it."""
    monkeypatch.setenv('MMUNIFORMER_WEIGHTS', str(tmp_path / 'weights'))
    monkeypatch.setenv('TORCH_HOME', str(tmp_path / 'cache'))
    (tmp_path / 'weights').mkdir()
    return tmp_path / 'weights'


def same(one, other):
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def test_backbones(folder):
    source = UniFormer(ARCH)
    torch.save(dict(model=source.state_dict()), folder / FILE)
    given, named = (
        UniFormer(ARCH),
        UniFormer(ARCH, init_cfg=dict(type='Pretrained', checkpoint=NAME)),
    )
    load_pretrained(given, NAME)
    named.init_weights()
    for model in (given, named):
        assert same(model.parameters(), source.parameters())
    assert 'model' in read_checkpoint(f'{NAME}@openmmlab')


def test_heads_that_no_tensor_tells(folder):
    """Models with heads of 32 and 64 channels have tensors of one shape."""
    path = folder / FILE
    torch.save(UniFormer('small').state_dict(), path)
    load_pretrained(UniFormer('small'), NAME)
    wrong = UniFormer('small_dim32')
    before = [parameter.clone() for parameter in wrong.parameters()]
    words = r"trained with head_dim 64, .* has 32: use arch='small'"
    with pytest.raises(CheckpointError, match=words):
        load_pretrained(wrong, NAME)
    assert same(wrong.parameters(), before)
    # A path tells nothing: the log says what is assumed.
    load_pretrained(wrong, str(path))


def test_mmengine_and_with_it_the_inferencers(folder, tmp_path, monkeypatch):
    source = torch.nn.Sequential(torch.nn.Linear(2, 2))
    torch.save(dict(state_dict=source.state_dict()), folder / FILE)
    model = torch.nn.Sequential(torch.nn.Linear(2, 2))
    load_checkpoint(model, NAME)
    assert same(model.parameters(), source.parameters())
    with pytest.raises(CheckpointError, match=f'did you mean {NAME}'):
        load_checkpoint(model, NEAR)
    with pytest.raises(FileNotFoundError):
        load_checkpoint(model, 'nothing/like/it.pth')
    # A file wins, whatever it is called.
    monkeypatch.chdir(tmp_path)
    torch.save(dict(state_dict=model[0].state_dict()), NAME)
    load_checkpoint(model[0], NAME, strict=True)


def test_classifiers_and_publishing(folder, tmp_path):
    pytest.importorskip('mmpretrain')
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        source, model = build(plain(ARCH, 64, 2)), build(plain(ARCH, 64, 2))
    content = dict(state_dict=source.state_dict(), meta=dict())
    torch.save(content, folder / FILE)
    load_classifier(model, NAME)
    assert same(model.parameters(), source.parameters())
    assert apis.publish(NAME, str(tmp_path / 'out.pth')).is_file()
    with pytest.raises(UserError, match=f'did you mean .*{NAME}'):
        apis.publish(NEAR, str(tmp_path / 'out.pth'))


def test_checks_of_a_start(folder):
    assert not list(check_is_file(NAME))
    assert not list(check_start(Config(dict(load_from=NAME, resume=False))))
    with pytest.raises(UserError, match=f'did you mean {NAME}'):
        stop_on_errors(check_start(Config(dict(load_from=NEAR))))


def test_commands(folder, tmp_path):
    """Testing, training from it, and the deployment form."""
    pytest.importorskip('mmseg')
    make_data(tmp_path)
    config = Small('seg', tmp_path, tmp_path).config()
    cfg = Config.fromfile(config)
    with DefaultScope.overwrite_default_scope('mmseg'):
        model = MODELS.build(cfg.model)
    torch.save(dict(state_dict=model.state_dict(), meta={}), folder / FILE)
    work_dir = tmp_path / 'work'
    apis.test(config, NAME, work_dir=str(work_dir), check=False)
    written = json.loads((work_dir / 'metrics.json').read_text())
    assert written['checkpoint'] == NAME
    apis.deploy(config, NAME, str(tmp_path / 'deployed.pth'))
    assert (tmp_path / 'deployed.pth').is_file()
    apis.train(
        config,
        work_dir=str(tmp_path / 'train'),
        cfg_options={'load_from': NAME, 'train_cfg.max_iters': 1},
        check=False,
    )
    assert (tmp_path / 'train' / 'last_checkpoint').is_file()
