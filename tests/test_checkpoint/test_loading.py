"""Published files, as they are laid out, into backbones."""

import argparse
import functools
import hashlib
import http.server
import os
import pickle
import threading
import time
from pathlib import Path

import pytest
import torch
from golden_data import fill_values
from mmengine.runner.checkpoint import CheckpointLoader
from safetensors.torch import save_file

from mmuniformer.checkpoint import (
    CheckpointError,
    load_pretrained,
    read_checkpoint,
)
from mmuniformer.compat.mmengine_checkpoint import UnsafeCheckpoint
from mmuniformer.models import UniFormer

TINY = dict(depths=(1, 1, 2, 1), embed_dims=(16, 32, 64, 96), head_dim=16)


def make_file(prefix='', dense=False, **kwargs):
    """Tensors under the names of a published file for a tiny arch."""
    model = UniFormer(**{'arch': TINY, **kwargs})
    names = {k: tuple(v.shape) for k, v in model.state_dict().items()}
    if not dense:
        fresh = ('norm1.', 'norm2.', 'norm3.', 'norm4.')
        names = {k: v for k, v in names.items() if not k.startswith(fresh)}
        width = model.arch.embed_dims[-1]
        for name in ('weight', 'bias', 'running_mean', 'running_var'):
            names[f'norm.{name}'] = (width,)
        names['norm.num_batches_tracked'] = ()
        names['head.weight'], names['head.bias'] = (10, width), (10,)
    return {
        prefix + k: torch.from_numpy(fill_values(k, v))
        for k, v in names.items()
    }


def assert_loaded(model):
    for name, tensor in model.state_dict().items():
        if not name.startswith(('norm1.', 'norm2.', 'norm3.', 'norm4.')):
            expected = fill_values(name, tuple(tensor.shape))
            assert torch.equal(tensor, torch.from_numpy(expected)), name


LAYOUTS = {
    'bare': lambda: make_file(),
    'image': lambda: {'model': make_file()},
    'deit': lambda: {
        'model': make_file(),
        'epoch': 300,
        'args': argparse.Namespace(lr=5e-4),
    },
    'slowfast': lambda: {'model_state': make_file(), 'cfg': 'TRAIN: {}'},
    'openmmlab': lambda: {
        'meta': {'epoch': 12},
        'state_dict': {
            **make_file('backbone.', dense=True),
            'neck.lateral_convs.0.conv.weight': torch.zeros(1),
        },
    },
    'ddp': lambda: {'state_dict': make_file('module.backbone.')},
    'mmaction': lambda: {
        'state_dict': {
            **{
                k: v
                for k, v in make_file('backbone.').items()
                if 'head' not in k
            },
            'cls_head.fc_cls.weight': torch.zeros(10, 96),
        }
    },
}


@pytest.mark.parametrize('layout', LAYOUTS)
def test_layouts_of_published_files(layout, tmp_path, messages):
    if layout == 'deit' and not hasattr(
        torch.serialization, 'add_safe_globals'
    ):
        pytest.skip('this torch can allow no type')
    path = tmp_path / 'file.pth'
    torch.save(LAYOUTS[layout](), path)
    model = UniFormer(TINY, init_cfg=dict(type='Pretrained', checkpoint=path))
    model.init_weights()
    assert_loaded(model)
    (line,) = [m for m in messages if m.startswith('Loaded')]
    total = len(model.state_dict())
    if layout == 'openmmlab':
        assert f'Loaded {total} of {total}' in line
        assert '1 tensors of other modules' in line
        assert 'fresh' not in line
    else:
        assert f'Loaded {total - 8} of {total}' in line
        assert 'start fresh: norm1 (2), norm2 (2), norm3 (2), norm4' in line
        assert 'left out: norm (5)' in line


def test_safetensors(tmp_path):
    path = tmp_path / 'file.safetensors'
    save_file(make_file(), path)
    model = UniFormer(TINY)
    load_pretrained(model, path)
    assert_loaded(model)


def test_fewer_stages_take_what_they_need(tmp_path, messages):
    path = tmp_path / 'file.pth'
    torch.save(make_file(dense=True), path)
    model = UniFormer(TINY, out_indices=(1,))
    load_pretrained(model, path)
    assert_loaded(model)
    assert 'blocks3 (28), norm3 (2)' in messages[-1]
    assert 'start fresh' not in messages[-1]


def test_every_stage3_takes_the_same_file(tmp_path):
    path = tmp_path / 'file.pth'
    torch.save(make_file(), path)
    for stage3 in ('global', 'window', 'hybrid'):
        model = UniFormer(TINY, stage3=stage3)
        load_pretrained(model, path)
        assert_loaded(model)


@pytest.mark.parametrize(
    ('file', 'model', 'words'),
    [
        ('base', 'small', ["arch='base'", 'depths is (5, 8, 20, 7)']),
        ('base_ls', 'base', ["arch='base_ls'", 'layer_scale_stages']),
        ('base', 'base_ls', ["arch='base'", 'layer_scale_stages']),
        ('small_plus', 'small', ["arch='small_plus' or", 'it is 32 in']),
        ('large', 'base', ["arch='large'", 'embed_dims']),
        (TINY, 'small', ['arch=', "'depths': (1, 1, 2, 1)"]),
    ],
)
def test_wrong_arch_names_the_right_one(file, model, words, tmp_path):
    path = tmp_path / 'file.pth'
    with torch.device('meta'):
        shapes = {k: v.shape for k, v in UniFormer(file).state_dict().items()}
        model = UniFormer(model)
    torch.save(zeros(shapes), path)
    with pytest.raises(CheckpointError) as error:
        load_pretrained(model, path)
    assert all(word in str(error.value) for word in words), error.value


def zeros(shapes):
    """Tensors of any shape that take no space in a file."""
    return {k: torch.zeros(()).expand(shape) for k, shape in shapes.items()}


def test_errors_leave_the_model_as_it_was(tmp_path):
    path = tmp_path / 'file.pth'
    cases = {
        'missing in the file: blocks3.0.mlp.fc1.bias': make_file(),
        'unknown to the model: blocks1.0.attn.extra': {
            **make_file(),
            'blocks1.0.attn.extra': torch.zeros(1),
        },
        r'another shape: blocks1.0.attn.weight \(16, 1, 7, 7\)': make_file(
            local_size=7
        ),
        'holds no UniFormer': {'layer1.weight': torch.zeros(1)},
        'holds no tensors; its keys are epoch: take': {'epoch': 3},
        'holds no tensors; it is empty: take': {'state_dict': {}},
    }
    del cases['missing in the file: blocks3.0.mlp.fc1.bias'][
        'blocks3.0.mlp.fc1.bias'
    ]
    model = UniFormer(TINY)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    for message, content in cases.items():
        torch.save(content, path)
        with pytest.raises(CheckpointError, match=message):
            load_pretrained(model, path)
    torch.testing.assert_close(model.state_dict(), before)


def test_video_and_light_files_are_recognised(tmp_path):
    path = tmp_path / 'file.pth'
    video = {
        k: v[:, :, None] if v.dim() == 4 else v for k, v in make_file().items()
    }
    for content, kind in [
        (video, 'a video model'),
        ({**make_file(), 'cls_token': torch.zeros(1, 1, 64)}, 'light image'),
    ]:
        torch.save(content, path)
        with pytest.raises(CheckpointError, match=kind):
            load_pretrained(UniFormer(TINY), path)


class Hostile:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


def test_hostile_file_is_refused(tmp_path):
    trap = tmp_path / 'trap'
    path = tmp_path / 'file.pth'
    torch.save({'model': make_file(), 'meta': Hostile(str(trap))}, path)
    model = UniFormer(TINY, init_cfg=dict(type='Pretrained', checkpoint=path))
    with pytest.raises(CheckpointError, match=r'refused.*mkdir'):
        model.init_weights()
    assert not trap.exists()
    # The trap works where nobody looks out.
    torch.load(path, weights_only=False)
    assert trap.exists()


@pytest.mark.skipif(
    not hasattr(torch.serialization, 'add_safe_globals'),
    reason='this torch can allow no type',
)
def test_mmengines_loader_refuses_in_the_same_words(tmp_path):
    path = str(tmp_path / 'file.pth')
    torch.save({'meta': Hostile('trap')}, path)
    with pytest.raises(CheckpointError) as ours:
        read_checkpoint(path)
    with pytest.raises(UnsafeCheckpoint) as mmengines:
        CheckpointLoader.load_checkpoint(path)
    assert str(ours.value) == str(mmengines.value)


@pytest.mark.parametrize('format_', ['zip', 'legacy', 'safetensors'])
def test_looking_without_reading_it_whole(format_, tmp_path):
    """Tensors that stay in the file are those that are read from it."""
    path = tmp_path / 'file.pth'
    if format_ == 'safetensors':
        path = path.with_suffix('.safetensors')
        save_file(make_file(), path)
    else:
        is_zip = format_ == 'zip'
        torch.save(make_file(), path, _use_new_zipfile_serialization=is_zip)
    before = path.read_bytes()
    read = read_checkpoint(path)
    mapped = read_checkpoint(path, mmap=True)
    torch.testing.assert_close(mapped, read, rtol=0, atol=0)
    # Who writes into them writes into memory of their own.
    mapped['head.bias'].zero_()
    assert path.read_bytes() == before


@pytest.mark.skipif(
    not Path('/proc/self/maps').is_file(), reason='reads the memory map'
)
def test_what_nobody_looks_at_is_not_read(tmp_path):
    path = tmp_path / 'file.pth'
    torch.save({'model': torch.zeros(1 << 20)}, path)
    mapped = read_checkpoint(path, mmap=True)
    assert str(path) in Path('/proc/self/maps').read_text()
    del mapped
    whole = read_checkpoint(path)
    assert str(path) not in Path('/proc/self/maps').read_text()
    assert len(whole) == 1


@pytest.mark.parametrize(
    'content',
    [b'', b'<!DOCTYPE html><html>Not found</html>', b'PK\x03\x04 cut off'],
)
@pytest.mark.parametrize('suffix', ['pth', 'safetensors'])
def test_damaged_files(content, suffix, tmp_path):
    path = tmp_path / f'file.{suffix}'
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match='is no checkpoint') as error:
        load_pretrained(UniFormer(TINY), path)
    with pytest.raises(CheckpointError) as mapped:
        read_checkpoint(path, mmap=True)
    assert str(mapped.value) == str(error.value)


def test_other_content(tmp_path):
    with pytest.raises(CheckpointError, match='not a file that exists'):
        load_pretrained(UniFormer(TINY), tmp_path / 'absent.pth')
    path = tmp_path / 'list.pth'
    torch.save([torch.zeros(1)], path)
    with pytest.raises(CheckpointError, match='holds a list'):
        load_pretrained(UniFormer(TINY), path)
    with path.open('wb') as file:
        pickle.dump({'model': 1}, file, protocol=0)
    with pytest.raises(CheckpointError, match=r'is no checkpoint|no tensors'):
        load_pretrained(UniFormer(TINY), path)


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A folder served over HTTP, and an empty cache of downloads."""
    folder = tmp_path / 'www'
    folder.mkdir()
    handler = functools.partial(
        http.server.SimpleHTTPRequestHandler, directory=str(folder)
    )
    handler.log_message = lambda *args: None
    monkeypatch.setenv('TORCH_HOME', str(tmp_path / 'cache'))
    with http.server.ThreadingHTTPServer(('127.0.0.1', 0), handler) as httpd:
        thread = threading.Thread(target=httpd.serve_forever)
        thread.start()
        yield folder, f'http://127.0.0.1:{httpd.server_address[1]}'
        httpd.shutdown()
        thread.join()


def test_url_with_digest(server):
    folder, url = server
    torch.save(make_file(), folder / 'plain.pth')
    digest = hashlib.sha256((folder / 'plain.pth').read_bytes()).hexdigest()
    for good in (digest, digest[:8].upper(), None):
        model = UniFormer(TINY)
        load_pretrained(model, f'{url}/plain.pth', sha256=good)
        assert_loaded(model)
    with pytest.raises(CheckpointError, match=rf'{digest}, expected 0123'):
        load_pretrained(UniFormer(TINY), f'{url}/plain.pth', sha256='0123')

    # OpenMMLab's names hold the first digits.
    named = f'uniformer-{digest[:8]}_20230724.pth'
    (folder / 'plain.pth').rename(folder / named)
    load_pretrained(UniFormer(TINY), f'{url}/{named}')
    wrong = 'uniformer-00000000_20230724.pth'
    (folder / named).rename(folder / wrong)
    with pytest.raises(CheckpointError, match='expected 00000000'):
        load_pretrained(UniFormer(TINY), f'{url}/{wrong}')


def test_two_files_of_one_name(server):
    folder, url = server
    for number in (1, 2):
        (folder / str(number)).mkdir()
        tensors = {k: v + number for k, v in make_file().items()}
        torch.save(tensors, folder / str(number) / 'best.pth')
    values = []
    for number in (1, 2, 1):
        model = UniFormer(TINY)
        load_pretrained(model, f'{url}/{number}/best.pth')
        values.append(model.patch_embed1.proj.bias[0].item())
    assert values[1] == pytest.approx(values[0] + 1)
    assert values[2] == values[0]


class CutOff(http.server.BaseHTTPRequestHandler):
    """Promises more than it sends, or says nothing for long."""

    def do_GET(self):
        if self.path.startswith('/slow'):
            time.sleep(3)
            return
        self.send_response(200)
        self.send_header('Content-Length', '100000')
        self.end_headers()
        self.wfile.write(b'x' * 1000)

    def log_message(self, *args):
        """Says nothing."""


@pytest.mark.parametrize('path', ['cut.pth', 'slow.pth'])
def test_what_does_not_come_whole_is_not_kept(path, tmp_path, monkeypatch):
    monkeypatch.setenv('TORCH_HOME', str(tmp_path / 'cache'))
    monkeypatch.setattr('mmuniformer.zoo.downloading.TIMEOUT', 1)
    with http.server.ThreadingHTTPServer(('127.0.0.1', 0), CutOff) as httpd:
        thread = threading.Thread(target=httpd.serve_forever)
        thread.start()
        url = f'http://127.0.0.1:{httpd.server_address[1]}/{path}'
        words = {
            'cut.pth': 'ended after 1000 of 100000 bytes',
            'slow.pth': 'timed out',
        }[path]
        with pytest.raises(CheckpointError, match=f'cannot download.*{words}'):
            load_pretrained(UniFormer(TINY), url)
        httpd.shutdown()
        thread.join()
    assert not list((tmp_path / 'cache').rglob(path))


def test_a_wrong_digest_leaves_nothing(server, tmp_path):
    folder, url = server
    torch.save(make_file(), folder / 'x.pth')
    with pytest.raises(CheckpointError, match='expected 0123'):
        load_pretrained(UniFormer(TINY), f'{url}/x.pth', sha256='0123')
    assert not list((tmp_path / 'cache').rglob('x.pth*'))


def test_plain_http_without_a_digest_is_told(server, messages):
    folder, url = server
    torch.save(make_file(), folder / 'x.pth')
    digest = hashlib.sha256((folder / 'x.pth').read_bytes()).hexdigest()
    load_pretrained(UniFormer(TINY), f'{url}/x.pth', sha256=digest)
    assert not any('without encryption' in line for line in messages)
    load_pretrained(UniFormer(TINY), f'{url}/x.pth')
    assert any('without encryption' in line for line in messages)


def test_url_that_is_absent(server):
    _, url = server
    with pytest.raises(CheckpointError, match='cannot download'):
        load_pretrained(UniFormer(TINY), f'{url}/absent.pth')


@pytest.mark.parametrize(
    ('name', 'arch'),
    [
        ('dense_small_hybrid', 'small'),
        ('dense_base_global', 'base'),
        ('image_uniformer_small', 'small'),
        ('image_uniformer_small_plus', 'small_plus'),
        ('image_uniformer_base_ls', 'base_ls'),
        ('tokenlabel_uniformer_large_ls', 'large'),
        ('tokenlabel_uniformer_small', 'small_dim32'),
        ('mmpose_port_small', 'small'),
    ],
)
def test_names_of_published_models(name, arch, tmp_path, state_dicts):
    """Every name and shape of the published models has its place."""
    shapes = state_dicts[name]
    path = tmp_path / 'file.pth'
    torch.save(zeros(shapes), path)
    model = UniFormer(arch)
    load_pretrained(model, path)
    fresh = {f'norm{i}.{p}' for i in range(1, 5) for p in ('weight', 'bias')}
    if not name.startswith(('image', 'tokenlabel')):
        fresh = set()
    for key, tensor in model.state_dict().items():
        assert (key in shapes) != (key in fresh)
        assert key in fresh or not tensor.any()
