"""The HTTP side of a model: a bare ASGI application, wrapped around BentoML's own.

It answers every request itself but `/livez`, so that none of BentoML's middlewares lies on the path
of a prediction and every error has the one shape.
"""

from __future__ import annotations

import json
import logging
import time
from typing import TYPE_CHECKING, Any

import orjson

from bentos import pages
from bentos.answers import Answer, RequestError, error_answer, json_answer
from bentos.body import DisconnectedError, read_body
from bentos.metrics import Metrics, exposition
from bentos.model import no_worker
from bentos.openapi import document
from bentos.rows import RowsError, check_rows

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

    from bentos.model import ServedModel

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
logger = logging.getLogger("bentoml.model")


class Application:
    """One model's API. ``inner`` is BentoML's application."""

    def __init__(self, model: ServedModel, inner: ASGI) -> None:
        self._model = model
        self._inner = inner
        self._metrics = Metrics(model.bundle)
        bundle = model.bundle
        described = document(bundle)
        self._fixed = {
            "/": Answer(307, b"", b"text/plain", ((b"location", b"docs"),)),
            "/docs": Answer(200, pages.docs(bundle, described), b"text/html; charset=utf-8"),
            "/docs.json": json_answer(described),
            "/metadata": json_answer(_metadata(model)),
        }
        self._tail = b'],"model":%s,"version":%s}' % (
            orjson.dumps(bundle.name),
            orjson.dumps(bundle.version),
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request; leave everything else to BentoML."""
        if scope["type"] != "http":
            await self._inner(scope, receive, send)
            return
        path = scope["path"]
        if path == "/livez" and scope["method"] in READING:
            await self._inner(scope, receive, send)
            return
        try:
            answer = await self._answer(path, scope, receive)
        except DisconnectedError:
            return
        self._metrics.request(path if path in METHODS else "other", answer.status, answer.code)
        await send(
            {
                "type": "http.response.start",
                "status": answer.status,
                "headers": answer.all_headers(),
            }
        )
        await send({"type": "http.response.body", "body": answer.body})

    async def _answer(self, path: str, scope: Scope, receive: Receive) -> Answer:
        try:
            _check_method(path, scope["method"])
            if path == "/predict":
                return await self._predict(scope, receive)
            if path == "/readyz":
                return self._ready()
            return self._measured() if path == "/metrics" else self._fixed[path]
        except RequestError as error:
            return error_answer(error)
        except DisconnectedError:
            raise
        except Exception:
            logger.exception("%s failed", path)
            return error_answer(
                RequestError("internal_error", "The service failed; its log says how.")
            )

    def _measured(self) -> Answer:
        self._metrics.workers(self._model.alive(), self._model.restarts)
        return Answer(200, exposition(), b"text/plain; version=0.0.4; charset=utf-8")

    def _ready(self) -> Answer:
        workers = self._model.alive()
        if not workers:
            reason = self._model.failure or "No process of the model lives."
            raise RequestError("no_worker", reason, headers=no_worker().headers)
        return json_answer({"ready": True, "workers": workers})

    async def _predict(self, scope: Scope, receive: Receive) -> Answer:
        began = time.perf_counter()
        rows = 0
        try:
            headers = dict(scope["headers"])
            _check_media_type(headers)
            limits = self._model.bundle.limits
            body = await read_body(
                headers, receive, limits["max_body_bytes"], limits["timeout_seconds"]
            )
            columns = self._columns(body)
            predictions = await self._model.predict(columns)
            rows = len(predictions)
            return Answer(200, b'{"predictions":[' + orjson.dumps(predictions)[1:-1] + self._tail)
        finally:
            self._metrics.predicted(time.perf_counter() - began, rows)

    def _columns(self, body: bytes) -> dict[str, list[Any]]:
        rows = _rows(_parse(body), self._model.bundle.limits["max_rows"])
        try:
            return check_rows(self._model.bundle.inputs, rows)
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


def _check_media_type(headers: dict[bytes, bytes]) -> None:
    given = headers.get(b"content-type", b"application/json").decode("latin-1").lower()
    kind, *parameters = [part.strip() for part in given.split(";")]
    charsets = [p.removeprefix("charset=").strip('"') for p in parameters if "charset=" in p]
    if kind != "application/json" or any(c not in {"utf-8", "utf8"} for c in charsets):
        text = "Send the rows as JSON in UTF-8, with the header Content-Type: application/json."
        raise RequestError("unsupported_media_type", text)
    if headers.get(b"content-encoding", b"identity").lower() != b"identity":
        raise RequestError("unsupported_media_type", "Send the body without compression.")


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
