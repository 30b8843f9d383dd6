"""What a host tells Alertmanager: that it fails for a while, and that another one is silent."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from ci.console import say
from ci.contract.access import PLATFORM
from ci.contract.deployment import DeploymentPolicy
from ci.contract.policy import load_policy
from ci.host.records import all_hosts
from ci.host.status import is_silent
from ci.observe.push import VARIABLE, Alert, asked, push
from ci.state.local import state_folder

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ci.errors import MlopsError
    from ci.repository import Repository

SILENT = "HostSilent"
# A switch or a remote that is away for a moment wakes nobody.
PATIENCE_SECONDS = 300.0
# An alert that is not told again ends by itself; looks are an hour apart at most.
LASTS = timedelta(hours=2)


class Alarm:
    """Remembers from one look to the next what Alertmanager was told.

    With ``patient`` a problem is told of only when it lasts.
    """

    def __init__(self, repository: Repository, host: str, *, patient: bool) -> None:
        self._repository, self._host = repository, host
        self._patience = PATIENCE_SECONDS if patient else 0.0
        self._since: float | None = None
        self._raised: dict[str, Alert] = {}
        self._untold = False

    def tell(self, problems: Sequence[MlopsError]) -> None:
        """Raise what is wrong now, end what is no longer; nothing without ALERTMANAGER_URL."""
        url = asked()
        if url is None:
            return
        now = datetime.now(UTC)
        wrong = {alert.about["host"]: alert for alert in self._wrong(problems)}
        over = [alert for host, alert in self._raised.items() if host not in wrong]
        taken = [push(alert, now, now + LASTS, url) for alert in wrong.values()]
        taken += [push(alert, now, now, url) for alert in over]
        self._raised = wrong
        if not all(taken) and not self._untold:
            say(f"{self._host}: no Alertmanager takes alerts at {url} ({VARIABLE}).")
        self._untold = not all(taken)

    def _wrong(self, problems: Sequence[MlopsError]) -> Iterator[Alert]:
        if not problems:
            self._since = None
        elif self._since is None:
            self._since = time.monotonic()
        if self._since is not None and time.monotonic() - self._since >= self._patience:
            yield self._failed(problems)
        yield from self._silent()

    def _failed(self, problems: Sequence[MlopsError]) -> Alert:
        more = f" (and {len(problems) - 1} more)" if problems[1:] else ""
        return Alert(
            "HostFailed",
            {"host": self._host, "owner": PLATFORM},
            "page",
            f"The host {self._host} is not as it should be: {problems[0].message}{more}",
            "There, type: mlops doctor (docs/runbooks/a-host-fails.md)",
        )

    def _silent(self) -> Iterator[Alert]:
        """Hosts of the policy that were not heard of; who can't pull, knows of none anew."""
        if self._since is not None:
            yield from (alert for alert in self._raised.values() if alert.name == SILENT)
            return
        given = load_policy(self._repository, DeploymentPolicy).hosts
        for record in all_hosts(state_folder(self._repository)):
            if record.name != self._host and record.name in given and is_silent(record):
                yield Alert(
                    SILENT,
                    {"host": record.name, "owner": PLATFORM},
                    "page",
                    f"The host {record.name} was last heard of at {record.at}.",
                    "Look there: systemctl status mlops-"
                    f"{record.name} (docs/runbooks/a-host-is-silent.md)",
                )
