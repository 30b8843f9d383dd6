"""`mlops drift --watch`: this host looks at its own calls every minute and raises the alert."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from ci.contract.monitoring import MonitoringPolicy
from ci.contract.policy import load_policy
from ci.errors import MlopsError
from ci.files import write_json
from ci.monitor.alerts import causes
from ci.observe.push import Alert, about, asked, push
from ci.observe.write import ALERTMANAGER

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ci.contract.monitoring import Watch
    from ci.monitor.conclude import Checked
    from ci.repository import Repository

# What the next look may find mended; each is said.
PASSING = ("too_few_logged", "storage_failed", "bad_outcomes")


@dataclass(frozen=True)
class Look:
    """One look: what it found in a sentence, and whether an alert was raised now."""

    said: str
    raised: bool


class Watcher:
    """Looks at one model's calls."""

    def __init__(self, repository: Repository, model: str, rules: Watch) -> None:
        self._repository, self._model, self._rules = repository, model, rules

    @property
    def file(self) -> Path:
        """The newest alert, for whoever watches a file."""
        return self._repository.state_dir / "alerts" / f"drift-{self._model}.json"

    def look(self, now: datetime) -> Look:
        """Check the newest calls once; where that says nothing, the reason is said."""
        from ci.monitor.drift import check_drift

        try:
            checked = check_drift(
                self._repository, self._model, live=True, watch=self._rules, now=now
            )
        except MlopsError as error:
            if error.code not in PASSING:
                raise
            return Look(error.message, raised=False)
        return self._found(checked, now)

    def _found(self, checked: Checked, now: datetime) -> Look:
        if not checked.raised:
            known = " (raised before)" if checked.alert else ""
            return Look(f"{checked.headline}{known}", raised=False)
        columns = causes(checked.features, checked.worse)
        document = {"model": self._model, "time": now.isoformat(), "columns": columns}
        write_json(self.file, {**document, "headline": checked.headline})
        told = self._tell(checked, now)
        return Look(f"{checked.headline} {told}", raised=True)

    def _tell(self, checked: Checked, now: datetime) -> str:
        """Hand the alert to Alertmanager, which knows who is told; none listening is no failure."""
        url = asked() or f"http://{ALERTMANAGER}"
        alert = Alert(
            "Drift",
            about(self._repository, self._model),
            "warning",
            checked.headline,
            f"On its host, type: mlops drift {self._model} --live (docs/how-to/read-a-drift-report"
            ".md)",
            {"description": checked.period},
        )
        cooldown = load_policy(self._repository, MonitoringPolicy).alert.cooldown_hours
        if push(alert, now, now + timedelta(hours=cooldown), url):
            return "Alertmanager has it."
        return f"No Alertmanager took it at {url}."


def looks(watcher: Watcher, rules: Watch) -> Iterator[Look]:
    """A look every so many seconds, without end."""
    import time

    while True:
        began = time.monotonic()
        yield watcher.look(datetime.now(UTC))
        time.sleep(max(0.0, rules.every_seconds - (time.monotonic() - began)))
