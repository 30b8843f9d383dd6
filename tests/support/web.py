"""A web server on this machine that answers well or badly, as its paths say."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

LOGIN = b"<!DOCTYPE html>\n<html><body>Please, log in</body></html>\n"
MOVED = {"moved.csv": "/good.csv", "circle.csv": "/circle.csv", "login.csv": "/login"}


@contextmanager
def web(table: bytes) -> Iterator[str]:
    """The address of a server whose `/good.csv` is ``table``; other names misbehave."""
    ended = threading.Event()
    packed = gzip.compress(table)
    # Name → what comes, how much is promised (0: as much), and what its headers say.
    ways: dict[str, tuple[bytes, int, dict[str, str]]] = {
        "good.csv": (table, 0, {}),
        "packed.csv.gz": (packed, 0, {}),
        "on-the-way.csv.gz": (packed, 0, {"Content-Encoding": "gzip"}),
        "login": (LOGIN, 0, {}),
        "cut.csv": (table[: len(table) // 2], len(table), {}),
        "stalls.csv": (table[: len(table) // 2], len(table), {}),
    }

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            name = self.path.rpartition("/")[2]
            if name == "silent.csv":
                ended.wait()
            if name in MOVED:
                self._answer(b"", 302, {"Location": MOVED[name]})
                return
            body, length, headers = ways.get(name, (None, 0, {}))
            self._answer(body or b"gone", 200 if body else 404, headers, length)
            if name == "stalls.csv":
                ended.wait()

        def _answer(
            self, body: bytes, status: int, headers: dict[str, str], length: int = 0
        ) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(length or len(body)))
            for key, value in headers.items():
                self.send_header(key, value)
            self.end_headers()
            self.wfile.write(body)
            self.wfile.flush()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            ended.set()
            server.shutdown()
            thread.join()
