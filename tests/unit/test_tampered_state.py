"""Somebody who may write the state branch, and what `mlops audit verify` finds of it.

With a key that they have not, and without one; what nobody can find is said, too.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from ci.events.audit import audit
from ci.events.event import Draft, Lineage, hash_of, written
from ci.events.heads import remember
from ci.events.log import Log, released_log
from ci.events.verify import Verified
from ci.repository import Repository
from ci.state.records import (
    Pin,
    Release,
    SignedHead,
    put_in_production,
    write_pin,
    write_signed_head,
)
from ci.trust.signing import VARIABLE, make_key, signature_of, signature_of_head
from tests.support.judging import EVALUATED
from tests.support.repositories import new_repository

Edit = Callable[[Path], object]
MODEL = "sales-python"
LIVE, FIRST = f"released/{MODEL}.json", f"versions/{MODEL}/1.json"


def about(version: int) -> dict[str, Any]:
    """What the event of a version and its record both say."""
    mark = str(version)
    return {
        "version": version,
        "fingerprint": mark * 40,
        "source": mark * 40,
        "bento": f"{MODEL}:{mark * 40}",
        "digest": mark * 64,
        "commit": mark * 40,
        "pull": version,
        "approvers": ["bob"],
        "candidate": "reviewed",
        "run_id": f"run-{mark}",
        "source_run_id": f"trained-{mark}",
        "trained_at": "2026-01-01T00:00:00+00:00",
        "workflow_run": f"run/{mark}",
        "data": {"data/sales.csv": mark * 32},
        "evaluation": EVALUATED,
    }


def record(version: int, head: str | None) -> Release:
    own = {"tag": f"{MODEL}/v{version}", "asset": "bento", "released_at": "2026-01-01T00:00:00Z"}
    made = Release.model_validate({"model": MODEL, **about(version), **own, "events_head": head})
    return made.model_copy(update={"signature": signature_of(made)})


def release(log: Log, version: int) -> Release:
    """As a deployment does, whose last event is signed where there is a key."""
    given = {"model": MODEL, "actor": "alice", "reason": "why", "version": version}
    told = Lineage.model_validate(about(version))
    for kind in ("registered", "staged", "promoted"):
        more = {"lineage": told} if kind == "registered" else {}
        log.append(Draft.model_validate({"kind": kind, **given, **more}))
    made = record(version, log.head())
    put_in_production(log.folder, made)
    signature = signature_of_head(log.head() or "")
    if signature:
        write_signed_head(log.folder, SignedHead(head=log.head() or "", signature=signature))
    return made


@pytest.fixture
def history(tmp_path: Path) -> Repository:
    """Two versions were released, and the first is pinned again."""
    made = new_repository(tmp_path / "repository")
    log = released_log(made.state_dir / "state")
    first = release(log, 1)
    release(log, 2)
    for kind in ("rolled_back", "pinned"):
        given = {"model": MODEL, "actor": "carol", "reason": "slow", "version": 1}
        log.append(Draft.model_validate({"kind": kind, **given}))
    put_in_production(log.folder, first.model_copy(update={"events_head": log.head()}))
    held = {"model": MODEL, "version": 1, "left": 2, "own": "", "by": "carol"}
    write_pin(log.folder, Pin.model_validate({**held, "reason": "slow", "at": "2026-01-02"}))
    return made


@pytest.fixture
def signed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Repository], None]:
    """There is a key from before the first release on; who tampers has not got it."""
    made = make_key("platform")
    monkeypatch.setenv(VARIABLE, made.secret)

    def ask_for(repository: Repository) -> None:
        policy = {"keys": {made.name: made.public}}
        (repository.policies_dir / "trust.yaml").write_text(yaml.safe_dump(policy))

    return ask_for


def tampered(repository: Repository, edit: Edit) -> Verified:
    """What is found once the branch, as this clone has it, was edited."""
    edit(repository.state_dir / "state")
    (found,) = audit(repository)
    return found.found


def problems(found: Verified) -> str:
    return "\n".join(each.problem for each in found.findings)


def change(file: str, **changes: Any) -> Edit:
    def edit(state: Path) -> None:
        path = state / file
        path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))

    return edit


def remove(file: str) -> Edit:
    return lambda state: (state / file).unlink()


def copy(file: str, to: str) -> Edit:
    return lambda state: (state / to).write_text((state / file).read_text())


def lines_of(state: Path) -> list[str]:
    return released_log(state).path.read_text().splitlines()


def write(state: Path, lines: list[str]) -> None:
    released_log(state).path.write_text("".join(f"{line}\n" for line in lines))


def anew(lines: list[str], **changes: Any) -> list[str]:
    """The chain as somebody writes it who knows how: each hash is right."""
    made, previous = [], "0" * 64
    for number, line in enumerate(lines, 1):
        fields = {**json.loads(line), **changes, "sequence": number, "previous": previous}
        previous = hash_of(fields)
        made.append(written(fields))
    return made


def everywhere(state: Path) -> None:
    """The chain anew, and its heads in every record of the branch."""
    write(state, anew(lines_of(state), actor="mallory"))
    hashes = {json.loads(line)["sequence"]: json.loads(line)["hash"] for line in lines_of(state)}
    for path in [*state.glob("released/*.json"), *state.glob("versions/*/*.json")]:
        record = json.loads(path.read_text())
        number = int(record["events_head"].split(":")[0])
        record["events_head"] = f"{number}:{hashes[number]}"
        path.write_text(json.dumps(record))


def test_an_honest_branch_has_nothing_to_find(history: Repository) -> None:
    found = tampered(history, lambda state: None)
    assert (problems(found), found.events) == ("", 8)


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (lambda state: write(state, lines_of(state)[:-2]), "events 7 to 8 are gone"),
        (lambda state: write(state, lines_of(state)[::-1]), "reordered"),
        (lambda state: write(state, anew(lines_of(state), actor="x")), "is another one than was"),
        (lambda state: released_log(state).path.unlink(), "all events are gone"),
        (change(LIVE, digest="0" * 64), f"{LIVE} on mlops-state has another digest than"),
        (change(LIVE, commit="0" * 40), f"{LIVE} on mlops-state has another commit than"),
        (change(LIVE, approvers=["mallory"]), f"{LIVE} on mlops-state has another approvers than"),
        (change(LIVE, version=2), "has version 2, and by the events version 1 is in production"),
        (remove(LIVE), "is gone, and by the events version 1 is in production"),
        (change(FIRST, digest="0" * 64), f"{FIRST} on mlops-state has another digest than"),
        (change(FIRST, approvers=["mallory"]), "has another approvers than the event"),
        (change(FIRST, pull=99), "has another pull than the event"),
        (change(FIRST, commit="0" * 40), "has another commit than the event"),
        (change(FIRST, data={}), "has another data than the event"),
        (change(FIRST, evaluation=None), "has another evaluation than the event"),
        (change(FIRST, image="x@sha256:0"), "has another image than the event"),
        (change(FIRST, bento=1), "is damaged"),
        (remove(f"versions/{MODEL}/2.json"), "versions/sales-python/2.json on mlops-state is gone"),
        (change(FIRST, version=3), "of a version of which no event tells"),
        (remove(f"pins/{MODEL}.json"), "is not there, and by the events it holds version 1"),
        (change(f"pins/{MODEL}.json", version=2), "holds version 2, and by the events it holds"),
    ],
)
def test_whatever_is_edited_on_the_branch_is_found(
    history: Repository, edit: Edit, said: str
) -> None:
    assert said in problems(tampered(history, edit))


def test_a_branch_that_is_rewritten_as_a_whole_shows_to_who_saw_it_before(
    history: Repository,
) -> None:
    remember(history.state_dir, released_log(history.state_dir / "state").head() or "")
    found = tampered(history, everywhere)
    assert "is another one than was recorded by this checkout, which saw it earlier" in problems(
        found
    )


def test_a_branch_that_is_rewritten_as_a_whole_is_not_found_without_a_key(
    history: Repository,
) -> None:
    assert problems(tampered(history, everywhere)) == "", "and that is what is said of it"


class TestWithAKey:
    """The same, where releases and the head of the events are signed."""

    @pytest.fixture
    def history(self, signed: Callable[[Repository], None], history: Repository) -> Repository:
        signed(history)
        return history

    def test_an_honest_branch_is_signed_to_its_last_release(self, history: Repository) -> None:
        found = tampered(history, lambda state: None)
        assert (problems(found), found.signed) == ("", "event 6 by platform")

    def test_a_chain_that_is_written_anew_shows(self, history: Repository) -> None:
        said = problems(tampered(history, everywhere))
        assert "event 6 is another one than was recorded by signed-head.json" in said

    @pytest.mark.parametrize(
        ("edit", "said"),
        [
            (change("signed-head.json", signature="AAAA"), "was not signed by a key"),
            (remove("signed-head.json"), "signed-head.json on mlops-state is gone"),
            (change(FIRST, signature="AAAA"), f"{FIRST} on mlops-state was not signed as it is"),
            (change(LIVE, commit="0" * 40), f"{LIVE} on mlops-state was not signed as it is"),
            (change(FIRST, bento=1), "is damaged"),
            (copy(FIRST, f"versions/{MODEL}/2.json"), "is gone; that version was released"),
        ],
    )
    def test_a_signature_that_does_not_hold_is_found(
        self, history: Repository, edit: Edit, said: str
    ) -> None:
        assert said in problems(tampered(history, edit))

    def test_a_signature_that_was_taken_away_is_said(self, history: Repository) -> None:
        found = tampered(history, change(FIRST, signature=None))
        assert problems(found) == ""
        assert any(f"{FIRST} on mlops-state has no signature" in each for each in found.unproven)
