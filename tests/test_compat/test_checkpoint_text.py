"""Config texts in checkpoints: data passes, programs do not."""

from collections import Counter, OrderedDict
from importlib import invalidate_caches
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.runner.checkpoint import CheckpointLoader

from mmuniformer.checkpoint import CheckpointError, read_checkpoint
from mmuniformer.compat.checkpoint_text import (
    PLACES,
    check_text,
    read_text,
)
from mmuniformer.compat.mmengine_checkpoint import UnsafeCheckpoint

ROOT = Path(__file__).parents[2]
LEAVES = {
    'mmdet': 'quickstart/mask-rcnn_uniformer-tiny_fpn_shapes.py',
    'mmseg': 'quickstart/fpn_uniformer-tiny_shapes.py',
    'mmpose': 'quickstart/td-hm_uniformer-tiny_shapes.py',
    'mmaction': 'quickstart/uniformer-tiny_8x2x1_shapes.py',
    'mmpretrain': 'quickstart/uniformer-tiny_shapes.py',
}


@pytest.mark.parametrize(('library', 'leaf'), LEAVES.items())
def test_what_mmengine_writes_passes(library, leaf):
    pytest.importorskip(library)
    text = Config.fromfile(ROOT / 'configs' / leaf).pretty_text
    check_text(text)
    # Parsed, it says what it says when it is run.
    run = Config.fromstring(text, '.py').to_dict()
    assert Config(read_text(text)).to_dict() == run


def test_what_is_read_is_what_is_written():
    text = (
        "a = dict(type='SGD', x={1: 'y', 'z': [-1.5, +2, None]})\n"
        "b = c = (1, {2}, set([3]), dict({'d e': True}, f=b'g'))\n"
    )
    expected = {}
    exec(text, {}, expected)
    assert read_text(text) == expected
    with pytest.raises(ValueError, match='more than literals'):
        read_text("a = open('x')")


@pytest.mark.parametrize(
    'text',
    [
        '',
        'a = 1\nb = -1.5e-3\nc = None\nd = True',
        "a = dict(type='SGD', lr=0.1, betas=(0.9, 0.99), x={1: 'y', 'z': []})",
        "model = dict(backbone=dict(type='mmengine.SGD'))",
        "a = dict(type='torch.optim.sgd.SGD')",
        "a = dict(type='absolute_range', crop_type='relative')",
        "custom_imports = dict(imports=['mmuniformer', 'mmdet.models'])",
        "data_root = 'data/os.system/'",
        "a = dict(type='mmaction.ResNet3dSlowFast')",
        "a = dict(type='timm.swin_base_patch4_window7_224')",
        "a = 'torch.distributed.fsdp.wrap.size_based_auto_wrap_policy'",
        "a = dict({1: 'x', 'a b': dict(type='SGD')})\nb = set(['x'])",
        "default_scope = 'mmdet'\na = dict(_scope_='mmcls', type='SGD')",
        "a = '{{}} {{ x }} $HOME'",
        "a = dict(type='torchvision/ToTensor')",
        "a = dict(type='mmpretrain.torchvision/RandomResizedCrop', size=9)",
        "a = dict(dtype='float32', warp_mode='cv2.MOTION_EUCLIDEAN')",
        "a = dict(nms=dict(type='soft_nms'), trust_remote_code=False)",
    ],
)
def test_data(text):
    check_text(text)


@pytest.mark.parametrize(
    'text',
    [
        "__import__('os').mkdir('ran')",
        "a = 1\nx = __import__('os')",
        'import os',
        'from os import mkdir',
        "a = open('x')",
        'a = [i for i in (1,)]',
        'a = (lambda: 1)()',
        "a = dict([('type', 'os.system'), ('command', 'ls')])",
        "a = dict((('type', 'os.system'),))",
        'a = """ ""{{$A:""}},__import__("os"),""{{$B:""}} """',
        'a = """ {{_base_.a}}"",__import__("os"),""{{_base_.b}} """',
        "a = '{{${{fileBasenameNoExtension}}:x}}'",
        "default_scope = 'antigravity'",
        "a = dict(dtype='float32 if print(1) else 0')",
        "a = dict(warp_mode='print(1)')",
        "nms = dict(type='print(1)')",
        "a = dict(type='AutoModel', trust_remote_code=True)",
        "a = dict(_scope_='antigravity', type='SGD')",
        "a = dict(type='antigravity')",
        "test_dataloader = dict(collate_fn='antigravity.geohash')",
        'a = dict(**b)',
        'a = dict(b)',
        'a = b',
        "a = f'{b}'",
        "a = 'x' * 1000000000",
        'a = 9 ** 9 ** 9',
        'a.b = 1',
        "a['b'] = 1",
        'a += 1',
        'if True:\n    a = 1',
        'def f(): pass',
        'class A: pass',
        'del a',
        'a: int = 1',
        "_base_ = '/tmp/other.py'",
        "a = dict(_base_='/tmp/other.py')",
        "custom_imports = dict(imports=['no_such_module_here'])",
        "custom_imports = dict(imports=['unittest.__main__'])",
        "a = dict(custom_imports=dict(imports=['x']))",
        "model = dict(type='os.system', command='touch ran')",
        "model = dict(a=[dict(type='mmengine.fileio.remove', filepath='x')])",
        "model = dict(type='mmengine.remove', filepath='x')",
        "model = {'type': 'subprocess.run', 'args': ['x']}",
        "model = dict(head_type='shutil.rmtree', path='x')",
        "a = dict(type='mmengine.config.Config.fromfile', filename='x')",
        'a = ' + '(' * 500 + ')' * 500,
        '\0',
        'a = 1 +',
    ],
)
def test_programs(text):
    with pytest.raises(ValueError, match='line'):
        check_text(text)


@pytest.mark.parametrize('place', PLACES)
def test_every_place_and_every_reader(tmp_path, place):
    content = dict(state_dict=dict(a=torch.ones(1)))
    node = content
    for key in place[:-1]:
        node = node.setdefault(key, {})
    node[place[-1]] = f"a = 1\n__import__('os').mkdir({str(tmp_path)!r} + 'x')"
    path = str(tmp_path / 'file.pth')
    torch.save(content, path)
    words = rf'file\.pth was refused: .*{".".join(place)}, line 2'
    with pytest.raises(CheckpointError, match=words):
        read_checkpoint(path)
    with pytest.raises(UnsafeCheckpoint, match=words):
        CheckpointLoader.load_checkpoint(path, logger='silent')
    assert not Path(f'{tmp_path}x').exists()


def test_a_mapping_with_a_get_of_its_own_hides_no_text(tmp_path):
    hub = OrderedDict(runtime_info={'cfg': "__import__('os').mkdir('ran')"})
    # An attribute, which a pickle may put on this class.
    hub.get = Counter
    path = str(tmp_path / 'hidden.pth')
    torch.save({'message_hub': hub, 'state_dict': {}}, path)
    with pytest.raises(CheckpointError, match=r'hidden\.pth was refused'):
        read_checkpoint(path)


def test_a_folder_may_be_named_like_a_value(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    text = "hook = dict(metric_type='badcase_loss')"
    folder = tmp_path / 'badcase_loss'
    folder.mkdir()
    check_text(text)
    # A scope is imported with its modules.
    with pytest.raises(ValueError, match='scope'):
        check_text("hook = dict(_scope_='badcase_loss')")
    # One with a program in it is another thing.
    (folder / '__init__.py').write_text('')
    invalidate_caches()
    with pytest.raises(ValueError, match='nobody registered'):
        check_text(text)
