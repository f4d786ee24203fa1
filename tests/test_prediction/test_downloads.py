"""Inputs from a server, which may send anything."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

import mmuniformer
from mmuniformer.errors import UserError
from mmuniformer.prediction.downloads import fetch
from mmuniformer.prediction.running import stream
from mmuniformer.prediction.sources import find_sources


class Server(BaseHTTPRequestHandler):
    files: ClassVar[dict[str, bytes]] = {}

    def do_GET(self):
        if self.path == '/missing.jpg':
            self.send_error(404)
            return
        self.send_response(200)
        data = self.files.get(self.path, bytes(3000))
        if self.path == '/video':
            self.send_header('Content-Type', 'video/mp4')
        if self.path == '/cut.jpg':
            self.send_header('Content-Length', str(2 * len(data)))
        elif self.path != '/unsized.jpg':
            self.send_header('Content-Length', str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    httpd = ThreadingHTTPServer(('127.0.0.1', 0), Server)
    thread = threading.Thread(target=httpd.serve_forever)
    thread.start()
    yield f'http://127.0.0.1:{httpd.server_port}'
    httpd.shutdown()
    thread.join()
    httpd.server_close()
    Server.files.clear()


def test_a_file_comes_whole(server, tmp_path):
    Server.files['/a%20%C3%A4.png'] = b'content'
    path, kind = fetch(f'{server}/a ä.png', tmp_path, 1)
    assert (path.read_bytes(), path.suffix, kind) == (
        b'content',
        '.png',
        'photo',
    )
    assert fetch(f'{server}/video', tmp_path, 1).kind == 'video'


@pytest.mark.parametrize('name', ['large.jpg', 'unsized.jpg'])
def test_what_is_too_large_is_left(server, tmp_path, name):
    Server.files[f'/{name}'] = bytes(200_000)
    with pytest.raises(UserError, match=r'more than the 0\.1 MB'):
        fetch(f'{server}/{name}', tmp_path, 0.1)


@pytest.mark.parametrize(
    ('link', 'reason'),
    [
        ('missing.jpg', '404'),
        ('cut.jpg', 'after 3000 of 6000 bytes'),
    ],
)
def test_what_does_not_come_is_told(server, tmp_path, link, reason):
    with pytest.raises(UserError, match=f'cannot download .*{reason}'):
        fetch(f'{server}/{link}', tmp_path, 1)


def test_no_server(tmp_path):
    with pytest.raises(UserError, match='cannot download http://127'):
        fetch('http://127.0.0.1:9/x.jpg', tmp_path, 1)
    with pytest.raises(UserError, match='cannot download http://'):
        fetch('http://[oops/x.jpg', tmp_path, 1)


def test_links_among_files(server, checkpoints, photo, videos, monkeypatch):
    Server.files['/photo.jpg'] = photo.read_bytes()
    Server.files['/clip.mp4'] = Path(videos[0]).read_bytes()
    names = ['missing.jpg', 'photo.jpg', 'page.jpg', 'clip.mp4']
    links = [f'{server}/{name}' for name in names]
    model = mmuniformer.load(checkpoints['cls'])
    places = []
    outcomes = []
    for outcome in stream(model, find_sources([str(photo), *links]), 2, 2):
        outcomes.append(outcome)
        places.append(outcome.item.place)
    told = [outcome.problem for outcome in outcomes if outcome.problem]
    assert 'missing.jpg: HTTP Error 404' in told[0]
    assert told[1].startswith(f'cannot read the image {links[2]}: it is dam')
    assert len(told) == 2
    one, _, same, _, *frames = outcomes
    assert same.result.file == links[1]
    assert same.result.scores == pytest.approx(one.result.scores, abs=1e-4)
    assert [o.item.frame for o in frames] == list(range(20))
    # Nothing of what was downloaded is left.
    assert Path(places[0]).exists()
    assert not any(Path(place).is_file() for place in places[1:])
