"""What Prometheus reads about one model: requests, latency, rows and workers."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prometheus_client import Counter

    from bentos.bundle import Bundle
    from bentos.model import ServedModel

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
LABELS = ("model", "version", "language")


class Metrics:
    """The counters of one service process. Create it once: names are registered globally."""

    def __init__(self, bundle: Bundle) -> None:
        # Only now: prometheus_client reads PROMETHEUS_MULTIPROC_DIR when it is imported.
        from prometheus_client import Counter, Gauge, Histogram, disable_created_metrics

        disable_created_metrics()  # type: ignore[no-untyped-call]
        version = "candidate" if bundle.version is None else str(bundle.version)
        self._labels = (bundle.name, version, bundle.language)
        self._requests = Counter(
            "mlops_requests",
            "Requests by path, HTTP status and error code (empty: no error)",
            (*LABELS, "path", "status", "code"),
        )
        self._children: dict[tuple[str, int, str], Counter] = {}
        self._seconds = Histogram(
            "mlops_predict_seconds", "Time to answer POST /predict", LABELS, buckets=BUCKETS
        ).labels(*self._labels)
        self._rows = Counter("mlops_rows", "Rows predicted", LABELS).labels(*self._labels)
        self._restarts = Counter(
            "mlops_worker_restarts", "Model processes started again", LABELS
        ).labels(*self._labels)
        self._workers = Gauge(
            "mlops_workers_alive", "Model processes alive", LABELS, multiprocess_mode="livesum"
        ).labels(*self._labels)
        self._waiting = Gauge(
            "mlops_calls_waiting",
            "Calls that wait for a process of the model",
            LABELS,
            multiprocess_mode="livesum",
        ).labels(*self._labels)
        self._load = Gauge(
            "mlops_model_load_seconds",
            "From the start of the model's processes to the first answer",
            LABELS,
            multiprocess_mode="livemax",
        ).labels(*self._labels)
        self._dropped = Counter(
            "mlops_records_dropped",
            "Access records and predictions that could not be written",
            LABELS,
        ).labels(*self._labels)
        self._seen: dict[Counter, int] = {}

    def request(self, path: str, status: int, code: str) -> None:
        """Count an answer; ``path`` is one of the service's own."""
        key = (path, status, code)
        child = self._children.get(key)
        if child is None:
            child = self._requests.labels(*self._labels, path, str(status), code)
            self._children[key] = child
        child.inc()

    def predicted(self, seconds: float, rows: int) -> None:
        """Count a call of POST /predict with the rows that it predicted."""
        self._seconds.observe(seconds)
        self._rows.inc(rows)

    def state(self, model: ServedModel, dropped: int) -> None:
        """Take over what is true now, and what was counted elsewhere since the start."""
        self._workers.set(model.alive())
        self._waiting.set(model.waiting())
        self._load.set(model.load_seconds)
        for counter, total in ((self._restarts, model.restarts), (self._dropped, dropped)):
            counter.inc(total - self._seen.get(counter, 0))
            self._seen[counter] = total


def exposition() -> bytes:
    """All metrics as Prometheus reads them; of all processes where `bentoml serve` has several."""
    from prometheus_client import REGISTRY, CollectorRegistry, generate_latest, multiprocess

    registry = REGISTRY
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        registry = CollectorRegistry()
        multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return generate_latest(registry)
