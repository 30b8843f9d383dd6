"""The client of GitHub's API, against the stand-in that the workflows run with."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ci.errors import MlopsError
from ci.github import (
    artifacts,
    client,
    collaborators,
    comment,
    issues,
    pulls,
    releases,
    runs,
    statuses,
)
from ci.github.client import GitHub, GitHubError
from tests.support.repositories import commit_all, git
from tests.workflows.standin import Hub, Standin, Token
from tests.workflows.standin.actions import add_artifact
from tests.workflows.standin.git_http import new_bare
from tests.workflows.standin.hub import BOT, now
from tests.workflows.standin.issues import add_comment
from tests.workflows.standin.job import job_client
from tests.workflows.standin.pulls import open_pull
from tests.workflows.standin.releases import add_asset

CML = Path(__file__).parents[1] / "workflows" / "cml"
ALL = dict.fromkeys(("actions", "contents", "issues", "pull-requests", "statuses"), "write")
MARK = '![](https://cml.dev/watermark.png#abc "CML watermark kronkers/report")'


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A repository with one commit on main and one on the branch `change`."""
    made = Hub(tmp_path / "github")
    new_bare(made.bare)
    work = tmp_path / "work"
    work.mkdir()
    git(work, "init", "-q", "-b", "main")
    commit_all(work)
    (work / "a.txt").write_text("a\n")
    git(work, "checkout", "-q", "-b", "change")
    commit_all(work)
    git(work, "push", "-q", str(made.bare), "main", "change")
    made.tokens["ghs_1.job"] = Token(BOT, ALL, 1)
    made.collaborators.update({"Alice": "admin", "bob": "push", "eve": "pull"})
    waited: list[float] = []
    monkeypatch.setattr(time, "sleep", waited.append)
    monkeypatch.setenv("PATH", f"{CML}:{os.environ['PATH']}")
    monkeypatch.setenv("GITHUB_REPOSITORY", made.full_name)
    monkeypatch.setenv("GITHUB_SHA", "abc")
    made.__dict__["waited"] = waited
    with Standin(made):
        yield made
    assert made.problems == []


@pytest.fixture
def github(hub: Hub, tmp_path: Path) -> GitHub:
    return job_client(hub, "ghs_1.job", tmp_path)


@pytest.fixture
def pull(hub: Hub) -> int:
    made = open_pull(
        hub,
        head_owner=hub.owner,
        head_ref="change",
        base_ref="main",
        author="alice",
        title="A change",
        body=None,
    )
    return int(made["number"])


def waits(hub: Hub) -> list[float]:
    return list(hub.__dict__["waited"])


def head(hub: Hub) -> str:
    return hub.git("rev-parse", "change")


def add_run(hub: Hub, number: int = 7) -> int:
    hub.runs[number] = {
        "id": number,
        "name": "Pull request",
        "path": ".github/workflows/pull-request.yml",
        "event": "pull_request",
        "status": "completed",
        "conclusion": "success",
        "head_branch": "change",
        "head_sha": head(hub),
        "head_owner": hub.owner,
        "pulls": [],
        "attempt": 1,
        "actor": "alice",
        "created_at": now(),
        "updated_at": now(),
    }
    return number


# --- what is repeated, and what is said in the end ---------------------------------------------


def test_a_server_error_is_met_again_and_again_with_longer_waits(hub: Hub, github: GitHub) -> None:
    hub.fail_next("GET", "/pulls", 502, times=3)
    assert pulls.open_pulls(github) == []
    assert waits(hub) == [1, 2, 4]


def test_after_five_tries_it_says_what_failed(hub: Hub, github: GitHub) -> None:
    hub.fail_next("POST", "/statuses/", 500, times=99, message="Server Error")
    with pytest.raises(GitHubError) as failure:
        statuses.set_status(github, head(hub), "success", "fine", hub.url)
    sentence = "GitHub: POST /repos/kronkers/mlops/statuses/"
    assert failure.value.message.startswith(sentence)
    assert failure.value.message.endswith("answered 500: Server Error.")
    assert (failure.value.code, failure.value.status) == ("github_failed", 500)
    assert len(hub.requests) == 5
    hub.faults.clear()


def test_a_cut_connection_is_met_again(hub: Hub, github: GitHub) -> None:
    hub.fail_next("GET", "/pulls", 0, times=2)
    assert pulls.open_pulls(github) == []
    hub.fail_next("GET", "/pulls", 0, times=99)
    with pytest.raises(GitHubError, match="got no answer") as failure:
        pulls.open_pulls(github)
    assert failure.value.status is None
    hub.faults.clear()


def test_a_rate_limit_is_waited_for_as_long_as_github_asks(hub: Hub, github: GitHub) -> None:
    hub.rate_limit_next("GET", "/pulls", seconds=7)
    assert pulls.open_pulls(github) == []
    assert waits(hub) == [7]
    hub.rate_limit_next("GET", "/pulls", seconds=30, secondary=False)
    assert pulls.open_pulls(github) == []
    assert waits(hub)[1] == pytest.approx(30, abs=2)


def test_a_limit_without_a_length_lasts_a_minute(hub: Hub, github: GitHub) -> None:
    for headers in ({}, {"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"}):
        hub.fail_next("GET", "/pulls", 429, headers=headers, message="Too many requests")
        assert pulls.open_pulls(github) == []
    hub.fail_next("GET", "/pulls", 503, headers={"retry-after": "3"})
    assert pulls.open_pulls(github) == []
    assert waits(hub) == [60, 60, 3]


def test_a_rate_limit_of_an_hour_is_not_waited_for(hub: Hub, github: GitHub) -> None:
    hub.rate_limit_next("GET", "/pulls", seconds=3000, secondary=False)
    with pytest.raises(GitHubError, match=r"rate limit exceeded.* asks to wait \d+ s; run this"):
        pulls.open_pulls(github)
    assert waits(hub) == []


def test_what_is_refused_is_not_sent_again(hub: Hub, github: GitHub) -> None:
    hub.tokens["ghs_1.job"] = Token(BOT, {"contents": "read"}, 1)
    with pytest.raises(GitHubError, match="403: Resource not accessible") as failure:
        issues.create(github, "title", "body", ["label"])
    assert failure.value.status == 403
    assert len(hub.requests) == 1


def test_a_lost_answer_makes_no_second_issue(hub: Hub, github: GitHub) -> None:
    hub.fail_next("POST", "/issues", 502, done=True)
    made = issues.create(github, "Drift of x", "body", ["drift"])
    assert [each["title"] for each in hub.issues.values()] == ["Drift of x"]
    assert issues.open_issues(github, "drift")[0]["number"] == made["number"]


def test_an_answer_that_is_no_json_is_a_sentence(hub: Hub, github: GitHub) -> None:
    page = hub.folder / "x"
    page.write_text("<html>")
    with pytest.raises(GitHubError, match="answered no JSON"):
        github.get(f"{hub.url}/_storage/../{hub.full_name}.git/info/refs?service=git-upload-pack")


def test_the_machine_s_own_credentials_are_not_sent(
    hub: Hub, github: GitHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login other password other\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert pulls.open_pulls(github) == []


def test_pages_are_read_to_the_end(hub: Hub, github: GitHub, pull: int) -> None:
    for number in range(205):
        add_comment(hub, pull, "bob", f"comment {number}")
    found = list(github.paginate(f"{github.repo}/issues/{pull}/comments"))
    assert [each["body"] for each in found] == [f"comment {number}" for number in range(205)]


# --- pull requests, statuses, people -----------------------------------------------------------


def test_a_pull_request_is_found_by_its_head(hub: Hub, github: GitHub, pull: int) -> None:
    found = pulls.pull_of_head(github, hub.owner, "change", head(hub))
    assert found is not None
    assert found["number"] == pull
    assert pulls.pull_of_head(github, hub.owner, "change", hub.git("rev-parse", "main")) is None
    assert pulls.pull_of_head(github, "mallory", "change", head(hub)) is None
    assert [each["number"] for each in pulls.pulls_of_commit(github, head(hub))] == [pull]


def test_a_second_pull_request_from_a_branch_is_the_first(hub: Hub, github: GitHub) -> None:
    first = pulls.create(github, "change", "main", "title", "body")
    again = pulls.create(github, "change", "main", "title", "body")
    assert again["number"] == first["number"]
    with pytest.raises(GitHubError, match="head is invalid"):
        pulls.create(github, "nothing", "main", "title", "body")


def test_reviewers_are_requested(hub: Hub, github: GitHub, pull: int) -> None:
    pulls.request_reviewers(github, pull, ["bob"])
    assert hub.pulls[pull]["requested"] == ["bob"]
    with pytest.raises(GitHubError, match="only be requested from collaborators"):
        pulls.request_reviewers(github, pull, ["mallory"])


def test_a_long_description_of_a_status_is_cut(hub: Hub, github: GitHub) -> None:
    statuses.set_status(github, head(hub), "failure", "word " * 50, hub.url)
    [found] = hub.statuses
    assert (found["context"], found["state"]) == ("verdict", "failure")
    assert len(found["description"]) == 140
    assert found["description"].endswith("…")


def test_writers_are_those_who_may_push(github: GitHub) -> None:
    assert collaborators.writers(github) == {"alice", "bob"}


# --- runs and artifacts ------------------------------------------------------------------------


def test_runs_are_found_by_head_and_workflow(hub: Hub, github: GitHub) -> None:
    add_run(hub)
    assert runs.run(github, 7)["conclusion"] == "success"
    assert [each["id"] for each in runs.runs_of_head(github, head(hub))] == [7]
    assert runs.runs_of_head(github, hub.git("rev-parse", "main")) == []


def test_an_artifact_is_downloaded_and_checked(hub: Hub, github: GitHub, tmp_path: Path) -> None:
    made = add_artifact(hub, add_run(hub), "handover-x", b"content")
    [found] = artifacts.find_artifacts(github, "handover-x")
    target = tmp_path / "x.zip"
    artifacts.download(github, found["id"], target, 100)
    assert target.read_bytes() == b"content"
    made["digest"] = "sha256:" + "0" * 64
    with pytest.raises(MlopsError, match="is not what was uploaded") as failure:
        artifacts.download(github, found["id"], target, 100)
    assert failure.value.code == "artifact_damaged"
    assert not target.exists()


def test_an_artifact_is_not_taken_beyond_the_limit(
    hub: Hub, github: GitHub, tmp_path: Path
) -> None:
    made = add_artifact(hub, add_run(hub), "handover-x", b"content")
    made["size_in_bytes"] = 1  # what GitHub says need not be what comes
    made["digest"] = None
    for limit in (0, 6):
        with pytest.raises(MlopsError) as failure:
            artifacts.download(github, made["id"], tmp_path / "x.zip", limit)
        assert failure.value.code == "too_large"
    assert list(tmp_path.glob("*x.zip*")) == []


def test_an_expired_artifact_is_not_listed(hub: Hub, github: GitHub, tmp_path: Path) -> None:
    made = add_artifact(hub, add_run(hub), "handover-x", b"content")
    made["expired"] = True
    assert artifacts.find_artifacts(github, "handover-x") == []
    with pytest.raises(GitHubError) as failure:
        artifacts.download(github, made["id"], tmp_path / "x.zip", 100)
    assert failure.value.status == 410


# --- releases ----------------------------------------------------------------------------------


def test_a_release_holds_its_assets(hub: Hub, github: GitHub, tmp_path: Path) -> None:
    assert releases.by_tag(github, "x/v1") is None
    main = hub.git("rev-parse", "main")
    made = releases.create(github, "x/v1", main, "x 1", "body")
    assert releases.create(github, "x/v1", main, "x 1", "body")["id"] == made["id"]
    file = tmp_path / "a.tar"
    file.write_bytes(b"bento")
    asset = releases.upload_asset(github, made, "x.bento.tar", file)
    assert releases.upload_asset(github, made, "x.bento.tar", file)["id"] == asset["id"]
    releases.download_asset(github, asset, tmp_path / "b.tar", 100)
    assert (tmp_path / "b.tar").read_bytes() == b"bento"
    found = releases.by_tag(github, "x/v1")
    assert found is not None
    assert list(releases.all_assets(github, found)) == ["x.bento.tar"]
    file.write_bytes(b"other")
    with pytest.raises(MlopsError, match="released files never change"):
        releases.upload_asset(github, made, "x.bento.tar", file)


def test_an_upload_that_broke_off_is_done_again(hub: Hub, github: GitHub, tmp_path: Path) -> None:
    made = releases.create(github, "x/v1", hub.git("rev-parse", "main"), "x 1", "body")
    add_asset(hub, made["id"], "x.tar", b"", BOT, state="open")
    assert releases.all_assets(github, made) == {}
    file = tmp_path / "a.tar"
    file.write_bytes(b"bento")
    hub.fail_next("POST", "/assets", 502)
    hub.rate_limit_next("POST", "/assets")
    releases.upload_asset(github, made, "x.tar", file)
    [asset] = hub.assets.values()
    assert (asset["state"], asset["file"].read_bytes()) == ("uploaded", b"bento")


# --- the comment -------------------------------------------------------------------------------


def reports(hub: Hub) -> list[tuple[str, str]]:
    return [(each["login"], each["body"].split("\n")[0]) for each in hub.comments]


def test_the_report_is_one_comment(hub: Hub, github: GitHub, pull: int) -> None:
    comment.post_comment(github, pull, "training…")
    comment.post_comment(github, pull, "verdict")
    assert reports(hub) == [(BOT, "verdict")]
    found = comment.report_comment(github, pull)
    assert found is not None
    assert comment.without_watermark(found["body"]) == "verdict"


def test_the_report_is_found_on_a_busy_pull_request(hub: Hub, github: GitHub, pull: int) -> None:
    for number in range(40):
        add_comment(hub, pull, "bob", f"comment {number}")
    comment.post_comment(github, pull, "first")
    comment.post_comment(github, pull, "second")
    assert [each for each in reports(hub) if each[0] == BOT] == [(BOT, "second")]


def test_a_comment_that_pretends_to_be_the_report_is_left_alone(
    hub: Hub, github: GitHub, pull: int
) -> None:
    add_comment(hub, pull, "mallory", f"all fine\n\n{MARK}")
    comment.post_comment(github, pull, "first")
    add_comment(hub, pull, "mallory", f"all fine again\n\n{MARK}")
    comment.post_comment(github, pull, "second")
    assert reports(hub) == [
        ("mallory", "all fine"),
        (BOT, "second"),
        ("mallory", "all fine again"),
    ]


def test_a_comment_that_github_would_refuse_is_not_sent(
    hub: Hub, github: GitHub, pull: int
) -> None:
    longest = comment.CHARACTERS - len(comment._watermark(github.context)) - 2
    comment.post_comment(github, pull, "x" * longest)
    assert len(hub.comments[0]["body"]) == 65_536
    with pytest.raises(MlopsError) as failure:
        comment.post_comment(github, pull, "x" * (longest + 1))
    assert failure.value.code == "comment_too_long"


def test_cml_is_tried_again_and_quoted_in_the_end(hub: Hub, github: GitHub, pull: int) -> None:
    hub.fail_next("POST", "/comments", 502)
    comment.post_comment(github, pull, "text")
    assert reports(hub) == [(BOT, "text")]
    hub.fail_next("PATCH", "/comments", 502, times=99, message="Bad Gateway")
    with pytest.raises(MlopsError, match=r"could not comment .* 3 times: .*Bad Gateway") as failure:
        comment.post_comment(github, pull, "text")
    assert failure.value.code == "cml_failed"
    hub.faults.clear()


def test_cml_gets_the_token_and_little_else(
    hub: Hub, github: GitHub, pull: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "bin" / "cml"
    program.parent.mkdir()
    program.write_text(
        f'#!/bin/sh\nenv > "{tmp_path}/seen"\nprintf "%s\\n" "$@" >> "{tmp_path}/seen"\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    comment.post_comment(github, pull, "text")
    seen = (tmp_path / "seen").read_text()
    assert "AWS" not in seen
    assert f"CML_REPO={hub.url}/{hub.full_name}\n" in seen
    assert "GITHUB_TOKEN=ghs_1.job\n" in seen
    assert "ITERATIVE_DO_NOT_TRACK=true\n" in seen
    assert "--publish=false\n" in seen
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MlopsError) as failure:
        comment.post_comment(github, pull, "text")
    assert failure.value.code == "cml_missing"


def test_one_constant_says_how_often() -> None:
    assert client.ATTEMPTS == 5
