"""Debian's Alertmanager with the file that `mlops observe` writes, and receivers of its own."""

from __future__ import annotations

import json
import socketserver
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, TypeVar

import httpx
import yaml

from ci.repository import Repository
from tests.support.command import result
from tests.support.programs import bring_programs
from tests.support.services import DIES_WITH_US, free_port

LONGEST_SECONDS = 300
PACKAGES = {
    "prometheus-alertmanager": "prometheus-alertmanager",
    "amtool": "prometheus-alertmanager",
}
T = TypeVar("T")


def wait_for(what: str, look: Callable[[], T | None]) -> T:
    """What ``look`` finds in the end."""
    deadline = time.monotonic() + LONGEST_SECONDS
    while time.monotonic() < deadline:
        found = look()
        if found is not None:
            return found
        time.sleep(0.1)
    raise AssertionError(f"{what} never came")


@dataclass
class Told:
    """What arrived at each channel: documents at Slack's and PagerDuty's path, whole mails."""

    url: str
    hooks: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    mails: list[str] = field(default_factory=list)

    def slack(self, *words: str) -> dict[str, Any]:
        """The attachment of the message that says all of ``words``."""
        message = wait_for(f"{words} at Slack", lambda: self._find("/slack", words))
        attachment: dict[str, Any] = message["attachments"][0]
        return attachment

    def pagerduty(self, *words: str) -> dict[str, Any]:
        """The event that says all of ``words``."""
        return wait_for(f"{words} at PagerDuty", lambda: self._find("/pagerduty", words))

    def mail(self, *words: str) -> str:
        """The mail that says all of ``words``."""

        def look() -> str | None:
            return next((each for each in self.mails if all(w in each for w in words)), None)

        return wait_for(f"a mail with {words}", look)

    def _find(self, path: str, words: tuple[str, ...]) -> dict[str, Any] | None:
        for at, document in self.hooks:
            if at == path and all(word in json.dumps(document) for word in words):
                return document
        return None


def _web(told: Told) -> ThreadingHTTPServer:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            told.hooks.append((self.path, json.loads(body)))
            accepted = self.path == "/pagerduty"
            self.send_response(202 if accepted else 200)
            self.end_headers()
            self.wfile.write(b'{"status": "success"}' if accepted else b"ok")

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return ThreadingHTTPServer(("127.0.0.1", 0), Handler)


def _post_office(told: Told) -> socketserver.ThreadingTCPServer:
    class Handler(socketserver.StreamRequestHandler):
        """As much of SMTP as it takes to be handed a mail."""

        def handle(self) -> None:
            self._say("220 ready")
            for line in self.rfile:
                verb = line.split()[0].upper() if line.split() else b""
                if verb == b"DATA":
                    self._say("354 go on")
                    mail = b"".join(iter(self.rfile.readline, b".\r\n"))
                    told.mails.append(mail.decode())
                self._say("221 bye" if verb == b"QUIT" else "250 ok")
                if verb == b"QUIT":
                    return

        def _say(self, line: str) -> None:
            self.wfile.write(f"{line}\r\n".encode())

    return socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)


@contextmanager
def alertmanager(repository: Repository, secrets: Path) -> Iterator[Told]:
    """Alertmanager beside ``repository``, whose policy names three channels on this machine."""
    bring_programs(PACKAGES)
    told = Told(f"http://127.0.0.1:{free_port()}")
    with _web(told) as web, _post_office(told) as post:
        for server in (web, post):
            threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{web.server_port}"
        _declare(repository, secrets, address, post.server_address[1])
        process = _start(repository, told.url)
        try:
            yield told
        finally:
            process.terminate()
            process.wait(60)
            web.shutdown()
            post.shutdown()


def _declare(repository: Repository, secrets: Path, web: str, post: int) -> None:
    secrets.mkdir()
    (secrets / "slack").write_text(f"{web}/slack")
    (secrets / "key").write_text("k" * 32)
    policy = {
        "slack": {"url_file": str(secrets / "slack")},
        "email": {
            "to": ["duty@example.com"],
            "sender": "alerts@example.com",
            "relay": f"127.0.0.1:{post}",
            "tls": False,
        },
        "pagerduty": {"key_file": str(secrets / "key"), "url": f"{web}/pagerduty"},
        "wait_seconds": 1,
    }
    (repository.policies_dir / "alerting.yaml").write_text(yaml.safe_dump(policy))


def _start(repository: Repository, url: str) -> subprocess.Popen[bytes]:
    paths = [Path(path) for path in result(repository.root, "observe")["paths"]]
    folder = repository.root / paths[0].parent
    subprocess.run(["amtool", "check-config", "alertmanager.yaml"], cwd=folder, check=True)
    command = [
        "prometheus-alertmanager",
        "--config.file=alertmanager.yaml",
        f"--storage.path={folder / 'alertmanager'}",
        "--cluster.listen-address=",
        f"--web.listen-address={url.removeprefix('http://')}",
    ]
    with (folder / "alertmanager.log").open("wb") as log:
        process = subprocess.Popen([*DIES_WITH_US, *command], cwd=folder, stdout=log, stderr=log)

    def ready() -> bool | None:
        assert process.poll() is None, (folder / "alertmanager.log").read_text()
        try:
            return httpx.get(f"{url}/-/ready").status_code == 200 or None
        except httpx.TransportError:
            return None

    wait_for("Alertmanager", ready)
    return process
