"""The tokens of a step that opens a pull request."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ci.github.client import GitHub

# The token of the GitHub App, where there is one: what it opens starts the checks by itself.
APP_TOKEN = "APP_TOKEN"  # noqa: S105 (a name)


def opener_of(github: GitHub) -> GitHub:
    """GitHub for what a run opens: that of its App, which nobody else sees, or ``github``."""
    from dataclasses import replace

    from ci.github.client import GitHub

    app = os.environ.pop(APP_TOKEN, "")
    return GitHub(replace(github.context, token=app)) if app else github


def tokens(*, keep: bool = False) -> tuple[GitHub, GitHub]:
    """GitHub for this run, and for what it opens.

    Stages that run later see no token; where none does, ``keep`` leaves this run's for Git.
    """
    from ci.github.client import GitHub
    from ci.github.context import Context

    github = GitHub(Context.from_environment())
    if not keep:
        os.environ.pop("GITHUB_TOKEN", None)
    return github, opener_of(github)
