"""The end of a deployment: what came of each model, written down where people look."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ci.events.log import released_log
from ci.fingerprint import fingerprint
from ci.github import releases
from ci.github.kept import close, keep_open, kept_issues
from ci.registry.change import Why, moved
from ci.release.notes import how_to_serve
from ci.release.tell import failures, minutes, tell_new
from ci.report.markdown import plain, table
from ci.review.refused import refusals_since
from ci.state.branch import StateBranch
from ci.state.local import fetch, state_folder
from ci.state.records import (
    Deployed,
    all_released,
    deployed,
    lift_pin,
    pin,
    released,
    versions,
    write_deployed,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ci.events.event import Draft
    from ci.github.client import GitHub
    from ci.release.due import Request
    from ci.release.plan import Plan
    from ci.release.staged import Failed
    from ci.repository import Repository

LABEL = "deployment"
UNTOLD = "Its job did not come to its end; the log of the run says why."


@dataclass(frozen=True)
class Settled:
    """Model → what is released now, and model → why it did not get through."""

    released: dict[str, int]
    failed: dict[str, str]


def settle(
    repository: Repository,
    github: GitHub,
    plan: Plan,
    told: Mapping[str, Failed],
    request: Request,
) -> Settled:
    """Bring the state, GitHub's releases and the issues in step with what happened.

    ``told`` is why models failed, where their jobs could say so.

    Raises:
        MlopsError: ``state_unreachable``, ``state_busy`` or what GitHub says.
    """
    fetch(repository)
    state = state_folder(repository)
    found = _outcome(plan, state, told)
    _tell(github, plan, found)  # first: whatever fails below, people know
    _show_drafts(github, state)
    last = deployed(state)
    events = [
        *refusals_since(github, last.at if last else None),
        *failures(plan, found, told, github.context.run_url),
        *minutes(github),
    ]
    _write(repository, plan, found, request, events)
    return found


def _outcome(plan: Plan, state: Path, told: Mapping[str, Failed]) -> Settled:
    """The state alone says what was released."""
    done, failed = {}, {}
    for each in plan.models:
        live = released(state, each.model)
        if live is not None and live.source == each.source:
            done[each.model] = live.version
        else:
            why = told.get(each.model)
            failed[each.model] = why.message if why else UNTOLD
    return Settled(done, failed)


def _show_drafts(github: GitHub, state: Path) -> None:
    """Publish what a run that was cut off after its push to the state left as a draft."""
    known = {
        version.tag: version
        for folder in sorted((state / "versions").glob("*"))
        for version in versions(state, folder.name)
    }
    for made in list(releases.all_releases(github)):
        if made["draft"] and made["tag_name"] in known:
            commit = known[made["tag_name"]].commit
            releases.publish(github, made, commit, made["body"] or "")


def _write(
    repository: Repository,
    plan: Plan,
    found: Settled,
    request: Request,
    events: list[Draft],
) -> None:
    def change(state: Path) -> None:
        last = deployed(state)
        before = (last.commit if last else None) or request.before or plan.commit
        owed = dict(last.owed) if last else {}
        undone = [*found.failed, *plan.later]
        for name in [*(each.model for each in plan.models), *plan.later]:
            if name in undone and released(state, name) is None:
                owed.setdefault(name, before)
            else:
                owed.pop(name, None)
        _lift_pins(repository, state)
        tell_new(released_log(state), events)
        head = released_log(state).head()
        at = datetime.now(UTC).isoformat(timespec="seconds")
        commit = last.commit if last and plan.outdated else plan.commit
        write_deployed(state, Deployed(commit=commit, at=at, owed=owed, events_head=head))

    StateBranch(repository.root).update(f"Deployed {plan.commit[:10]}", change)


def _lift_pins(repository: Repository, state: Path) -> None:
    """A pin is spent once main asks for the very version that it holds production at."""
    for live in all_released(state):
        pinned = pin(state, live.model)
        there = live.model in repository.model_names()
        if pinned and there and live.source == fingerprint(repository, live.model):
            lift_pin(state, live.model)
            why = Why("main asks for the pinned version again")
            released_log(state).append(moved("unpinned", live.model, live.version, why))


def _tell(github: GitHub, plan: Plan, found: Settled) -> None:
    """One issue a model that did not get through, closed by the next success."""
    issues = kept_issues(github, LABEL)
    run = github.context.run_url
    for model, why in found.failed.items():
        title = f"{model} could not be released"
        keep_open(github, issues, key(model), LABEL, title, _body(plan, why, run))
    waiting = {key(model) for model in [*found.failed, *plan.held, *plan.later]}
    for name, issue in issues.items():
        if name.startswith(key("")) and name not in waiting:
            close(github, issue, f"What main asks for is released ({run}).")


def key(model: str) -> str:
    """The key of the issue on ``model``, or on the plan."""
    return f"{LABEL}/{model}"


def _body(plan: Plan, why: str, run: str) -> str:
    return (
        f"{plain(why, 2000)}\n\nWhat was released before is still released. "
        f"[This run]({run}) tried it at `{plan.commit[:10]}`; the next deployment tries again, "
        "and closes this issue when it succeeds."
    )


def unplanned(github: GitHub) -> str:
    """Tell, in an issue too, of a deployment that did not come as far as to know its models."""
    run = github.context.run_url
    text = (
        f"The plan of [this deployment]({run}) failed; its log says why. What was released before "
        "is still released, and the next deployment makes up for it."
    )
    title = "A deployment could not be planned"
    keep_open(github, kept_issues(github, LABEL), key("plan"), LABEL, title, text)
    return f"## Deployment\n\n{text}"


def summary(plan: Plan, found: Settled, github: GitHub) -> str:
    """Markdown for the page of the run: what is released, what is not, what to type next."""
    server = f"{github.context.server_url}/{github.context.repository}"
    rows = [
        [model, f"[version {number}]({server}/releases/tag/{model}/v{number}) is released"]
        for model, number in found.released.items()
    ]
    rows += [
        [model, f"**not released**: {plain(why, 1000)}"] for model, why in found.failed.items()
    ]
    parts = ["## Deployment"]
    head = ["model", "what came of it"]
    parts.append(table(head, rows) if rows else "There was nothing to release.")
    parts += [plain(note, 1000) for note in plan.notes]
    parts += [how_to_serve(list(found.released))] if found.released else []
    return "\n\n".join(parts)
