"""Callers who ask without a pause, on connections that stay open, and note the answers."""

from __future__ import annotations

import contextlib
import http.client
import json
import threading
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

CALLERS = 16


@dataclass
class Load:
    """Callers of the tiny model who each send a row of their own and check the answer to it.

    ``slopes`` has the slope of each version that may answer; one that is no release is None.
    """

    port: int
    path: str = "/predict"
    slopes: Mapping[int | None, float] = field(default_factory=lambda: {None: 2.0})
    callers: int = CALLERS
    outcomes: list[tuple[float, str]] = field(default_factory=list)
    versions: list[tuple[float, int | None]] = field(default_factory=list)

    def __enter__(self) -> Load:
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._call, args=(i,)) for i in range(self.callers)
        ]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def failed(self) -> Counter[str]:
        """How often callers got anything but the right answer, by what they got."""
        return Counter(outcome for _, outcome in self.outcomes if outcome != "ok")

    def _call(self, number: int) -> None:
        while not self._stop.is_set():
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
            with contextlib.closing(connection), contextlib.suppress(OSError):
                while not self._stop.is_set():
                    self._note(self._ask(connection, number))

    def _ask(self, connection: http.client.HTTPConnection, number: int) -> str:
        body = json.dumps({"rows": [{"x": float(number), "n": 1, "mode": "ok"}]})
        headers = {"Content-Type": "application/json", "X-Caller-Id": f"caller-{number}"}
        try:
            connection.request("POST", self.path, body, headers)
            answer = connection.getresponse()
            text = answer.read()
        except (OSError, http.client.HTTPException):
            self._note("connection")
            raise ConnectionError from None
        if answer.status == 503 and not answer.headers["Retry-After"]:
            return "503 without Retry-After"
        if answer.status != 200:
            return str(answer.status)
        found = json.loads(text)
        self.versions.append((time.monotonic(), found["version"]))
        right = [self.slopes[found["version"]] * number + 1]
        return "ok" if found["predictions"] == right else "wrong"

    def _note(self, outcome: str) -> None:
        self.outcomes.append((time.monotonic(), outcome))
