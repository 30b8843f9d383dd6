"""The tokens of a step that opens a pull request."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ci.github.client import GitHub

# The token of the GitHub App, where there is one: what it opens starts the checks by itself.
APP_TOKEN = "APP_TOKEN"  # noqa: S105 (a name)


def tokens(*, keep: bool = False) -> tuple[GitHub, GitHub]:
    """GitHub for this run, and for what it opens.

    Stages that run later see no token; where none does, ``keep`` leaves this run's for Git.
    """
    from dataclasses import replace

    from ci.github.client import GitHub
    from ci.github.context import Context

    context = Context.from_environment()
    github = GitHub(context)
    app = os.environ.pop(APP_TOKEN, "")
    if not keep:
        os.environ.pop("GITHUB_TOKEN", None)
    return github, GitHub(replace(context, token=app)) if app else github
