"""What is due: late and dropped schedules are caught up once, and a ledger says what was done."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from ci.clock.due import Decision, asked_for, due_models, watched_models
from ci.clock.last import keep_last, recall
from ci.clock.ledger import Entry, Ledger, add_entry, read_ledger
from ci.clock.parcel import PARCEL, Parcel, read_parcel
from ci.errors import MlopsError
from ci.files import file_digest, write_json
from ci.repository import Repository
from ci.score.outcome import remembered
from ci.state.records import Release, put_in_production
from tests.support.repositories import contract, new_repository, write_model

PREDICTIONS = "predictions.csv.gz"
BATCH = {"schedule": "17 5 * * 1", "input": "evaluation/analysis.csv"}  # Mondays
MONITORING = {
    "timestamp": "day",
    "chunk": "day",
    "reference": "evaluation/reference.csv",
    "analysis": "evaluation/analysis.csv",
}
MONDAY = date(2026, 11, 16)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    made = new_repository(tmp_path / "repository")
    write_model(made, "orders", batch=BATCH, monitoring=MONITORING)
    return made


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """The state branch's files: version 1 of `orders` was released long ago."""
    folder = tmp_path / "state"
    put_in_production(folder, release("orders", 1, "2026-10-01T12:00:00+00:00"))
    return folder


def release(model: str, version: int, at: str) -> Release:
    known = dict.fromkeys(Release.model_fields, "")
    given = {
        "evaluation": None,
        "model": model,
        "version": version,
        "released_at": at,
        "candidate": "reviewed",
    }
    return Release.model_validate({**known, "pull": None, "approvers": [], "data": {}, **given})


def entry(day: date, version: int = 1, digest: str = "d" * 64) -> Entry:
    return Entry(
        day=day, version=version, input=digest, rows=3, tag="t", asset="a", digest="e", run_url="u",
        at="2026-11-16T06:00:00+00:00",
    )  # fmt: skip


def only(repository: Repository, state: Path, now: str) -> Decision:
    (found,) = due_models(repository, state, at(now))
    return found


@pytest.mark.parametrize("now", ["2026-11-16 05:17", "2026-11-16 06:37", "2026-11-19 12:00"])
def test_a_late_run_is_for_the_day_of_the_schedule(
    repository: Repository, state: Path, now: str
) -> None:
    add_entry(state, "orders", entry(date(2026, 11, 9)))
    found = only(repository, state, now)
    assert (found.day, found.reason) == (MONDAY, "due since 2026-11-16 05:17 UTC")


def test_what_ran_is_not_due_again_until_the_next_time(repository: Repository, state: Path) -> None:
    add_entry(state, "orders", entry(MONDAY))
    found = only(repository, state, "2026-11-23 05:16")
    assert (found.day, found.reason) == (None, "scored for 2026-11-16 already")
    assert only(repository, state, "2026-11-23 05:17").day == date(2026, 11, 23)


def test_several_dropped_schedules_are_caught_up_by_one_run(
    repository: Repository, state: Path
) -> None:
    add_entry(state, "orders", entry(date(2026, 10, 5)))
    found = only(repository, state, "2026-11-19 12:00")
    assert found.day == MONDAY
    add_entry(state, "orders", entry(found.day))
    assert only(repository, state, "2026-11-19 12:01").day is None


def test_a_run_by_hand_after_the_time_counts(repository: Repository, state: Path) -> None:
    add_entry(state, "orders", entry(date(2026, 11, 17)))
    assert only(repository, state, "2026-11-19 12:00").day is None


def test_a_first_release_does_not_owe_what_was_due_before_it(
    repository: Repository, state: Path
) -> None:
    put_in_production(state, release("orders", 1, "2026-11-17T12:00:00+00:00"))
    (state / "versions/orders/1.json").unlink()
    put_in_production(state, release("orders", 1, "2026-11-17T12:00:00+00:00"))
    assert only(repository, state, "2026-11-19 12:00").reason == "not due since its first release"
    put_in_production(state, release("orders", 2, "2026-11-24T12:00:00+00:00"))
    assert only(repository, state, "2026-11-24 13:00").day == date(2026, 11, 23)


def test_what_was_never_released_is_named_and_left_alone(
    repository: Repository, tmp_path: Path
) -> None:
    empty, now = tmp_path / "empty", at("2026-11-19 12:00")
    for found in (
        *due_models(repository, empty, now),
        asked_for(repository, empty, "orders", now),
        *watched_models(repository, empty, "", now),
    ):
        assert found.day is None
        assert found.reason.startswith("never released")


def test_a_model_without_a_schedule_is_not_asked_about(repository: Repository, state: Path) -> None:
    write_model(repository, "quiet")
    now = at("2026-11-19 12:00")
    assert [each.model for each in due_models(repository, state, now)] == ["orders"]
    assert [each.model for each in watched_models(repository, state, "", now)] == ["orders"]
    with pytest.raises(MlopsError, match="has no key batch"):
        asked_for(repository, state, "quiet", now)
    with pytest.raises(MlopsError, match="has no key monitoring"):
        watched_models(repository, state, "quiet", now)
    with pytest.raises(MlopsError, match="did you mean orders"):
        asked_for(repository, state, "order", now)


def test_a_model_that_is_asked_for_is_scored_for_today(repository: Repository, state: Path) -> None:
    add_entry(state, "orders", entry(MONDAY))
    found = asked_for(repository, state, "orders", at("2026-11-19 23:59"))
    assert (found.day, found.language) == (date(2026, 11, 19), "python")


def test_a_broken_contract_is_named_and_holds_up_no_other(
    repository: Repository, state: Path
) -> None:
    broken = repository.models_dir / "broken"
    broken.mkdir()
    (broken / "model.yaml").write_text("name: broken\n")
    found = due_models(repository, state, at("2026-11-16 06:00"))
    assert [(each.model, each.day) for each in found] == [("broken", None), ("orders", MONDAY)]
    assert "models/broken/model.yaml" in found[0].reason
    watched = watched_models(repository, state, "", at("2026-11-16 06:00"))
    assert [each.day is None for each in watched] == [True, False]


def test_a_schedule_that_is_none_is_refused_by_the_contract(repository: Repository) -> None:
    from ci.contract.model import ModelContract

    wrong = contract("orders", batch={**BATCH, "schedule": "17 25 * * 1"})
    with pytest.raises(ValueError, match="hour '25'"):
        ModelContract.model_validate(wrong)


def test_the_ledger_knows_version_input_and_day(tmp_path: Path) -> None:
    first = entry(MONDAY)
    assert add_entry(tmp_path, "orders", first) == first
    again = first.model_copy(update={"at": "later", "run_url": "other"})
    assert add_entry(tmp_path, "orders", again) == first
    others = [entry(MONDAY, version=2), entry(MONDAY, digest="0" * 64), entry(date(2026, 11, 17))]
    for each in others:
        assert add_entry(tmp_path, "orders", each) == each
    assert read_ledger(tmp_path, "orders") == Ledger(entries=(first, *others))


def test_a_damaged_ledger_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "batch").mkdir()
    (tmp_path / "batch/orders.json").write_text('{"entries": [{"day": "Monday"}]}')
    with pytest.raises(
        MlopsError, match=r"batch/orders\.json on the branch mlops-state is damaged"
    ):
        read_ledger(tmp_path, "orders")


@pytest.fixture
def parcel(tmp_path: Path) -> Path:
    folder = tmp_path / "batch-orders"
    folder.mkdir()
    (folder / PREDICTIONS).write_bytes(b"predictions")
    (folder / "report.html").write_text("A report")
    last = {"key": "k", "model": "orders", "version": 3, "started": "2026-11-16", "seconds": 1}
    made = Parcel.model_validate(
        {
            "model": "orders",
            "version": 3,
            "day": MONDAY,
            "input": "a" * 64,
            "rows": 1,
            "kind": "csv.gz",
            "files": {path.name: file_digest(path) for path in folder.iterdir()},
            "last": {**last, "rows": 1, "written": 1, "bad": 0, "facts": {}},
        }
    )
    write_json(folder / PARCEL, made.model_dump(mode="json"))
    return folder


def test_a_parcels_place_follows_from_what_it_is(parcel: Path) -> None:
    read = read_parcel(parcel, ["orders"])
    assert read.tag == "orders/batch-2026"
    run = f"orders-2026-11-16-v3-{'a' * 12}"
    assert read.asset(read.predictions) == f"{run}.csv.gz"
    assert read.asset("predictions.quarantine.csv") == f"{run}.quarantine.csv"
    assert read.asset("report.html") == f"{run}.report.html"


def test_the_next_run_on_another_machine_knows_the_last(parcel: Path, tmp_path: Path) -> None:
    last = read_parcel(parcel, ["orders"]).last
    keep_last(tmp_path / "state", "orders", last)
    fresh = Repository(tmp_path / "fresh")
    recall(fresh, tmp_path / "state", "visits")
    recall(fresh, tmp_path / "state", "orders")
    (found,) = remembered(fresh.state_dir / "reports" / "orders")
    assert (found.key, found.started, found.top) == ("k", "2026-11-16", [])
    (tmp_path / "state" / "batch" / "orders.last.json").write_text('{"key": "other"}')
    recall(fresh, tmp_path / "state", "orders")
    assert list(remembered(fresh.state_dir / "reports" / "orders")) == [found]


def _other_content(folder: Path) -> None:
    (folder / PREDICTIONS).write_bytes(b"others")


def _link(folder: Path) -> None:
    (folder / PREDICTIONS).unlink()
    (folder / PREDICTIONS).symlink_to("/etc/hostname")


def _more(folder: Path) -> None:
    (folder / "run.sh").touch()


def _changed(**values: object) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        record = json.loads((folder / PARCEL).read_text())
        write_json(folder / PARCEL, {**record, **values})

    return change


@pytest.mark.parametrize(
    "break_it",
    [
        _other_content,
        _link,
        _more,
        _changed(model="../up"),
        _changed(model="unknown"),
        _changed(model="visits"),
        _changed(day="tomorrow"),
        _changed(input="../../x"),
        _changed(rows=-1),
        _changed(more=1),
        _changed(files={}),
        _changed(files={PREDICTIONS: "0" * 64, "../x": "0" * 64}),
        lambda folder: (folder / PARCEL).write_text("[]"),
        lambda folder: (folder / PARCEL).unlink(),
    ],
)
def test_a_parcel_that_is_not_what_it_says_is_refused(
    parcel: Path, break_it: Callable[[Path], object]
) -> None:
    break_it(parcel)
    with pytest.raises(MlopsError) as caught:
        read_parcel(parcel, ["orders", "visits"])
    assert caught.value.code == "bad_parcel"
