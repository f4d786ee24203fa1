"""A web server with parts of files, slow if asked, that counts its bytes."""

import hashlib
import http.server
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

BLOCK = 1 << 16


class Server(http.server.ThreadingHTTPServer):
    """Serves a folder.

    Args:
        folder (Path): What is served.
    """

    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        super().__init__(('127.0.0.1', 0), _Handler)
        self.folder = folder
        self.pause = 0.0  # seconds after a block
        self.stop_after: int | None = None  # bytes of an answer
        self.asked: list[tuple[str, str | None]] = []  # path and range
        self.has_ranges = True
        self.has_versions = True

    @property
    def url(self) -> str:
        return f'http://127.0.0.1:{self.server_address[1]}'


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_GET(self):
        wanted = self.headers.get('Range')
        self.server.asked.append((self.path, wanted))
        path = self.server.folder / self.path.lstrip('/')
        if not path.is_file():
            self.send_error(404)
            return
        data = path.read_bytes()
        version = f'"{hashlib.md5(data).hexdigest()}"'
        same = self.headers.get('If-Range') in (None, version)
        start = 0
        if wanted and same and self.server.has_ranges:
            start = int(wanted.removeprefix('bytes=').removesuffix('-'))
            if start >= len(data):
                self.send_response(416)
                self.send_header('Content-Range', f'bytes */{len(data)}')
                self.send_header('Content-Length', '0')
                self.end_headers()
                return
            self.send_response(206)
            last = len(data) - 1
            span = f'bytes {start}-{last}/{len(data)}'
            self.send_header('Content-Range', span)
        else:
            self.send_response(200)
        kind = 'text/html' if path.suffix == '.html' else 'application/x'
        self.send_header('Content-Type', kind)
        self.send_header('Content-Length', str(len(data) - start))
        if self.server.has_versions:
            self.send_header('ETag', version)
        self.end_headers()
        self._send(data[start:])

    def _send(self, data: bytes) -> None:
        if self.server.stop_after is not None:
            data = data[: self.server.stop_after]
        for begin in range(0, len(data), BLOCK):
            try:
                self.wfile.write(data[begin : begin + BLOCK])
            except OSError:
                return  # the other side was killed
            time.sleep(self.server.pause)

    def log_message(self, *args):
        """Says nothing."""


@contextmanager
def serving(folder: Path) -> Iterator[Server]:
    """A running server of a folder."""
    folder.mkdir(exist_ok=True)
    with Server(folder) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()
