"""The issue of the watchdog: one, open while some schedule is not kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ci.github.kept import close, keep_open, kept_issues
from ci.report.markdown import plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ci.clock.watchdog import Missed
    from ci.github.client import GitHub

LABEL = KEY = "watchdog"


def raise_alarm(github: GitHub, found: Sequence[Missed], team: str) -> int | None:
    """Bring the issue in step with ``found``; ``team`` is who is to look. Returns its number."""
    known = kept_issues(github, LABEL)
    if found:
        title = f"Schedules that were not kept: {', '.join(each.workflow for each in found)}"
        return int(keep_open(github, known, KEY, LABEL, title, body(github, found, team))["number"])
    if KEY in known:
        close(
            github,
            known[KEY],
            f"Every schedule is kept again, as [this run]({github.context.run_url}) saw.",
        )
    return None


def body(github: GitHub, found: Sequence[Missed], team: str) -> str:
    """What is wrong and what to click, in Markdown."""
    lines = [f"- [{each.workflow}]({each.url}) {plain(each.reason)}." for each in found]
    return "\n".join(
        [
            "GitHub drops scheduled runs now and then, and tells nobody.",
            "",
            *lines,
            "",
            "Open the workflow's page with the link, click **Run workflow**, and again in the "
            "window that opens: a run does what was missed, once. Where the last run failed, its "
            "page says why; where the workflow is switched off, its page has a button to enable "
            "it. The next check closes this issue.",
            "",
            f"{team}, please have a look. Seen by [this run]({github.context.run_url}).",
        ]
    )
