"""Alerts that no series of Prometheus has, handed to Alertmanager, which knows who is told."""

from __future__ import annotations

import json
import os
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Literal

from ci.contract.model import load_model_contract
from ci.errors import MlopsError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ci.repository import Repository

VARIABLE = "ALERTMANAGER_URL"
POST_SECONDS = 5
# A batch that failed stays so until one is well, or for longer than a week's schedule.
BATCH_LASTS = timedelta(days=8)
# Two runs of the same at once: the first is well.
NO_FAILURE = ("busy",)


@dataclass(frozen=True)
class Alert:
    """What is wrong: ``about`` are the labels by which it is the same alert from time to time."""

    name: str
    about: Mapping[str, str]
    severity: Literal["page", "warning"]
    summary: str
    next: str
    more: Mapping[str, str] = field(default_factory=dict)

    def document(self, begins: datetime, ends: datetime) -> dict[str, object]:
        """The alert as Alertmanager's API v2 takes it."""
        return {
            "labels": {"alertname": self.name, **self.about, "severity": self.severity},
            "annotations": {"summary": self.summary, "next": self.next, **self.more},
            "startsAt": begins.isoformat(),
            "endsAt": ends.isoformat(),
        }


def asked() -> str | None:
    """The Alertmanager that this process is to tell; None where it is to tell nobody."""
    return os.environ.get(VARIABLE) or None


def push(alert: Alert, now: datetime, ends: datetime, url: str) -> bool:
    """Tell of ``alert``, or that it ended; False where nobody took it, which is no failure."""
    try:
        request = urllib.request.Request(  # noqa: S310 (the operator's own address)
            f"{url.rstrip('/')}/api/v2/alerts",
            data=json.dumps([alert.document(min(now, ends), ends)]).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=POST_SECONDS):  # noqa: S310
            return True
    except (OSError, ValueError):
        return False


def about(repository: Repository, model: str) -> dict[str, str]:
    """The labels of an alert about ``model``: it and its owner.

    Raises:
        MlopsError: ``unknown_model`` or ``bad_contract``.
    """
    return {"model": model, "owner": load_model_contract(repository, model).owner}


@contextmanager
def batch_told(repository: Repository, model: str, *, whole: bool = True) -> Iterator[None]:
    """Tell of a declared batch that fails in here and, where this is the ``whole``, of the end."""
    url = asked()
    try:
        yield
    except Exception as error:
        if url and not (isinstance(error, MlopsError) and error.code in NO_FAILURE):
            said = error.message if isinstance(error, MlopsError) else str(error)
            _tell_batch(repository, model, f"The batch of {model} failed: {said}", url, BATCH_LASTS)
        raise
    if url and whole:
        _tell_batch(repository, model, f"The batch of {model} is scored.", url, timedelta(0))


def _tell_batch(
    repository: Repository, model: str, summary: str, url: str, lasts: timedelta
) -> None:
    from ci.console import say

    try:
        labels = about(repository, model)
    except MlopsError:  # the mistake of whoever typed it, or one that `mlops check` tells of
        return
    now = datetime.now(UTC)
    alert = Alert(
        "BatchFailed",
        labels,
        "warning",
        summary,
        f"When that is put right, type: mlops score {model} (docs/runbooks/batch-failed.md)",
    )
    if not push(alert, now, now + lasts, url):
        say(f"No Alertmanager took that at {url} ({VARIABLE}).")
