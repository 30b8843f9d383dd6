"""The comment on the pull request: heading, what the review said, how to approve, the cost."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ci.report.markdown import plain

if TYPE_CHECKING:
    from ci.review.decide import Decision

LIMIT = 60_000
MARK = re.compile(r"<!-- kronkers (?P<kind>verdict|waiting) (?P<sha>[0-9a-f]{40}) -->\n")
OUTDATED = re.compile(r"> \*\*Outdated\.\*\* [^\n]*\n\n")
TO_APPROVE = re.compile(r"\*\*To approve, three clicks:\*\* [^\n]*")
OLD = "**Nothing to approve yet.** A newer run is under way."
SHORT = 7


@dataclass(frozen=True)
class Links:
    """Addresses that the comment names; ``page`` is the artifact with the whole report."""

    files: str
    run: str
    page: str | None = None


def final(decision: Decision, sha: str, when: str, body: str, links: Links, cost: str) -> str:
    """The comment once everything is known; a fail says what to do, a pass how to approve."""
    end = "\n\n".join([_next(decision, links), f"<sub>{plain(cost, 1_000)}</sub>"])
    head = f"{_mark('verdict', sha)}# {plain(decision.headline)}\n\n{_about(sha, when, links)}"
    room = LIMIT - len(head) - len(end) - 100
    kept = body if len(body) <= room else f"{body[:room].rpartition(chr(10))[0]}\n\n_Cut here._"
    return "\n\n".join(filter(None, [head, kept, end])) + "\n"


def waiting(decision: Decision, sha: str, when: str, links: Links, old: str | None) -> str:
    """The comment until then: a placeholder, or the old report marked as outdated."""
    found = MARK.search(old) if old else None
    if old and found and found["kind"] == "verdict":
        newer = "The same commit" if found["sha"] == sha else f"Commit {_code(sha)}"
        note = (
            f"> **Outdated.** This speaks of commit {_code(found['sha'])}. {newer}, since {when}: "
            f"{plain(decision.headline)} This comment is then replaced."
        )
        report = TO_APPROVE.sub(OLD, OUTDATED.sub("", old[found.end() :]))
        return f"{found[0]}{note}\n\n{report}"
    return (
        f"{_mark('waiting', sha)}# {plain(decision.headline)}\n\n{_about(sha, when, links)}\n\n"
        "This comment becomes the report. There is nothing to do until then.\n"
    )


def _mark(kind: str, sha: str) -> str:
    return f"<!-- kronkers {kind} {sha} -->\n"


def _about(sha: str, when: str, links: Links) -> str:
    page = f" · [full report]({links.page})" if links.page else ""
    return f"<sub>Commit {_code(sha)} · {when}{page} · [job summary]({links.run})</sub>"


def _code(sha: str) -> str:
    return f"`{sha[:SHORT]}`"


def _next(decision: Decision, links: Links) -> str:
    if decision.state == "success":
        return (
            f"**To approve, three clicks:** 1. [Files changed]({links.files}) · "
            "2. *Review changes* · 3. *Approve* and *Submit review*. "
            "Then *Merge pull request*; what that will do stands under each model's name above."
        )
    if decision.state == "pending":
        return "**Nothing to approve yet.** This comment is updated when the last check has ended."
    return (
        "**Nothing to approve yet.** Mend what is said above and push to this pull request: this "
        "comment is updated."
    )
