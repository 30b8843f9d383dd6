"""Lines that a service leaves: one a request, and what was asked and predicted, for monitoring.

A request only hands its values over; a thread writes them. What can't be written (a full disk, a
thread that can't keep up) is dropped and counted: it neither fails nor holds up a request.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bentos.bundle import Bundle
    from bentos.frames import Frame

FLUSH_SECONDS = 0.1
# Requests wait while this thread holds the interpreter: it works for a little and rests for more.
WORK_SECONDS = 0.0002
REST_SECONDS = 0.0005
WAITING_LINES = 20_000
FILE_BYTES = 16 << 20
KEPT_FILES = 16
ROWS_LOGGED = 100
ACCESS_FILE = "access.jsonl"
PREDICTIONS_FILE = "predictions.jsonl"


class Records:
    """The two files of one service in ``directory``; with None nothing is recorded."""

    def __init__(self, directory: Path | None, bundle: Bundle) -> None:
        self.dropped = 0
        self._model = {"model": bundle.name, "version": bundle.version}
        self._kept = [name for name, rules in bundle.inputs.items() if not rules.get("pii")]
        self._access: deque[dict[str, Any]] = deque(maxlen=WAITING_LINES)
        self._predictions: deque[tuple[float, str, Frame, Frame]] = deque(maxlen=WAITING_LINES)
        self._directory = directory
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="records", daemon=True)
        if directory is not None:
            self._thread.start()

    def request(self, record: dict[str, Any]) -> None:
        """One call: ``time`` in seconds since 1970, and what else there is to say of it."""
        if self._directory is not None:
            self.dropped += len(self._access) == WAITING_LINES
            self._access.append(record)

    def predicted(self, when: float, request_id: str, frame: Frame, predictions: Frame) -> None:
        """What a call asked and was answered; not to be changed afterwards."""
        if self._directory is not None:
            self.dropped += len(self._predictions) == WAITING_LINES
            self._predictions.append((when, request_id, frame, predictions))

    def close(self) -> None:
        """Write what waits, and end."""
        self._closing.set()
        if self._directory is not None:
            self._thread.join()

    def _run(self) -> None:
        closing = False
        while not closing:
            closing = self._closing.wait(FLUSH_SECONDS)
            self._write(ACCESS_FILE, map(self._access_line, self._taken(self._access)))
            predictions = self._taken(self._predictions)
            self._write(PREDICTIONS_FILE, map(self._prediction_line, predictions))

    def _taken(self, waiting: deque[Any]) -> Iterator[Any]:
        """What waits now, taken off; with rests between, but for the last time."""
        began = time.perf_counter()
        for _ in range(len(waiting)):
            yield waiting.popleft()
            if time.perf_counter() - began > WORK_SECONDS and not self._closing.is_set():
                time.sleep(REST_SECONDS)
                began = time.perf_counter()

    def _access_line(self, record: dict[str, Any]) -> bytes:
        return _line({**record, "time": _iso(record["time"]), **self._model})

    def _prediction_line(self, entry: tuple[float, str, Frame, Frame]) -> bytes:
        """At most ROWS_LOGGED rows, evenly spread, without the columns with personal data."""
        when, request_id, frame, predictions = entry
        step = -(-predictions.rows // ROWS_LOGGED)
        return _line(
            {
                "time": _iso(when),
                "request_id": request_id,
                **self._model,
                "rows": predictions.rows,
                "step": step,
                "inputs": {name: frame.columns[name].every(step) for name in self._kept},
                "predictions": by_row(predictions, step),
            }
        )

    def _write(self, name: str, lines: Iterator[bytes]) -> None:
        written = list(lines)
        if not written or self._directory is None:
            return
        try:
            path = self._directory / name
            path.parent.mkdir(parents=True, exist_ok=True)
            make_room(path)
            with path.open("ab") as file:
                file.write(b"".join(written))
        except OSError:
            self.dropped += len(written)


def by_row(predictions: Frame, step: int = 1) -> list[Any]:
    """A value a row, or an object where there are several outputs."""
    columns = {name: column.every(step) for name, column in predictions.columns.items()}
    if len(columns) == 1:
        return next(iter(columns.values()))
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def make_room(path: Path) -> None:
    """Give a file that is full its time as a name, and delete the oldest beyond those kept."""
    if not path.exists() or path.stat().st_size <= FILE_BYTES:
        return
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%f")
    path.rename(path.with_name(f"{path.stem}-{stamp}{path.suffix}"))
    older = sorted(path.parent.glob(f"{path.stem}-*{path.suffix}"))
    for each in older[:-KEPT_FILES]:
        each.unlink(missing_ok=True)


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")


def _line(record: dict[str, Any]) -> bytes:
    return orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE)
