"""A rollback that a host made: one pull request for it, and a word to those who approved."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ci.github.client import GitHub
from ci.registry.change import Why
from ci.release.approvals import Approval
from ci.release.due import Request, own_digest
from ci.release.go_back import put_back
from ci.release.publish import publish
from ci.release.revert import WentBack, open_revert
from ci.release.reverts import call_for_reverts, open_reverts
from ci.repository import Repository
from ci.state.branch import StateBranch
from ci.state.records import Pin, pin, versions
from tests.support.repositories import git
from tests.workflows.standin.hub import Document, Token
from tests.workflows.test_publish import MODEL, Office, empty_registry, first_office, office

__all__ = ["empty_registry", "first_office", "office"]

PARAMS = f"models/{MODEL}/params.yaml"
SAID = "As a canary, 7 of its 90 calls failed"


@pytest.fixture
def left(office: Office) -> int:
    """The pull request whose version, the second one, went back by itself on a host."""
    world, number = office.world, 0
    for text, champion, shrinkage in (("one", None, 0.1), ("two", 1, 0.5)):
        number = world.open_pull(text, {PARAMS: f"train: {{shrinkage: {shrinkage}}}"})
        world.merge(number)
        git(office.repository.root, "pull", "-q", str(world.github.bare), "main")
        staged, folder = office.stage(text, champion)
        staged = staged.model_copy(update={"pull": number})
        approved = Approval(["bob"])
        publish(office.repository, office.github, staged, folder, approved, Request())
    world.pushes.clear()

    def declare(state: Path) -> None:
        """As the report of a host does."""
        first = versions(state, MODEL)[0]
        own = own_digest(office.repository, MODEL)
        at = "2026-11-21T10:00:00.123456+00:00"
        held = {"model": MODEL, "version": 1, "left": 2, "own": own, "reason": SAID, "at": at}
        made = Pin.model_validate({**held, "by": "host north"})
        put_back(state, first, made, Why(SAID, "host north"), since=at, host="north")

    StateBranch(office.repository.root).update("north reports", declare)
    return number


def reverts(office: Office) -> list[Document]:
    return [
        each
        for each in office.world.github.pulls.values()
        if each["head_ref"].startswith("rollback/")
    ]


def comments(office: Office, number: int) -> list[str]:
    return [each["body"] for each in office.world.github.comments if each["number"] == number]


def ask(office: Office) -> list[Any]:
    """As the workflow's step, whose GitHub App opens the pull request."""
    github = office.github
    return open_reverts(office.repository, github, GitHub(replace(github.context)), "main")


def test_the_workflow_that_a_host_starts_opens_it_and_tells_the_reviewers_once(
    office: Office, left: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = office.world
    world.github.tokens["host"] = Token("alice", {"contents": "write", "metadata": "read"}, 0)
    monkeypatch.setenv("GITHUB_TOKEN", "host")
    monkeypatch.setenv("GITHUB_API_URL", world.url)
    call_for_reverts(office.repository)
    (run,) = world.run_asked_for("revert.yml")
    assert run.conclusion == "success", run.log
    (made,) = reverts(office)
    assert made["title"] == f"Take {MODEL} back to version 1"
    assert "host north rolled" in made["body"]
    assert SAID in made["body"]
    assert f"@bob approved that version in #{left}" in made["body"]
    assert world.file(PARAMS, made["head_ref"]) == "train: {shrinkage: 0.1}"
    assert world.github.dispatches[-1]["inputs"] == {"pull": str(made["number"])}
    (told,) = comments(office, left)
    assert told.startswith(f"@bob **{MODEL} went back from version 2 to 1.** host north: {SAID}")
    assert f"/pull/{made['number']}" in told

    assert ask(office) == []
    made["state"] = "closed"  # by a person, who knows better
    assert ask(office) == []
    assert len(reverts(office)) == len(comments(office, left)) == 1


def test_a_run_that_was_cut_off_is_finished_by_the_next(office: Office, left: int) -> None:
    world = office.world
    world.github.fail_next("POST", "/pulls", 500, times=9)
    with pytest.raises(Exception, match="answered 500"):
        ask(office)
    world.github.faults.clear()
    assert reverts(office) == []
    assert len(ask(office)) == 1
    assert len(reverts(office)) == len(comments(office, left)) == 1


def test_where_actions_may_open_none_the_reviewers_are_told_once(office: Office, left: int) -> None:
    for _ in range(2):
        office.world.github.fail_next("POST", "/pulls", 403, message="not permitted")
        ask(office)
    (told,) = comments(office, left)
    assert "Open the pull request" in told
    assert "/compare/main...rollback/" in told


def test_what_main_has_mended_or_taken_away_meanwhile_is_not_reverted(
    office: Office, left: int
) -> None:
    world = office.world
    for files in (
        {PARAMS: "train: {shrinkage: 0.7}"},
        {f"models/{MODEL}/model.yaml": None},
    ):
        world.commit(files)
        git(office.repository.root, "pull", "-q", str(world.github.bare), "main")
        assert ask(office) == []
    assert (reverts(office), comments(office, left)) == ([], [])


def test_what_rollback_yml_asked_for_is_not_asked_for_twice(office: Office, left: int) -> None:
    state = office.state()
    first, second = versions(state, MODEL)
    held = pin(state, MODEL)
    assert held
    github = office.github
    done, opener = WentBack(second, first, held), GitHub(replace(github.context))
    open_revert(office.repository, github, opener, done, "main", "@carol")
    (made,) = reverts(office)
    assert made["body"].startswith("@carol rolled")
    assert ask(office) == []
    assert len(reverts(office)) == 1


def test_without_github_or_a_token_nothing_is_asked_for(
    office: Office,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.delenv("GITHUB_TOKEN")
    call_for_reverts(office.repository)
    call_for_reverts(Repository(tmp_path))
    assert (office.world.github.asked_for, capsys.readouterr().err) == ([], "")
    office.world.github.tokens["reader"] = Token("alice", {"contents": "read"}, 0)
    monkeypatch.setenv("GITHUB_API_URL", office.world.url)
    monkeypatch.setenv("GITHUB_TOKEN", "reader")
    call_for_reverts(office.repository)
    assert office.world.github.asked_for == []
    assert "revert.yml could not be started now" in capsys.readouterr().err
