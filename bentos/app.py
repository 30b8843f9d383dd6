"""The HTTP side of a model: a bare ASGI application, wrapped around BentoML's own.

It answers every request itself but `/livez`, so that none of BentoML's middlewares lies on the path
of a prediction and every error has the one shape.
"""

from __future__ import annotations

import functools
import itertools
import json
import logging
import os
import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from bentos import pages
from bentos.answers import Answer, RequestError, error_answer, json_answer
from bentos.body import DisconnectedError, read_body
from bentos.columns import rows_frame
from bentos.form import form
from bentos.metrics import Metrics, exposition
from bentos.model import no_worker, overloaded
from bentos.openapi import document
from bentos.replies import JSON, Replies, accepted
from bentos.rows import RowsError
from bentos.tables import TABLES, table_frame

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

    from bentos.access import Access
    from bentos.frames import Frame
    from bentos.model import ServedModel
    from bentos.records import Records

    Scope = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[dict[str, Any]]]
    Send = Callable[[dict[str, Any]], Awaitable[None]]
    ASGI = Callable[[Scope, Receive, Send], Awaitable[None]]

READING = ("GET", "HEAD")
METHODS = {
    "/predict": ("POST",),
    "/": READING,
    "/docs": READING,
    "/docs.json": READING,
    "/metadata": READING,
    "/readyz": READING,
    "/livez": READING,
    "/metrics": READING,
}
HTML = b"text/html; charset=utf-8"
# The page runs its own script and reaches this service only.
PAGE_POLICY = (
    b"default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
    b"connect-src 'self'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'"
)
PAGE_HEADERS = ((b"content-security-policy", PAGE_POLICY),)
# Asked for every few seconds by machines: counted, and not recorded.
QUIET_PATHS = frozenset({"/readyz", "/metrics"})
REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}")
TRACE = re.compile(rb"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")
logger = logging.getLogger("bentoml.model")


@dataclass
class Call:
    """A request and what there is to say of it once it is answered."""

    scope: Scope
    headers: dict[bytes, bytes]
    began: float
    id: str
    caller: str = ""
    rows: int = 0


class Application:
    """One model's API. ``inner`` is BentoML's application."""

    def __init__(self, model: ServedModel, inner: ASGI, records: Records, access: Access) -> None:
        self._model = model
        self._inner = inner
        self._records = records
        self._access = access
        self._metrics = Metrics(model.bundle)
        self._numbers = itertools.count()
        self._run = os.urandom(6).hex()
        self._under_way = 0
        bundle = model.bundle
        self._inputs = bundle.inputs
        described = document(bundle)
        self._fixed = {
            "/": Answer(200, form(bundle, described), HTML, PAGE_HEADERS),
            "/docs": Answer(200, pages.docs(bundle, described), HTML),
            "/docs.json": json_answer(described),
            "/metadata": json_answer(_metadata(model)),
        }
        self._replies = Replies(bundle)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request; leave everything else to BentoML."""
        if scope["type"] == "lifespan":
            await self._inner(scope, receive, send)
            self._records.close()
            return
        if scope["path"] == "/livez" and scope["method"] in READING:
            await self._inner(scope, receive, send)
            return
        headers = dict(scope["headers"])
        call = Call(scope, headers, time.perf_counter(), self._id(headers))
        try:
            answer = await self._answer(call, receive)
        except DisconnectedError:
            self._leave(call, 499, "disconnected")
            return
        self._leave(call, answer.status, answer.code)
        head = [*answer.all_headers(), (b"x-request-id", call.id.encode())]
        await send({"type": "http.response.start", "status": answer.status, "headers": head})
        await send({"type": "http.response.body", "body": answer.body})

    def _id(self, headers: dict[bytes, bytes]) -> str:
        """The caller's own X-Request-ID where it is one, else a new one."""
        given = headers.get(b"x-request-id", b"").decode("latin-1")
        return given if REQUEST_ID.fullmatch(given) else f"{self._run}-{next(self._numbers):x}"

    def _leave(self, call: Call, status: int, code: str) -> None:
        """Count the call and leave its record."""
        seconds = time.perf_counter() - call.began
        path = call.scope["path"] if call.scope["path"] in METHODS else "other"
        self._metrics.request(path, status, code)
        if path == "/predict":
            self._metrics.predicted(seconds, call.rows)
        if path in QUIET_PATHS:
            return
        record = {
            "time": time.time(),
            "request_id": call.id,
            "caller": call.caller,
            "method": call.scope["method"],
            "path": path,
            "status": status,
            "code": code,
            "rows": call.rows,
            "ms": round(seconds * 1000, 3),
        }
        if trace := TRACE.match(call.headers.get(b"traceparent", b"")):
            record["trace_id"] = trace[1].decode()
        self._records.request(record)

    async def _answer(self, call: Call, receive: Receive) -> Answer:
        path = call.scope["path"]
        try:
            _check_method(path, call.scope["method"])
            if path == "/predict":
                return await self._predict(call, receive)
            if path == "/readyz":
                return self._ready()
            return self._measured(call) if path == "/metrics" else self._fixed[path]
        except RequestError as error:
            return error_answer(error)
        except DisconnectedError:
            raise
        except Exception:
            logger.exception("%s failed", path)
            return error_answer(
                RequestError("internal_error", "The service failed; its log says how.")
            )

    def _measured(self, call: Call) -> Answer:
        call.caller = self._access.caller(call.headers, operator=True)
        self._metrics.state(self._model, self._records.dropped)
        return Answer(200, exposition(), b"text/plain; version=0.0.4; charset=utf-8")

    def _ready(self) -> Answer:
        workers = self._model.alive()
        if not workers:
            reason = self._model.failure or "No process of the model lives."
            raise RequestError("no_worker", reason, headers=no_worker().headers)
        return json_answer({"ready": True, "workers": workers})

    async def _predict(self, call: Call, receive: Receive) -> Answer:
        call.caller = self._access.caller(call.headers)
        kind = _media_type(call.headers)
        most = self._model.bundle.limits["max_concurrent"]
        if self._under_way >= most:  # before its body takes memory
            raise overloaded(most)
        self._under_way += 1
        try:
            return await self._predicted(call, kind, receive)
        finally:
            self._under_way -= 1

    async def _predicted(self, call: Call, kind: str, receive: Receive) -> Answer:
        limits = self._model.bundle.limits
        body = await read_body(
            call.headers, receive, limits["max_body_bytes"], limits["timeout_seconds"]
        )
        frame = self._frame(kind, body)
        predictions = await self._model.predict(frame, call.id)
        call.rows = predictions.rows
        self._records.predicted(time.time(), call.id, frame, predictions)
        return self._replies.reply(predictions, accepted(call.headers.get(b"accept", b"")))

    def _frame(self, kind: str, body: bytes) -> Frame:
        most = self._model.bundle.limits["max_rows"]
        try:
            if kind in TABLES:
                return table_frame(kind, body, self._inputs, most)
            return rows_frame(_rows(_parse(body), most), self._inputs)
        except RowsError as error:
            raise RequestError("invalid_rows", f"Rows refused: {error}", error.problems) from None


def _metadata(model: ServedModel) -> dict[str, Any]:
    bundle = model.bundle
    return {
        "model": bundle.name,
        "version": bundle.version,
        "release": bundle.release or None,
        "contract": bundle.contract,
    }


def _check_method(path: str, method: str) -> None:
    allowed = METHODS.get(path)
    if allowed is None:
        raise RequestError("not_found", "There is nothing at this path; see /docs.")
    if method not in allowed:
        names = ", ".join(allowed)
        text = f"This path takes {names}."
        raise RequestError("method_not_allowed", text, headers=((b"allow", names.encode()),))


def _media_type(headers: dict[bytes, bytes]) -> str:
    """What the body is; refuses what the service does not take, and what is compressed."""
    kind = _kind(headers.get(b"content-type", JSON.encode()))
    if kind is None:
        text = f"Send the rows with one of these as Content-Type: {', '.join((JSON, *TABLES))}."
        raise RequestError("unsupported_media_type", f"{text} Text is UTF-8.")
    if headers.get(b"content-encoding", b"identity").lower() != b"identity":
        raise RequestError("unsupported_media_type", "Send the body without compression.")
    return kind


@functools.lru_cache(maxsize=64)
def _kind(given: bytes) -> str | None:
    kind, *parameters = [part.strip() for part in given.decode("latin-1").lower().split(";")]
    charsets = [p.removeprefix("charset=").strip('"') for p in parameters if "charset=" in p]
    taken = kind in {JSON, *TABLES} and all(c in {"utf-8", "utf8"} for c in charsets)
    return kind if taken else None


def _parse(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        if (value := _parse_with_nan(body)) is not None:
            return value
        text = f"The body is not valid JSON in UTF-8 (NaN and Infinity are not JSON): {error}"
        raise RequestError("invalid_json", text) from None


def _parse_with_nan(body: bytes) -> Any | None:
    """The value of a body that is JSON but for NaN and Infinity, which R and Python write.

    They are no JSON, but the check of the rows can name the row and the column.
    """
    if b"NaN" not in body and b"Infinity" not in body:
        return None
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _rows(value: Any, most: int) -> list[Any]:
    if not isinstance(value, dict) or "rows" not in value:
        raise RequestError("invalid_rows", 'The body must be an object such as {"rows": [{…}, …]}.')
    if len(value) > 1:
        other = next(key for key in value if key != "rows")
        text = f"The body takes only the key 'rows', not {other[:80]!r}."
        raise RequestError("invalid_rows", text)
    rows = value["rows"]
    if not isinstance(rows, list):
        raise RequestError("invalid_rows", "The value of rows must be a list of objects.")
    if not rows:
        raise RequestError("invalid_rows", "The list of rows is empty; send at least one.")
    if len(rows) > most:
        text = f"There are {len(rows)} rows; send at most {most} in one request."
        raise RequestError("invalid_rows", text)
    return rows
