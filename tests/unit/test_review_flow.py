"""Which pull request an event is about, what counts as reviewed, and who is asked."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ci.events.event import Measured
from ci.github import client
from ci.github.client import GitHubError
from ci.github.context import Context
from ci.repository import Repository
from ci.review import flow
from ci.review.decide import Decision, Facts
from ci.review.look import Look, find_pull
from ci.review.retrained import no_gain
from ci.review.reviewers import ask
from ci.review.trusted import find_page, find_reviewed
from tests.support.repositories import new_repository
from tests.unit.test_review import SHA, reviewed, scope

OTHER = "c" * 40


class GitHub(client.GitHub):
    """Answers from memory: lists by path, artifacts by number."""

    def __init__(self, event: dict[str, Any], **lists: list[dict[str, Any]]) -> None:
        self.context = Context(
            repository="kronkers/mlops",
            api_url="",
            server_url="",
            token=None,
            event=event,
            event_name="workflow_run",
            sha=SHA,
            ref="refs/heads/main",
            actor="",
            run_id=1,
            run_attempt=1,
            workspace=Path(),
            temp=Path(),
        )
        self.repo = "/repos/kronkers/mlops"
        self.lists = lists
        self.zips: dict[int, bytes] = {}
        self.posted: list[Any] = []
        self.refused: set[str] = set()

    def paginate(
        self, path: str, query: object = None, key: str | None = None
    ) -> Iterator[dict[str, Any]]:
        return iter(self.lists.get(key or path.rsplit("/", 1)[1], []))

    def get(self, path: str, query: object = None) -> Any:
        number = int(path.rsplit("/", 1)[1])
        return next(each for kind in self.lists.values() for each in kind if each["id"] == number)

    def download(self, path: str, target: Path, limit_bytes: int, accept: str = "") -> None:
        target.write_bytes(self.zips[int(path.split("/")[-2])])

    def post(self, path: str, body: Mapping[str, Any], *, once: bool = False) -> None:
        if self.refused & set(body["reviewers"]):
            raise GitHubError("Reviews may only be requested from collaborators.", 422)
        self.posted += body["reviewers"]


def event(name: str = "pull_request", sha: str = SHA) -> dict[str, Any]:
    home = {"full_name": "kronkers/mlops", "owner": {"login": "kronkers"}}
    run = {"event": name, "head_sha": sha, "head_branch": "work", "head_repository": home}
    return {"workflow_run": run, "repository": {"default_branch": "main"}}


def pull(sha: str = SHA, base: str = "main") -> dict[str, Any]:
    return {"number": 7, "head": {"sha": sha}, "base": {"ref": base}, "user": {"login": "Alice"}}


def test_the_pull_request_with_exactly_that_head_is_found() -> None:
    found = find_pull(GitHub(event(), pulls=[pull(OTHER), pull()]))
    assert found
    assert found["number"] == 7


@pytest.mark.parametrize(
    ("told", "pulls"),
    [
        (event(), [pull(OTHER)]),
        (event(), [pull(base="release")]),
        (event("push"), [pull()]),
        (event(), []),
    ],
)
def test_another_commit_base_or_event_is_nothing_to_report_on(
    told: dict[str, Any], pulls: list[dict[str, Any]]
) -> None:
    assert find_pull(GitHub(told, pulls=pulls)) is None


# --- what counts as reviewed ------------------------------------------------------------------

RUN = {"id": 1, "run_attempt": 1}


def review_zip(sha: str = SHA) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        document = reviewed("pass").model_copy(update={"head_sha": sha})
        archive.writestr("verdict.json", document.model_dump_json())
        archive.writestr("body.md", "The body.")
    return target.getvalue()


def with_artifact(content: bytes, head_repository: int = 1, **of_run: Any) -> GitHub:
    """One artifact of a run of report.yml, but for ``of_run``."""
    run = {
        "id": 20,
        "path": ".github/workflows/report.yml",
        "event": "workflow_run",
        "head_branch": "main",
        "repository": {"full_name": "kronkers/mlops"},
    }
    artifact = {
        "id": 10,
        "name": f"verdict-{SHA}",
        "expired": False,
        "created_at": "2026-01-01",
        "size_in_bytes": len(content),
        "digest": f"sha256:{hashlib.sha256(content).hexdigest()}",
        "workflow_run": {"id": 20, "repository_id": 1, "head_repository_id": head_repository},
    }
    github = GitHub(event(), artifacts=[artifact], runs=[{**run, **of_run}])
    github.zips[10] = content
    return github


def test_a_review_by_the_report_workflow_counts() -> None:
    found = find_reviewed(with_artifact(review_zip()), SHA, RUN)
    assert found
    assert (found[0].verdict, found[1]) == ("pass", "The body.")


@pytest.mark.parametrize(
    ("content", "of_run", "training"),
    [
        (review_zip(), {"path": ".github/workflows/pull-request.yml"}, RUN),
        (review_zip(), {"path": ".github/workflows/report.yml.yml"}, RUN),
        (review_zip(), {"event": "pull_request"}, RUN),
        (review_zip(), {"head_repository": 2}, RUN),
        (review_zip(), {"repository": {"full_name": "mallory/mlops"}}, RUN),
        (review_zip(), {"head_branch": "work"}, RUN),
        (review_zip(), {}, {**RUN, "run_attempt": 2}),
        (review_zip(), {}, {**RUN, "id": 2}),
        (review_zip(OTHER), {}, RUN),
        (b"no zip", {}, RUN),
    ],
)
def test_what_anybody_else_made_or_of_another_run_does_not_count(
    content: bytes, of_run: dict[str, Any], training: dict[str, Any]
) -> None:
    assert find_reviewed(with_artifact(content, **of_run), SHA, training) is None


def test_only_our_own_page_is_linked() -> None:
    ours = with_artifact(review_zip())
    ours.lists["artifacts"][0]["name"] = f"report-{SHA}"
    assert str(find_page(ours, SHA)).endswith("/actions/runs/20/artifacts/10")
    theirs = with_artifact(review_zip(), event="pull_request")
    assert find_page(theirs, SHA) is None


# --- who is asked -----------------------------------------------------------------------------


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    made = new_repository(tmp_path / "repository")
    (made.policies_dir / "access.yaml").write_text(
        "teams:\n"
        "  marketing: {members: [alice, bob, carol]}\n"
        "  data: {members: [dave]}\n"
        "  platform: {members: [erin, bob]}\n"
    )
    return made


def look(platform: bool = False, **of_pull: object) -> Look:
    model = reviewed("pass").models[0].model_copy(update={"owner": "marketing"})
    document = reviewed("pass").model_copy(update={"models": [model]})
    return Look(
        {**pull(), **of_pull}, SHA, None, Facts(scope(platform=platform), reviewed=document)
    )


def test_the_owners_are_asked_but_for_the_author(repository: Repository) -> None:
    github = GitHub(event())
    assert ask(github, repository, look()) == ["bob", "carol"]
    assert github.posted == ["bob", "carol"]


def test_the_platforms_team_is_asked_where_it_is_touched(repository: Repository) -> None:
    assert ask(GitHub(event()), repository, look(platform=True)) == ["bob", "carol", "erin"]


def test_nobody_is_asked_twice_and_an_older_review_does_not_count(repository: Repository) -> None:
    given = [
        {"user": {"login": "carol"}, "commit_id": OTHER},
        {"user": {"login": "erin"}, "commit_id": SHA},
    ]
    github = GitHub(event(), reviews=given)
    asked = look(platform=True, requested_reviewers=[{"login": "Bob"}])
    assert ask(github, repository, asked) == ["carol"]


def test_a_refusal_of_github_stops_nobody_else(repository: Repository) -> None:
    github = GitHub(event())
    github.refused = {"bob"}
    assert ask(github, repository, look()) == ["carol"]


def test_nobody_is_asked_about_a_draft(repository: Repository) -> None:
    assert ask(GitHub(event()), repository, replace(look(), pull={**pull(), "draft": True})) == []


# --- what is published ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "now", [{"head": {"sha": OTHER}, "state": "open"}, {"head": {"sha": SHA}, "state": "closed"}]
)
def test_nothing_is_said_of_a_pull_request_that_moved_on_meanwhile(
    repository: Repository, now: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    """The fake knows no comment and no status: writing one would be an error."""
    github = GitHub(event(), pulls=[{**pull(), **now, "id": 7}])
    flow.publish_decision(github, repository, look(), Decision("success", "Pass."))
    assert github.posted == []
    assert "has moved on" in capsys.readouterr().err


# --- a retraining that is no gain -------------------------------------------------------------


def retraining(repository_of_head: str = "kronkers/mlops", ref: str = "retrain/m0") -> Any:
    head = {"sha": SHA, "ref": ref, "repo": {"full_name": repository_of_head}}
    base = {"ref": "main", "repo": {"full_name": "kronkers/mlops"}}
    page = {"html_url": "https://example.com/7", "state": "open", "id": 7}
    return {**pull(), **page, "head": head, "base": base}


def judged(difference: float | None, verdict: str = "pass", champion: int | None = 3) -> Any:
    model = reviewed(verdict).models[0]
    measured = Measured(metric="mae", against="champion", difference=difference, text="")
    changes = {"owner": "marketing", "measured": measured, "champion_version": champion}
    return reviewed(verdict).model_copy(update={"models": [model.model_copy(update=changes)]})


@pytest.mark.parametrize(
    ("of_pull", "document", "said"),
    [
        (retraining(), judged(-0.1), True),
        (retraining(), judged(0.0), True),
        (retraining(), judged(0.5, "fail"), True),
        (retraining(), judged(None, "fail"), True),
        (retraining(), judged(0.5), False),
        (retraining(), judged(-0.1, champion=None), False),
        (retraining("mallory/mlops"), judged(-0.1), False),
        (retraining(ref="work"), judged(-0.1), False),
        (retraining(ref="retrain/other"), judged(-0.1), False),
        (retraining(), None, False),
    ],
)
def test_only_a_retraining_that_is_not_better_asks_for_nothing(
    of_pull: Any, document: Any, said: bool
) -> None:
    assert ("not better than version 3" in no_gain(of_pull, document)) is said


@pytest.mark.parametrize(("difference", "asked"), [(-0.1, []), (0.1, ["bob", "carol"])])
def test_its_report_says_so_and_nobody_is_asked(
    repository: Repository, monkeypatch: pytest.MonkeyPatch, difference: float, asked: list[str]
) -> None:
    comments: list[str] = []
    monkeypatch.setattr("ci.review.flow.comment.report_comment", lambda *_: None)
    monkeypatch.setattr(
        "ci.review.flow.comment.post_comment", lambda *given: comments.append(given[2])
    )
    monkeypatch.setattr("ci.review.flow.statuses.set_status", lambda *_: None)
    monkeypatch.setattr(flow, "add_summary", lambda *_: None)
    monkeypatch.setattr(flow, "find_page", lambda *_: None)
    monkeypatch.setattr(flow, "_cost", lambda *_: "")
    github = GitHub(event(), pulls=[retraining()])
    facts = Facts(scope(), reviewed=judged(difference))
    found = Look(retraining(), SHA, None, facts, "The body.")
    flow.publish_decision(github, repository, found, Decision("success", "Pass."))
    assert github.posted == asked
    (text,) = comments
    assert ("not better than version 3" in text) is (not asked)
    assert "The body." in text
