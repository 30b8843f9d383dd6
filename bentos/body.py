"""Reading a request's body without ever holding more of it than the contract allows."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from bentos.answers import RequestError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Receive = Callable[[], Awaitable[dict[str, Any]]]

# A caller that sends too much hears so only after sending; beyond this the connection is cut.
DISCARD_BYTES = 64 << 20
CLOSE = ((b"connection", b"close"),)


class DisconnectedError(Exception):
    """The caller went away before the whole body was there."""


async def read_body(
    headers: dict[bytes, bytes], receive: Receive, limit: int, timeout_seconds: float
) -> bytes:
    """The whole body, of at most ``limit`` bytes.

    Raises RequestError ``too_large`` or ``slow_request``, and DisconnectedError.
    """
    expects = headers.get(b"expect", b"").lower() == b"100-continue"
    if expects and int(headers.get(b"content-length", b"0") or 0) > limit:
        raise _too_large(limit)
    message = await receive()
    if message["type"] == "http.request" and not message.get("more_body"):
        body: bytes = message.get("body", b"")
        if len(body) > limit:
            raise _too_large(limit)
        return body
    try:
        async with asyncio.timeout(timeout_seconds):
            return await _rest(message, receive, limit)
    except TimeoutError:
        text = f"The body did not arrive within {timeout_seconds:g} seconds."
        raise RequestError("slow_request", text, headers=CLOSE) from None


async def _rest(message: dict[str, Any], receive: Receive, limit: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    while True:
        if message["type"] != "http.request":
            raise DisconnectedError
        part = message.get("body", b"")
        size += len(part)
        if size <= limit:
            parts.append(part)
        else:
            parts.clear()
        if not message.get("more_body") or size > limit + DISCARD_BYTES:
            break
        message = await receive()
    if size > limit:
        raise _too_large(limit)
    return b"".join(parts)


def _too_large(limit: int) -> RequestError:
    text = f"The body is larger than {limit} bytes; send the rows in several requests."
    return RequestError("too_large", text, headers=CLOSE)
