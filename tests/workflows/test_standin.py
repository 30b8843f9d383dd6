"""The stand-in refuses what GitHub refuses, and says what it does not know."""

from __future__ import annotations

import base64
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.support.repositories import commit_all, git
from tests.workflows.openapi.trim import OPERATIONS
from tests.workflows.standin import Hub, Standin, Token
from tests.workflows.standin.calls import HANDLERS
from tests.workflows.standin.description import fill, operations, problems
from tests.workflows.standin.git_http import new_bare
from tests.workflows.standin.hub import BOT
from tests.workflows.standin.pulls import open_pull

REPO = "/repos/kronkers/mlops"


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    made = Hub(tmp_path / "github")
    new_bare(made.bare)
    work = tmp_path / "work"
    work.mkdir()
    git(work, "init", "-q", "-b", "main")
    commit_all(work)
    git(work, "push", "-q", str(made.bare), "main")
    with Standin(made):
        yield made


def ask(hub: Hub, method: str, path: str, body: Any = None, **granted: str) -> requests.Response:
    """A request with a token that may do what is ``granted``."""
    permissions = {scope.replace("_", "-"): level for scope, level in granted.items()}
    hub.tokens["ghs_1.job"] = Token(BOT, permissions, 1)
    headers = {"Authorization": "Bearer ghs_1.job"}
    return requests.request(method, hub.url + REPO + path, json=body, headers=headers, timeout=30)


def test_every_described_operation_is_answered() -> None:
    described = {each.name for each in operations()}
    assert described == set(HANDLERS) == set(OPERATIONS.read_text().split())


@pytest.mark.parametrize("operation", operations(), ids=lambda each: str(each.name))
def test_made_up_answers_are_as_github_describes_them(operation: Any) -> None:
    for schema in filter(None, operation.answers.values()):
        value = fill(schema, [{}] if schema.get("type") == "array" else {})
        assert problems(schema, value) == []


def test_a_field_that_github_does_not_know_is_noticed(hub: Hub) -> None:
    body = {"title": "x", "lables": ["drift"]}
    answer = ask(hub, "POST", "/issues", body, issues="write")
    assert answer.status_code == 422
    assert "unknown field lables" in answer.json()["message"]
    assert "unknown field lables" in hub.problems[0]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/issues", {"body": "no title"}),
        ("/issues", {"title": ["list"]}),
        ("/statuses/{sha}", {"state": "green"}),
        ("/releases", {"tag_name": 1}),
    ],
)
def test_a_body_of_another_shape_is_noticed(hub: Hub, path: str, body: dict[str, Any]) -> None:
    path = path.format(sha=hub.git("rev-parse", "main"))
    granted = {"issues": "write", "statuses": "write", "contents": "write"}
    assert ask(hub, "POST", path, body, **granted).status_code == 422
    assert len(hub.problems) == 1


def test_an_unknown_endpoint_is_noticed(hub: Hub) -> None:
    assert ask(hub, "GET", "/stargazers").status_code == 404
    assert hub.problems == [f"the stand-in does not know GET {REPO}/stargazers"]


def test_an_unknown_query_is_noticed(hub: Hub) -> None:
    assert ask(hub, "GET", "/pulls?branch=x", pull_requests="read").status_code == 422
    assert "unknown query ['branch']" in hub.problems[0]


@pytest.mark.parametrize("header", [None, "Bearer ghs_1", "Bearer nothing"])
def test_a_request_without_the_token_of_a_job_is_noticed(hub: Hub, header: str | None) -> None:
    headers = {"Authorization": header} if header else {}
    answer = requests.get(f"{hub.url}{REPO}/pulls", headers=headers, timeout=30)
    assert answer.status_code == 401
    assert len(hub.problems) == 1


@pytest.mark.parametrize(
    ("method", "path", "granted"),
    [
        ("GET", "/pulls", {"contents": "write"}),
        ("POST", "/pulls", {"pull_requests": "read"}),
        ("POST", "/issues", {"pull_requests": "write"}),
        ("POST", "/statuses/x", {"statuses": "read"}),
        ("GET", "/actions/artifacts", {"contents": "write"}),
        ("POST", "/releases", {"contents": "read"}),
        ("POST", "/actions/workflows/x.yml/dispatches", {"actions": "read"}),
    ],
)
def test_a_token_may_do_what_its_job_asked_for(
    hub: Hub, method: str, path: str, granted: dict[str, str]
) -> None:
    answer = ask(hub, method, path, {}, **granted)
    assert answer.status_code == 403
    assert answer.json()["message"] == "Resource not accessible by integration"


def test_a_comment_needs_the_scope_of_what_it_is_on(hub: Hub) -> None:
    issue = ask(hub, "POST", "/issues", {"title": "x"}, issues="write").json()["number"]
    path, body = f"/issues/{issue}/comments", {"body": "text"}
    assert ask(hub, "POST", path, body, pull_requests="write").status_code == 403
    assert ask(hub, "POST", path, body, issues="write").status_code == 201


def test_a_text_that_is_too_long_is_refused(hub: Hub) -> None:
    body = {"title": "x", "body": "x" * 65_537}
    answer = ask(hub, "POST", "/issues", body, issues="write")
    assert answer.status_code == 422
    assert "too long (maximum is 65536 characters)" in answer.text
    body["body"] = "x" * 65_536
    assert ask(hub, "POST", "/issues", body, issues="write").status_code == 201


def clone(hub: Hub, folder: Path, token: str | None) -> subprocess.CompletedProcess[str]:
    """Clone as a job does."""
    basic = base64.b64encode(f"x-access-token:{token}".encode()).decode()
    header = ["-c", f"http.extraheader=AUTHORIZATION: basic {basic}"] if token else []
    url = f"{hub.url}/kronkers/mlops"
    command = ["git", *header, "clone", "-q", *(["--config", header[1]] if token else [])]
    environment = {"PATH": os.environ["PATH"], "GIT_TERMINAL_PROMPT": "0"}
    return subprocess.run(
        [*command, url, folder], env=environment, capture_output=True, text=True, check=False
    )


def push(folder: Path, ref: str) -> str:
    """What Git says on stderr to a push."""
    done = subprocess.run(
        ["git", "push", "origin", f"HEAD:{ref}"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    return "" if done.returncode == 0 else done.stderr


def test_git_needs_the_token_too(hub: Hub, tmp_path: Path) -> None:
    folder = tmp_path / "clone"
    assert clone(hub, folder, None).returncode != 0
    hub.tokens["ghs_1.job"] = Token(BOT, {"pull-requests": "write"}, 1)
    assert "403" in clone(hub, folder, "ghs_1.job").stderr
    hub.tokens["ghs_1.job"] = Token(BOT, {"contents": "read"}, 1)
    assert clone(hub, folder, "ghs_1.job").returncode == 0
    commit_all(folder)
    assert "403" in push(folder, "refs/heads/x")
    hub.tokens["ghs_1.job"] = Token(BOT, {"contents": "write"}, 1)
    assert push(folder, "refs/heads/x") == ""
    assert "Protected branch update failed" in push(folder, "refs/heads/main")
    workflow = folder / ".github" / "workflows" / "x.yml"
    workflow.parent.mkdir(parents=True)
    workflow.write_text("on: push\n")
    commit_all(folder)
    assert "without `workflows` permission" in push(folder, "refs/heads/x")


def test_lost_races_are_refused_by_git(hub: Hub, tmp_path: Path) -> None:
    hub.tokens["ghs_1.job"] = Token(BOT, {"contents": "write"}, 1)
    for name in ("one", "two"):
        assert clone(hub, tmp_path / name, "ghs_1.job").returncode == 0
        commit_all(tmp_path / name, name)
    assert push(tmp_path / "one", "refs/heads/mlops-state") == ""
    assert "rejected" in push(tmp_path / "two", "refs/heads/mlops-state")


def test_a_fork_s_commit_has_no_pull_request(hub: Hub, tmp_path: Path) -> None:
    fork = hub.repository_of("mallory")
    new_bare(fork)
    work = tmp_path / "work"
    commit = commit_all(work)
    git(work, "push", "-q", str(fork), "HEAD:refs/heads/change")
    pull = open_pull(
        hub,
        head_owner="mallory",
        head_ref="change",
        base_ref="main",
        author="mallory",
        title="x",
        body=None,
    )
    found = ask(hub, "GET", f"/commits/{commit}/pulls", pull_requests="read")
    assert found.json() == []
    [listed] = ask(hub, "GET", "/pulls?head=mallory:change", pull_requests="read").json()
    assert (listed["number"], listed["head"]["sha"]) == (pull["number"], commit)


def test_cml_never_sees_more_than_the_thirty_oldest_comments(hub: Hub, tmp_path: Path) -> None:
    issue = ask(hub, "POST", "/issues", {"title": "x"}, issues="write").json()["number"]
    for _ in range(30):
        ask(hub, "POST", f"/issues/{issue}/comments", {"body": "y"}, issues="write")
    (tmp_path / "report.md").write_text("text")
    for _ in range(2):
        assert cml(hub, tmp_path, issue, "--update", "--publish=false").returncode == 0
    assert [each["body"].split("\n")[0] for each in hub.comments[30:]] == ["text", "text"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--update"], "third party"),
        (["--publish=false", "--titel=x"], "unrecognized arguments"),
        (["--publish=false", "--update", "--rm-watermark"], "mandatory for updatable"),
    ],
)
def test_cml_checks_its_arguments(
    hub: Hub, tmp_path: Path, arguments: list[str], said: str
) -> None:
    (tmp_path / "report.md").write_text("text")
    done = cml(hub, tmp_path, 1, *arguments)
    assert done.returncode == 1
    assert said in done.stderr


def test_cml_does_not_shorten_what_is_too_long(hub: Hub, tmp_path: Path) -> None:
    issue = ask(hub, "POST", "/issues", {"title": "x"}, issues="write").json()["number"]
    (tmp_path / "report.md").write_text("x" * 65_500)
    done = cml(hub, tmp_path, issue, "--publish=false")
    assert done.returncode == 1
    assert "maximum is 65536 characters" in json.loads(done.stderr.splitlines()[-1])["message"]


def cml(hub: Hub, folder: Path, number: int, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`cml comment create` as a job runs it."""
    program = Path(__file__).parent / "cml" / "cml"
    target = [f"--target=pr/{number}", "--watermark-title=a/b"]
    return subprocess.run(
        [program, "comment", "create", *target, *arguments, "report.md"],
        cwd=folder,
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "CML_REPO": f"{hub.url}/kronkers/mlops",
            "GITHUB_REPOSITORY": "kronkers/mlops",
            "GITHUB_SHA": "abc",
            "GITHUB_TOKEN": "ghs_1.job",
            "ITERATIVE_DO_NOT_TRACK": "1",
        },
        capture_output=True,
        text=True,
        check=False,
    )
