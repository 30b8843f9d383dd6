"""What a step of a workflow is told about its run."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ci.errors import MlopsError

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Context:
    """A run of a workflow: ``event`` is the payload that started it, ``repository`` owner/name."""

    repository: str
    api_url: str
    server_url: str
    token: str | None = field(repr=False)
    event: dict[str, Any] = field(repr=False)
    event_name: str
    sha: str
    ref: str
    actor: str
    run_id: int
    run_attempt: int
    workspace: Path
    temp: Path

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Context:
        """The run that this process is a step of.

        Raises:
            MlopsError: ``not_in_actions`` outside GitHub Actions.
        """
        values = _Values(environment)
        return cls(
            repository=values["GITHUB_REPOSITORY"],
            api_url=values["GITHUB_API_URL"].rstrip("/"),
            server_url=values["GITHUB_SERVER_URL"].rstrip("/"),
            token=environment.get("GITHUB_TOKEN") or None,
            event=_event(Path(values["GITHUB_EVENT_PATH"])),
            event_name=values["GITHUB_EVENT_NAME"],
            sha=values["GITHUB_SHA"],
            ref=values["GITHUB_REF"],
            actor=values["GITHUB_ACTOR"],
            run_id=int(values["GITHUB_RUN_ID"]),
            run_attempt=int(environment.get("GITHUB_RUN_ATTEMPT") or 1),
            workspace=Path(values["GITHUB_WORKSPACE"]),
            temp=Path(values["RUNNER_TEMP"]),
        )

    @property
    def owner(self) -> str:
        """Who the repository belongs to."""
        return self.repository.partition("/")[0]

    @property
    def run_url(self) -> str:
        """The page of this run."""
        return f"{self.server_url}/{self.repository}/actions/runs/{self.run_id}"


class _Values:
    """The environment, where a missing name is a sentence."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment

    def __getitem__(self, name: str) -> str:
        value = self._environment.get(name)
        if not value:
            raise MlopsError(
                "not_in_actions",
                f"{name} is not set: this command is a step of a GitHub Actions workflow and "
                "does nothing elsewhere; `mlops --help` lists what runs here.",
            )
        return value


def _event(path: Path) -> dict[str, Any]:
    try:
        event = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise MlopsError(
            "not_in_actions", f"GITHUB_EVENT_PATH names {path}, which is no event: {error}."
        ) from None
    if not isinstance(event, dict):
        raise MlopsError("not_in_actions", f"The event in {path} is not an object.")
    return event
