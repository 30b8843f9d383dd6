"""A job's client of the stand-in, as a workflow on main would make it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ci.github.client import GitHub
from ci.github.context import Context
from tests.workflows.standin.hub import BOT

if TYPE_CHECKING:
    from pathlib import Path

    from tests.workflows.standin.hub import Hub


def job_client(hub: Hub, token: str, workspace: Path) -> GitHub:
    """The client of a scheduled job with ``token`` and the checkout ``workspace``."""
    return GitHub(
        Context(
            repository=hub.full_name,
            api_url=hub.url,
            server_url=hub.url,
            token=token,
            event={},
            event_name="schedule",
            sha="abc",
            ref="refs/heads/main",
            actor=BOT,
            run_id=1,
            run_attempt=1,
            workspace=workspace,
            temp=hub.folder,
        )
    )
