"""`policies/alerting.yaml`: who is told when something is wrong with what runs, and how."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Annotated, ClassVar, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from ci.contract.base import Contract, Text
from ci.contract.policy import Policy

if TYPE_CHECKING:
    from ci.repository import Repository
    from ci.yaml_file import Key


def _absolute(value: str) -> str:
    if not PurePosixPath(value).is_absolute():
        raise ValueError(
            "a secret stands in a file of the machine that runs Alertmanager, not here: give its "
            "whole path, such as /etc/mlops/slack-url"
        )
    return value


SecretFile = Annotated[str, AfterValidator(_absolute)]
Address = Annotated[str, StringConstraints(pattern=r"^[^@\s,<>]+@[^@\s,<>]+$", max_length=254)]
Relay = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9.-]+:[0-9]{1,5}$")]
Web = Annotated[str, StringConstraints(pattern=r"^https?://[^\s]+$")]


class Slack(Contract):
    """Messages to a channel of Slack, or of what takes the same webhooks (Mattermost …)."""

    url_file: SecretFile
    """File that holds the address of the incoming webhook, which is a secret."""


class PagerDuty(Contract):
    """Incidents at PagerDuty, for alerts that somebody has to get up for (`severity: page`)."""

    key_file: SecretFile
    """File that holds the integration key (Events API v2)."""
    url: Web = "https://events.pagerduty.com/v2/enqueue"
    """Where events are sent; in the EU it is https://events.eu.pagerduty.com/v2/enqueue."""


class Email(Contract):
    """Mail through a relay."""

    to: Annotated[list[Address], Field(min_length=1)]
    """Who gets it."""
    sender: Address
    """From whom it is."""
    relay: Relay
    """HOST:PORT of the mail server."""
    tls: bool = True
    """Whether mail is refused to a relay that can't encrypt; false only for one on this machine."""
    user: Text | None = None
    """Name to log in with, where the relay wants one."""
    password_file: SecretFile | None = None
    """File that holds the password of `user`."""

    @model_validator(mode="after")
    def _both(self) -> Self:
        if (self.user is None) != (self.password_file is None):
            raise ValueError("user and password_file belong together")
        return self


class AlertingPolicy(Policy):
    """The whole of `policies/alerting.yaml`; a channel that is not there tells nobody."""

    file: ClassVar[str] = "alerting.yaml"

    slack: Slack | None = None
    """Every alert."""
    email: Email | None = None
    """Every alert."""
    pagerduty: PagerDuty | None = None
    """Alerts that somebody has to get up for."""
    wait_seconds: Annotated[int, Field(ge=1, le=3600)] = 30
    """So long the first alert about something waits for others that belong to it."""
    repeat_hours: Annotated[int, Field(ge=1, le=720)] = 24
    """An alert that lasts is told again so often."""

    def misfits(self, repository: Repository) -> list[tuple[Key, str]]:
        """Secrets that lie in this repository."""
        files: list[tuple[Key, str | None]] = [
            (("slack", "url_file"), self.slack.url_file if self.slack else None),
            (("pagerduty", "key_file"), self.pagerduty.key_file if self.pagerduty else None),
            (("email", "password_file"), self.email.password_file if self.email else None),
        ]
        return [
            (key, f"{path} lies in this repository; keep secrets outside of it.")
            for key, path in files
            if path and PurePosixPath(path).is_relative_to(repository.root.as_posix())
        ]
