"""What the service answers: a status, headers and a body; and the one shape of an error."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bentos.rows import RowProblem

Headers = list[tuple[bytes, bytes]]

# What each error code means to a caller, by HTTP status; the OpenAPI document lists them too.
ERRORS: Mapping[str, tuple[int, str]] = {
    "invalid_json": (400, "The body is not JSON."),
    "invalid_table": (400, "The body is not the table that its Content-Type says."),
    "unauthorized": (401, "No API key, or one that is unknown, revoked or expired."),
    "forbidden": (403, "The API key is not for this model or path."),
    "not_found": (404, "There is nothing at this path."),
    "method_not_allowed": (405, "The path does not take this method; see the Allow header."),
    "slow_request": (408, "The body did not arrive in time."),
    "too_large": (413, "The body is larger than this model takes."),
    "unsupported_media_type": (415, "The Content-Type is not one that the service takes."),
    "invalid_rows": (422, "A row, or the number of rows, is not what the model's contract allows."),
    "too_many_requests": (429, "The department calls more often than it may; see Retry-After."),
    "model_error": (500, "The model's own code failed on these rows."),
    "internal_error": (500, "The service failed; this is a defect of the platform."),
    "overloaded": (503, "The model answers as many calls as it may at a time; try again."),
    "no_worker": (503, "No process of the model can answer now; try again."),
    "deadline": (504, "The model did not answer in time."),
}


@dataclass(frozen=True)
class Answer:
    """A whole response; ``code`` is the error code, or an empty string."""

    status: int
    body: bytes
    media_type: bytes = b"application/json"
    headers: tuple[tuple[bytes, bytes], ...] = ()
    code: str = ""

    def all_headers(self) -> Headers:
        """The headers to send."""
        length = (b"content-length", str(len(self.body)).encode())
        return [(b"content-type", self.media_type), length, *self.headers]


class RequestError(Exception):
    """A request that gets an error as its answer; ``code`` is a key of ``ERRORS``."""

    def __init__(
        self,
        code: str,
        message: str,
        rows: Sequence[RowProblem] = (),
        headers: tuple[tuple[bytes, bytes], ...] = (),
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.rows = rows
        self.headers = headers


def json_answer(value: Any, status: int = 200) -> Answer:
    """``value`` as JSON. It holds no NaN: orjson would write null for it."""
    return Answer(status, orjson.dumps(value))


def error_answer(error: RequestError) -> Answer:
    """The error in its one shape."""
    rows = [{"index": r.index, "column": r.column, "problem": r.problem} for r in error.rows]
    body = {"error": {"code": error.code, "message": error.message, "rows": rows}}
    status = ERRORS[error.code][0]
    return Answer(status, orjson.dumps(body), headers=error.headers, code=error.code)
