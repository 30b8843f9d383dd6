"""Who approved a change: reviews of pull requests held against `policies/promotion.yaml`.

Environments with required reviewers are not available to every plan, so this is our own check.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ci.contract.access import AccessPolicy
from ci.contract.policy import load_policy
from ci.contract.promotion import PromotionPolicy
from ci.github import pulls
from ci.github.collaborators import writers

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ci.contract.promotion import Approvals
    from ci.github.client import GitHub
    from ci.release.due import Request
    from ci.repository import Repository

AGAIN = "run this workflow's failed jobs again"
BY_NAME = "somebody else runs deploy.yml with the model's name, which counts as an approval"
DECIDING = ("APPROVED", "CHANGES_REQUESTED", "DISMISSED")


@dataclass(frozen=True)
class Review:
    """A review as GitHub tells of it; ``login`` is in lower case."""

    login: str
    state: str
    commit: str


@dataclass(frozen=True)
class People:
    """Who may write to the repository, who wrote the change, and the policy's team if any."""

    writers: frozenset[str]
    authors: frozenset[str]
    team: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Approval:
    """Who approved; ``note`` says why nobody was asked.

    ``problem`` says why that is not enough, and ``remedy``, a sentence, what helps.
    """

    approvers: list[str]
    problem: str | None = None
    note: str | None = None
    remedy: str | None = None


def decide(policy: Approvals, people: People, head: str, reviews: Sequence[Review]) -> Approval:
    """Whether ``reviews`` (oldest first) of a change whose newest commit is ``head`` suffice."""
    if policy.required == 0:
        return Approval([], note="policies/promotion.yaml asks for no approval.")
    others = people.writers - people.authors
    if not others:
        return Approval([], note="Nobody else may write to this repository, so nobody was asked.")
    able = others & people.team if people.team else others
    if not able:
        return Approval([], f"nobody else in the team {policy.team} may write to this repository")
    latest = {r.login: r for r in reviews if r.state in DECIDING and r.login in others}
    against = sorted(who for who, r in latest.items() if r.state == "CHANGES_REQUESTED")
    if against:
        remedy = f"Once {_names(against)} approved it or the request is dismissed, {AGAIN}."
        return Approval([], f"{_names(against)} asked for changes", remedy=remedy)
    agreed = {who for who, r in latest.items() if r.state == "APPROVED" and who in able}
    stale = {who for who in agreed if policy.dismiss_stale and latest[who].commit != head}
    valid, needed = sorted(agreed - stale), min(policy.required, len(able))
    if len(valid) >= needed:
        return Approval(valid)
    old = f" ({_names(sorted(stale))} approved an older commit)" if stale else ""
    whose = f" of the team {policy.team}" if people.team else ""
    return Approval(valid, f"it has {len(valid)} of {needed} approvals{whose}{old}")


def _names(logins: Sequence[str]) -> str:
    return ", ".join(f"@{login}" for login in logins)


@dataclass(frozen=True)
class Change:
    """What came to main: pull requests by number, and commits that no pull request brought."""

    pulls: list[int]
    direct: list[str]


def approval_of(
    repository: Repository, github: GitHub, change: Change, request: Request
) -> Approval:
    """Whether every part of ``change`` was approved, by the policy in the work tree.

    Who asked for this release by name has approved it by that, which is how a direct push, or
    what was on main from the start, can be released at all.

    Raises:
        MlopsError: ``bad_policy``, ``unknown_team`` or what GitHub says.
    """
    policy = load_policy(repository, PromotionPolicy).approvals
    if policy.required == 0:
        return decide(policy, People(frozenset(), frozenset()), "", [])
    access = load_policy(repository, AccessPolicy)
    members = access.team(policy.team).members if policy.team else []
    team, able = _lower(members), frozenset(writers(github))
    review = f"Once somebody else has approved the pull request, {AGAIN}; or {BY_NAME}."
    ask = f"It is released once {BY_NAME}."
    parts = [(f"#{number}", review, _pull(github, number)) for number in change.pulls]
    parts += [
        (f"the direct push {commit[:10]}", ask, _push(github, commit)) for commit in change.direct
    ]
    if not parts:
        parts = [("what main had from the start", ask, (frozenset[str](), "", []))]
    found = []
    for name, remedy, (authors, head, reviews) in parts:
        asked = [Review(request.by.lower(), "APPROVED", head)] if request.by else []
        one = decide(policy, People(able, authors, team), head, [*reviews, *asked])
        if one.problem:
            problem = f"{name}: {one.problem}"
            return Approval(one.approvers, problem, remedy=one.remedy or remedy)
        found.append(one)
    notes = [one.note for one in found if one.note]
    approvers = sorted({login for one in found for login in one.approvers})
    return Approval(approvers, note=notes[0] if notes and not approvers else None)


Part = tuple[frozenset[str], str, list[Review]]


def _pull(github: GitHub, number: int) -> Part:
    """Authors, newest commit and reviews of a pull request."""
    found = pulls.pull(github, number)
    commits = github.paginate(f"{github.repo}/pulls/{number}/commits")
    writers_of_parts = [each.get("author") for each in commits if len(each["parents"]) < 2]
    authors = _lower(_logins([found["user"], *writers_of_parts]))
    reviews = [
        Review(login, each["state"], each.get("commit_id") or "")
        for each in pulls.reviews(github, number)
        for login in _lower(_logins([each["user"]]))
    ]
    return authors, found["head"]["sha"], reviews


def _push(github: GitHub, commit: str) -> Part:
    found = github.get(f"{github.repo}/commits/{commit}")
    return _lower(_logins([found.get("author"), found.get("committer")])), commit, []


def _logins(people: Iterable[dict[str, Any] | None]) -> list[str]:
    """Handles of those that GitHub knows; a deleted account has none."""
    return [str(person["login"]) for person in people if person]


def _lower(logins: Iterable[str]) -> frozenset[str]:
    return frozenset(login.lower() for login in logins)
