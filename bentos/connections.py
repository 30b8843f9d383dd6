"""uvicorn's HTTP protocol, for callers too who never finish the head of a request or begin one.

uvicorn itself waits for such a caller for ever, and keeps all that comes of a head. It writes the
head of an answer and its body one after the other: a process that is killed in between leaves a
caller with half an answer, which HAProxy can't ask for again. Here both are one write.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

if TYPE_CHECKING:
    import asyncio

HEAD_SECONDS = 10.0
LOOK_SECONDS = 2.0
HEAD_BYTES = 64 << 10
STATUS = b"HTTP/1.1 "
INFORMATION = STATUS + b"1"  # another head follows, and not at once


class WholeAnswers:
    """A transport that keeps the head of an answer until its body comes, or nothing follows."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._head: bytes | None = None

    def write(self, data: bytes) -> None:
        """Keep a head; write anything else, after the head that waits for it."""
        if self._head is not None:
            head, self._head = self._head, None
            self._transport.writelines((head, data))
        elif data.startswith(STATUS) and not data.startswith(INFORMATION):
            self._head = data
        else:
            self._transport.write(data)

    def flush(self) -> None:
        """Write the head of an answer without a body."""
        if self._head is not None:
            head, self._head = self._head, None
            self._transport.write(head)

    def close(self) -> None:
        """Close after all that was to be written."""
        self.flush()
        self._transport.close()

    def __getattr__(self, name: str) -> Any:
        """All else is the transport's own."""
        return getattr(self._transport, name)


class PatientProtocol(HttpToolsProtocol):
    """Closes a connection whose next head does not come in time, or is too large."""

    _waits_since: float | None = None
    """Since when the head of a request is awaited; None during a request and between two."""
    _head_bytes = 0
    _look: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for the first head."""
        super().connection_made(transport)
        self._answers = WholeAnswers(transport)
        self.transport = self._answers  # type: ignore[assignment]
        self._waits_since = self.loop.time()
        self._look = self.loop.call_later(LOOK_SECONDS, self._close_late)

    def connection_lost(self, exc: Exception | None) -> None:
        """Look no more."""
        if self._look is not None:
            self._look.cancel()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """Wait for the rest of a head."""
        super().on_message_begin()
        if self._waits_since is None:
            self._waits_since = self.loop.time()

    def on_response_complete(self) -> None:
        """Nothing follows."""
        self._answers.flush()
        super().on_response_complete()

    def on_headers_complete(self) -> None:
        """It is there."""
        self._waits_since, self._head_bytes = None, 0
        super().on_headers_complete()

    def data_received(self, data: bytes) -> None:
        """Count what belongs to a head that is not whole yet."""
        waited = self._waits_since is not None
        super().data_received(data)
        if waited and self._waits_since is not None and not self.transport.is_closing():
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES:
                self.send_400_response("The head of the request is too large.")

    def _close_late(self) -> None:
        """One look for many requests: a timer for each would cost them more."""
        since = self._waits_since
        if since is not None and self.loop.time() - since > HEAD_SECONDS:
            self.transport.close()
        else:
            self._look = self.loop.call_later(LOOK_SECONDS, self._close_late)
