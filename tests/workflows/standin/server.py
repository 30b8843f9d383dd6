"""The stand-in on a port of 127.0.0.1: API, Git, uploads, storage, and what runners talk to."""

from __future__ import annotations

import json
import secrets
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from tests.workflows.standin import (  # noqa: F401 (they register what they answer)
    actions,
    commits,
    git_http,
    issues,
    pulls,
    releases,
    runner,
)
from tests.workflows.standin.calls import HANDLERS, NEEDS, Call, Page, Redirect
from tests.workflows.standin.description import Operation, fill, operations, problems
from tests.workflows.standin.hub import Fault, Hub, Refusal, Token

PER_PAGE, MOST_PER_PAGE = 30, 100
UPLOADS, STORAGE = "/_uploads", "/_storage/"
ENTERPRISE = "/api/v3"
VERSION = "x-github-api-version"


@dataclass(frozen=True)
class Reply:
    """What goes back."""

    status: int
    headers: dict[str, str]
    content: bytes


class Standin:
    """Serves a hub while it is open; ``url`` is both the API's and the site's address."""

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self._storage: dict[str, Path] = {}
        handler = type("Handler", (_Handler,), {"standin": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self.url = hub.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.02,), daemon=True
        )

    def __enter__(self) -> Standin:
        self._thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def reply(self, method: str, target: str, headers: Any, body: bytes) -> Reply | None:
        """The answer to a request; None cuts the connection."""
        parts = urlsplit(target)
        path = parts.path.removeprefix(ENTERPRISE)
        if path.startswith("/_runner/"):
            return Reply(*runner.serve(self.hub, method, path, dict(parse_qsl(parts.query)), body))
        if path.startswith(STORAGE):
            return self._stored(path, headers)
        if git_http.PATH.fullmatch(path):
            return self._git(method, path, parts.query, headers, body)
        with self.hub.lock:
            reply = self._api(method, path, parts.query, headers, body)
            status = 0 if reply is None else reply.status
            self.hub.requests.append((method, path, status))
        return reply

    def _git(self, method: str, path: str, query: str, headers: Any, body: bytes) -> Reply:
        fault = self._fault(method, path)
        if fault is not None:
            return Reply(fault.status, {}, fault.message.encode())
        token = self.hub.tokens.get(git_http.token_of(headers.get("Authorization")) or "")
        try:
            git_http.check(self.hub, path, query, token)
        except Refusal as refusal:
            more = {"WWW-Authenticate": 'Basic realm="GitHub"'} if refusal.status == 401 else {}
            self.hub.refusals.append(f"{refusal.status} {method} {path}: {refusal}")
            return Reply(refusal.status, more, str(refusal).encode())
        return Reply(*git_http.serve(self.hub, method, path, query, headers, body))

    def _stored(self, path: str, headers: Any) -> Reply:
        """GitHub's storage refuses a request that carries the token."""
        file = self._storage.get(path.removeprefix(STORAGE))
        if headers.get("Authorization"):
            self.hub.problems.append("a token was sent to the storage")
            return Reply(400, {}, b"InvalidAuthenticationInfo")
        if file is None:
            return Reply(404, {}, b"")
        return Reply(200, {"Content-Type": "application/octet-stream"}, file.read_bytes())

    def _api(self, method: str, path: str, query: str, headers: Any, body: bytes) -> Reply | None:
        fault = self._fault(method, path)
        if fault is not None and fault.done:
            self._carry_out(method, path, query, headers, body)
        if fault is not None:
            failed = Refusal(fault.status, fault.message)
            return None if not fault.status else _json(fault.status, failed.document, fault.headers)
        return self._carry_out(method, path, query, headers, body)

    def _carry_out(self, method: str, path: str, query: str, headers: Any, body: bytes) -> Reply:
        try:
            return self._answer(method, path, dict(parse_qsl(query)), headers, body)
        except Refusal as refusal:
            self.hub.refusals.append(f"{refusal.status} {method} {path}: {refusal.document}")
            return _json(refusal.status, refusal.document)
        except Exception as error:
            self.hub.problems.append(f"{method} {path}: the stand-in failed: {error!r}")
            raise

    def _answer(
        self, method: str, path: str, query: dict[str, str], headers: Any, body: bytes
    ) -> Reply:
        operation, params = self._operation(method, path)
        token = self._token(headers.get("Authorization"))
        _check_permission(operation, token)
        upload = path.startswith(UPLOADS)
        document = {} if upload else self._document(operation, body)
        self._check_query(operation, query)
        content = body if upload else b""
        call = Call(params, query, document, token, headers.get("Accept", ""), content)
        status, answer = HANDLERS[operation.name](self.hub, call)
        if isinstance(answer, Redirect):
            word = secrets.token_hex(16)
            self._storage[word] = answer.file
            # Another name of the same machine: clients must leave the token behind.
            return Reply(status, {"Location": f"http://localhost:{self.port}{STORAGE}{word}"}, b"")
        extra: dict[str, str] = {}
        if isinstance(answer, Page):
            answer, extra = self._page(answer, path, query)
        return self._checked(operation, status, answer, extra)

    def _operation(self, method: str, path: str) -> tuple[Operation, dict[str, Any]]:
        own = f"/repos/{self.hub.full_name}"
        for operation in operations():
            params = operation.match(path.removeprefix(UPLOADS))
            if params is not None and operation.method == method:
                upload = operation.name == "repos/upload-release-asset"
                if path.removeprefix(UPLOADS).startswith(own) and upload == path.startswith(
                    UPLOADS
                ):
                    return operation, params
        self.hub.problems.append(f"the stand-in does not know {method} {path}")
        raise Refusal(404, "Not Found")

    def _token(self, header: str | None) -> Token:
        given = git_http.token_of(header)
        token = self.hub.tokens.get(given or "")
        if token is None:
            self.hub.problems.append(f"a request with {'an unknown' if given else 'no'} token")
            raise Refusal(401, "Bad credentials")
        return token

    def _document(self, operation: Operation, body: bytes) -> dict[str, Any]:
        """The body, if it is as GitHub describes it; GitHub would ignore an unknown field."""
        if operation.body is None or not (body or operation.body_required):
            return {}
        try:
            document = json.loads(body)
        except ValueError:
            raise Refusal(400, "Problems parsing JSON") from None
        wrong = problems(operation.body, document)
        if wrong:
            self.hub.problems.append(f"{operation.name}: {wrong}")
            raise Refusal(422, f"Invalid request. {'; '.join(wrong)}")
        return dict(document)

    def _check_query(self, operation: Operation, query: dict[str, str]) -> None:
        unknown = sorted(set(query) - set(operation.query))
        if unknown:
            self.hub.problems.append(f"{operation.name}: unknown query {unknown}")
            raise Refusal(422, f"Unknown query {unknown}")

    def _page(self, page: Page, path: str, query: dict[str, str]) -> tuple[Any, dict[str, str]]:
        size = min(int(query.get("per_page", PER_PAGE)), MOST_PER_PAGE)
        number = int(query.get("page", 1))
        items = page.items[(number - 1) * size : number * size]
        headers = {}
        if number * size < len(page.items):
            following = urlencode({**query, "page": number + 1})
            headers["Link"] = f'<{self.url}{path}?{following}>; rel="next"'
        if page.key is None:
            return items, headers
        return {**(page.more or {}), "total_count": len(page.items), page.key: items}, headers

    def _checked(
        self, operation: Operation, status: int, answer: Any, headers: dict[str, str]
    ) -> Reply:
        schema = operation.answers[str(status)]
        if schema is None:
            return Reply(status, headers, b"")
        document = fill(schema, answer)
        wrong = problems(schema, document)
        if wrong:
            self.hub.problems.append(f"the stand-in's answer to {operation.name}: {wrong}")
        return _json(status, document, headers)

    def _fault(self, method: str, path: str) -> Fault | None:
        for fault in self.hub.faults:
            if fault.method in ("*", method) and fault.path in path:
                fault.times -= 1
                if fault.times == 0:
                    self.hub.faults.remove(fault)
                return fault
        return None


def _check_permission(operation: Operation, token: Token) -> None:
    if not any(token.may(scope, level) for scope, level in NEEDS[operation.name]):
        raise Refusal(403, "Resource not accessible by integration")


def _json(status: int, document: Any, headers: dict[str, str] | None = None) -> Reply:
    standard = {"Content-Type": "application/json; charset=utf-8", "x-ratelimit-remaining": "999"}
    return Reply(status, {**standard, **(headers or {})}, json.dumps(document).encode())


class _Handler(BaseHTTPRequestHandler):
    standin: Standin
    protocol_version = "HTTP/1.1"

    def log_message(self, *_arguments: object) -> None:
        """Silent: the hub remembers each request."""

    def _handle(self) -> None:
        reply = self.standin.reply(self.command, self.path, self.headers, self._body())
        if reply is None:
            self.close_connection = True
            return
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        if reply.status != 204:
            self.send_header("Content-Length", str(len(reply.content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(reply.content)

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            chunks = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                chunks.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(chunks)
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = do_HEAD = _handle  # noqa: N815
