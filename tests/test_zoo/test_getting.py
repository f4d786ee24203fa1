"""Files of the catalogue, from servers that run here."""

import hashlib
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest
import torch
from range_server import serving

from mmuniformer import zoo
from mmuniformer.errors import CheckpointError
from mmuniformer.zoo import catalogue, downloading, getting, names
from mmuniformer.zoo.downloading import NotGot, fetch

SIZE = 3_000_000
FETCH = """
import sys
from pathlib import Path
from mmuniformer.zoo.downloading import fetch
fetch(sys.argv[1], Path(sys.argv[2]))
"""


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A server, an empty cache, and no settings of whoever runs this."""
    for name in ('MMUNIFORMER_WEIGHTS', 'MMUNIFORMER_MIRROR', 'HF_ENDPOINT'):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv('TORCH_HOME', str(tmp_path / 'cache'))
    with serving(tmp_path / 'www') as running:
        yield running


@pytest.fixture
def data(server):
    """Bytes that no two parts of have in common, served as x.pth."""
    blocks = (hashlib.sha256(b'%d' % i).digest() for i in range(SIZE // 32))
    content = b''.join(blocks)
    (server.folder / 'x.pth').write_bytes(content)
    return content


def files_in(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_download_that_is_killed_goes_on(server, data, tmp_path):
    path = tmp_path / 'x.pth'
    partial = tmp_path / 'x.pth.partial'
    server.pause = 0.05
    arguments = [sys.executable, '-c', FETCH, f'{server.url}/x.pth', path]
    process = subprocess.Popen(arguments)
    until = time.monotonic() + 60
    while not (partial.is_file() and partial.stat().st_size > 1 << 20):
        assert process.poll() is None
        assert time.monotonic() < until
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    come = partial.stat().st_size
    assert 0 < come < len(data)
    assert not path.exists()
    server.pause = 0
    fetch(f'{server.url}/x.pth', path)
    assert path.read_bytes() == data
    assert server.asked[-1] == ('/x.pth', f'bytes={come}-')
    assert set(files_in(tmp_path)) == {'x.pth', 'www'}


def cut(server, path):
    """Has a part of x.pth come."""
    server.stop_after = 1_000_000
    with pytest.raises(NotGot, match='ended after 1000000 of'):
        fetch(f'{server.url}/x.pth', path)
    server.stop_after = None


def test_a_file_that_changed_meanwhile_comes_anew(server, data, tmp_path):
    path = tmp_path / 'x.pth'
    cut(server, path)
    (server.folder / 'x.pth').write_bytes(data[::-1])
    fetch(f'{server.url}/x.pth', path)
    assert path.read_bytes() == data[::-1]


@pytest.mark.parametrize('missing', ['has_ranges', 'has_versions'])
def test_a_server_that_cannot_go_on(missing, server, data, tmp_path):
    setattr(server, missing, False)
    path = tmp_path / 'x.pth'
    cut(server, path)
    fetch(f'{server.url}/x.pth', path)
    assert path.read_bytes() == data


def test_the_part_of_another_address_is_not_taken(server, data, tmp_path):
    path = tmp_path / 'x.pth'
    cut(server, path)
    (server.folder / 'y.pth').write_bytes(data[::-1])
    fetch(f'{server.url}/y.pth', path)
    assert path.read_bytes() == data[::-1]


def test_killed_before_the_file_got_its_name(server, data, tmp_path):
    path = tmp_path / 'x.pth'
    cut(server, path)
    (tmp_path / 'x.pth.partial').write_bytes(data)
    fetch(f'{server.url}/x.pth', path)
    assert path.read_bytes() == data
    assert server.asked[-1] == ('/x.pth', f'bytes={len(data)}-')
    assert len(server.asked) == 2


def test_a_page_is_no_file(server, tmp_path):
    (server.folder / 'login.html').write_text('<html>Sign in</html>')
    with pytest.raises(NotGot, match='a web page, not with the file'):
        fetch(f'{server.url}/login.html', tmp_path / 'x.pth')
    assert not (tmp_path / 'x.pth').exists()


def test_two_processes_get_a_file_once(server, data, tmp_path):
    path = tmp_path / 'x.pth'
    server.pause = 0.01
    arguments = [sys.executable, '-c', FETCH, f'{server.url}/x.pth', path]
    both = [subprocess.Popen(arguments) for _ in range(2)]
    assert [process.wait() for process in both] == [0, 0]
    assert path.read_bytes() == data
    assert server.asked == [('/x.pth', None)]


def test_a_part_comes_from_google_drive_and_goes_on(
    server, data, tmp_path, monkeypatch
):
    pytest.importorskip('gdown')
    monkeypatch.setattr(downloading, 'GOOGLE_DRIVE', server.url)
    path = tmp_path / 'x.pth'
    server.stop_after = 1_000_000
    with pytest.raises(NotGot, match='incomplete'):
        fetch(f'{server.url}/x.pth', path)
    assert not path.exists()
    server.stop_after = None
    fetch(f'{server.url}/x.pth', path)
    assert path.read_bytes() == data
    # gdown keeps whole blocks.
    assert server.asked[-1][1] == 'bytes=524288-'
    assert set(files_in(tmp_path)) == {'x.pth', 'www'}


@pytest.fixture
def published(server, data, monkeypatch):
    """A catalogue with one file, on this server."""
    file = replace(
        zoo.find('uniformer_small'),
        url=f'{server.url}/x.pth',
        file='x.pth',
        size=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
    )
    monkeypatch.setattr(names, '_files', lambda: {'tiny': file})
    return file


def test_a_name_becomes_a_file_once(published, server, data):
    path = zoo.file_of('tiny')
    assert path.read_bytes() == data
    assert zoo.file_of('tiny') == path == zoo.get(published)
    assert len(server.asked) == 1


def test_a_file_of_that_name_wins(published, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'tiny').write_bytes(b'mine')
    assert zoo.file_of('tiny').read_bytes() == b'mine'


@pytest.mark.parametrize(
    ('known', 'told'),
    [
        (dict(size=7), 'has 3000000 bytes, expected 7'),
        (dict(sha256='0123abcd'), 'SHA-256 [0-9a-f]+, expected 0123abcd'),
        (dict(sha256=None, md5='0' * 32), 'MD5 [0-9a-f]+, expected 00'),
        (
            dict(size=7, digest_by='a third party'),
            r'7 \(the word of a third party\)',
        ),
    ],
)
def test_another_file_is_not_taken(known, told, published, tmp_path):
    out = tmp_path / 'out'
    with pytest.raises(CheckpointError, match=told):
        zoo.get(replace(published, **known), out)
    assert not [name for name in files_in(out) if not name.endswith('lock')]


def test_the_folder_without_a_network(
    published, server, data, tmp_path, monkeypatch
):
    folder = tmp_path / 'mine'
    folder.mkdir()
    monkeypatch.setenv('MMUNIFORMER_WEIGHTS', str(folder))
    (folder / 'x.pth').write_bytes(data)
    assert zoo.file_of('tiny') == folder / 'x.pth'
    copy = zoo.get(published, tmp_path / 'out')
    assert copy == tmp_path / 'out' / 'x.pth'
    assert copy.read_bytes() == data
    assert server.asked == []
    (folder / 'x.pth').write_bytes(data[:-1])
    with pytest.raises(CheckpointError, match='damaged or another one'):
        zoo.file_of('tiny')
    (folder / 'x.pth').unlink()
    assert zoo.file_of('tiny').read_bytes() == data


def test_what_is_no_checkpoint_is_not_taken_for_one(tmp_path, monkeypatch):
    """Of most files no size is known, and pages and pointers come for them."""
    monkeypatch.setenv('MMUNIFORMER_WEIGHTS', str(tmp_path))
    file = tmp_path / 'uniformer_small_in1k.pth'
    for content in (b'abc', b'', b'version https://git-lfs.github.com/spec'):
        file.write_bytes(content)
        told = rf'of {len(content)} bytes is no checkpoint'
        with pytest.raises(CheckpointError, match=told):
            zoo.file_of('uniformer_small')
        with pytest.raises(CheckpointError, match=told):
            zoo.get(zoo.find('uniformer_small'), tmp_path / 'out')
    torch.save({}, file)
    assert zoo.file_of('uniformer_small') == file


def test_a_folder_that_is_not_there_is_named(published, server, monkeypatch):
    (server.folder / 'x.pth').unlink()
    folder = server.folder / 'nowhere'
    monkeypatch.setenv('MMUNIFORMER_WEIGHTS', str(folder))
    with pytest.raises(CheckpointError, match='nowhere, which is no folder'):
        zoo.file_of('tiny')
    folder.mkdir()
    with pytest.raises(CheckpointError, match=r'x\.pth is not in .*nowhere'):
        zoo.file_of('tiny')


def test_an_address_of_the_catalogue_is_that_file(
    published, data, tmp_path, monkeypatch
):
    url = 'https://example.invalid/x.pth'
    file = replace(published, url=url)
    monkeypatch.setattr(names, '_files', lambda: {url: file})
    monkeypatch.setenv('MMUNIFORMER_WEIGHTS', str(tmp_path / 'www'))
    assert zoo.file_of(url).read_bytes() == data


def test_a_mirror_comes_first_and_then_the_place(
    published, server, data, monkeypatch
):
    monkeypatch.setenv('MMUNIFORMER_MIRROR', f'{server.url}/mirror/')
    zoo.file_of('tiny')
    assert [path for path, _ in server.asked] == ['/mirror/x.pth', '/x.pth']


def test_an_endpoint_of_hugging_face(published, server, data, monkeypatch):
    (server.folder / 'me/repo/resolve/main').mkdir(parents=True)
    target = server.folder / 'me/repo/resolve/main/x.pth'
    target.write_bytes(data)
    monkeypatch.setenv('HF_ENDPOINT', server.url)
    url = f'{catalogue.HUGGING_FACE}/me/repo/resolve/main/x.pth'
    assert zoo.get(replace(published, url=url)).read_bytes() == data
    # One that is in no catalogue as well.
    assert zoo.file_of(url).read_bytes() == data


def test_a_closed_place_is_one_line(published, tmp_path, monkeypatch):
    monkeypatch.setenv('MMUNIFORMER_MIRROR', 'http://127.0.0.1:9')
    file = replace(published, url='http://127.0.0.1:9/y/x.pth')
    with pytest.raises(CheckpointError) as error:
        zoo.get(file, tmp_path)
    told = str(error.value)
    for word in (
        'http://127.0.0.1:9/x.pth: ',
        'http://127.0.0.1:9/y/x.pth: ',
        'Connection refused',
        'put it into the folder that MMUNIFORMER_WEIGHTS names',
    ):
        assert word in told
    assert '\n' not in told


def test_a_file_whose_name_is_not_known_has_no_address(tmp_path):
    file = zoo.find('uniformer_small_plus@huggingface')
    assert file.url is None
    with pytest.raises(CheckpointError, match='name of its file is not known'):
        zoo.get(file, tmp_path)


def test_what_is_near_is_named():
    with pytest.raises(CheckpointError, match='did you mean uniformer_s16x4'):
        zoo.file_of('uniformer_s16x4_k40')
    with pytest.raises(CheckpointError, match='only its log'):
        zoo.file_of('upernet_hybrid_small')
    missing = 'checkpoints/uniformer_xxs_224_in1k.pth'
    with pytest.raises(
        CheckpointError, match='zoo get xxs_224 --out checkpoints` gets it'
    ):
        zoo.file_of(missing)


def test_names_in_capitals_and_places_that_are_not():
    assert zoo.find('Uniformer_Small') == zoo.find('uniformer_small')
    assert zoo.find('UNIFORMER_SMALL@HuggingFace').place == 'huggingface'
    assert zoo.find_experiment('XXS_160').name == 'xxs_160'
    with pytest.raises(CheckpointError, match=r'openmmlab, .* not at mars'):
        zoo.file_of('uniformer_small@mars')


def test_digests_of_names(monkeypatch):
    known = getting._digest_by_name('uniformer_small_k400_16x4.pth')
    assert known.startswith('4829a6ab')
    assert getting._digest_by_name('model-1713bcd4_2023.pth') == '1713bcd4'
    assert getting._digest_by_name('model.pth') is None
