"""The few calls of Docker's API that `mlops` makes, answered as a test says, on a Unix socket."""

from __future__ import annotations

import base64
import hashlib
import json
import socketserver
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

IMAGE = {"Id": f"sha256:{'1' * 64}", "RepoTags": [], "Size": 1}
CONTAINER = {
    "Id": "2" * 64,
    "Config": {"Tty": False},
    "HostConfig": {"LogConfig": {"Type": "json-file"}},
}


@dataclass
class StandIn:
    """What it answers, and what it was asked.

    ``digests`` are those of the registry; ``said`` is the build's output, which breaks off without
    an end where ``breaks_off``. With ``passwords`` (user → password) it has every image that it is
    asked for, and pushes it for those people; ``pushed`` maps names to digests.
    """

    host: str
    digests: dict[str, str] = field(default_factory=dict)
    said: list[dict[str, Any]] = field(default_factory=list)
    breaks_off: bool = False
    asked: list[str] = field(default_factory=list)
    passwords: dict[str, str] = field(default_factory=dict)
    pushed: dict[str, str] = field(default_factory=dict)


@contextmanager
def stand_in(folder: Path) -> Iterator[StandIn]:
    """The engine, until the end of the context."""
    path = folder / "engine.sock"
    engine = StandIn(f"unix://{path}")

    class Handler(_Handler):
        said = engine

    with socketserver.ThreadingUnixStreamServer(str(path), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield engine
        finally:
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    said: StandIn
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path = self._path()
        if path == "/version":
            self._answer(200, {"ApiVersion": "1.41", "MinAPIVersion": "1.24"})
        elif path == "/_ping":
            self._answer(200, "OK")
        elif path == "/images/json":
            self._answer(200, [IMAGE] if self.said.passwords else [])
        elif path == f"/images/{IMAGE['Id']}/json":
            self._answer(200, IMAGE)
        elif path == f"/containers/{CONTAINER['Id']}/json":
            self._answer(200, CONTAINER)
        elif path == f"/containers/{CONTAINER['Id']}/logs":
            self._stream([b"\x01\0\0\0" + (2).to_bytes(4, "big") + b"{}"])
        elif path.startswith("/distribution/"):
            self._distribution(path.removeprefix("/distribution/").removesuffix("/json"))
        else:
            self._answer(404, {"message": f"no such thing: {path}"})

    def do_POST(self) -> None:
        path = self._path()
        self._read_body()
        if path == "/build":
            self._stream(json.dumps(each).encode() + b"\r\n" for each in self.said.said)
        elif path.endswith("/tag") and self.said.passwords:
            self._answer(201, "")
        elif path.endswith("/push") and self.said.passwords:
            name = path.removeprefix("/images/").removesuffix("/push")
            self._stream([json.dumps(self._push(name)).encode() + b"\r\n"])
        elif path == "/containers/create":
            self._answer(201, CONTAINER)
        elif path.endswith("/wait"):
            self._answer(200, {"StatusCode": 0})
        elif path.endswith("/start"):
            self._answer(204, "")
        else:
            self._answer(500, {"message": "the registry does not answer"})

    def do_DELETE(self) -> None:
        self._path()
        self._answer(204, "")

    def _push(self, name: str) -> dict[str, Any]:
        """The last message of a push, as Docker ends it."""
        given = json.loads(base64.urlsafe_b64decode(self.headers["X-Registry-Auth"]))
        if self.said.passwords.get(given["username"]) != given["password"]:
            return {"error": "denied: requested access to the resource is denied"}
        digest = f"sha256:{hashlib.sha256(name.encode()).hexdigest()}"
        self.said.pushed[name] = digest
        return {"aux": {"Tag": "x", "Digest": digest, "Size": 1}}

    def _stream(self, parts: Iterable[bytes]) -> None:
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for part in parts:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
        if not self.said.breaks_off:
            self.wfile.write(b"0\r\n\r\n")
        self.close_connection = True

    def log_message(self, *arguments: object) -> None:
        """Nothing on the test's output."""

    def address_string(self) -> str:
        return "unix"

    def _path(self) -> str:
        path = unquote(urlsplit(self.path).path)
        self.said.asked.append(f"{self.command} {path}")
        return path.partition("/v1.41")[2] or path

    def _distribution(self, name: str) -> None:
        digest = self.said.digests.get(name)
        if digest is None:
            self._answer(404, {"message": f"manifest of {name} unknown"})
        else:
            self._answer(200, {"Descriptor": {"digest": digest}, "Platforms": []})

    def _read_body(self) -> None:
        if self.headers.get("Transfer-Encoding") != "chunked":
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            return
        while size := int(self.rfile.readline(), 16):
            self.rfile.read(size + 2)
        self.rfile.readline()

    def _answer(self, status: int, value: Any) -> None:
        body = value.encode() if isinstance(value, str) else json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
