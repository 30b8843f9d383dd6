"""The registry follows from its events: killed in between, changed by hand, rebuilt."""

from __future__ import annotations

import random
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ci.check import check
from ci.errors import MlopsError
from ci.events.audit import audit, begin_again
from ci.events.event import Lineage
from ci.events.log import own_log
from ci.events.standing import PREVIOUS, PRODUCTION, STAGING, standings
from ci.events.tale import history
from ci.events.value import value
from ci.files import file_digest, write_json
from ci.registry.change import Why, finish, promote, register, roll_back, stage
from ci.registry.compare import disagreements
from ci.registry.rebuild import rebuild
from ci.registry.store import client
from ci.registry.take_over import MARK
from ci.registry.versions import by_alias, registered
from ci.repository import Repository
from ci.targets.services import LIVE, Record, Service, write_record
from tests.support.repositories import new_repository, write_model

WHY = Why("a test", "alice")
MODEL = "sales"

# A promotion that is killed at the moment that the first argument names.
KILLED = """
import os, signal, sys
from pathlib import Path
from ci.registry import change
from ci.repository import Repository

def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

setattr(change, sys.argv[1], die)
repository = Repository(Path(sys.argv[2]))
why = change.Why("a test", "alice")
if sys.argv[3] == "register":
    from ci.events.event import Lineage
    lineage = Lineage(version=0, run_id="r", fingerprint="new", bento="b", digest="new")
    change.register(repository, "sales", lineage, why)
else:
    change.promote(repository, "sales", 2, why)
"""


@pytest.fixture(scope="module")
def empty_registry(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A registry without a model: to make its tables takes seconds."""
    repository = Repository(tmp_path_factory.mktemp("registry"))
    client(repository).search_registered_models()
    return repository.state_dir / "mlflow.db"


@pytest.fixture
def repository(tmp_path: Path, empty_registry: Path) -> Repository:
    made = new_repository(tmp_path / "repository")
    write_model(made, MODEL)
    made.state_dir.mkdir()
    shutil.copyfile(empty_registry, made.state_dir / "mlflow.db")
    return made


def lineage(mark: str) -> Lineage:
    return Lineage(
        version=0,
        run_id=f"run-{mark}",
        source_run_id=f"trained-{mark}",
        fingerprint=f"fingerprint-{mark}",
        source="source",
        bento=f"{MODEL}:{mark}",
        digest=f"digest-{mark}",
        commit="c" * 40,
        committed_at="2026-01-01T00:00:00+00:00",
        trained_at="2026-01-01T01:00:00+00:00",
        pull=7,
        approvers=["bob", "carol"],
        verdict="pass, waived: slices",
        candidate="reviewed",
        data={"data/sales/tables/sales.csv": "0" * 32, "data/x/y.csv": "1" * 32},
        workflow_run="https://github.example/run/1",
    )


def release(repository: Repository, mark: str, model: str = MODEL) -> int:
    version = register(repository, model, lineage(mark), WHY).version
    stage(repository, model, version, WHY)
    promote(repository, model, version, WHY)
    return version


def kill(repository: Repository, at: str, what: str = "promote") -> None:
    done = subprocess.run(
        [sys.executable, "-c", KILLED, at, str(repository.root), what], check=False
    )
    assert done.returncode == -signal.SIGKILL


def aliases(repository: Repository, model: str = MODEL) -> dict[str, int]:
    return registered(repository)[model].aliases


def problems(repository: Repository) -> list[str]:
    return [text for _, text in disagreements(repository)]


def test_a_version_keeps_its_whole_lineage_in_mlflow_and_in_its_event(
    repository: Repository,
) -> None:
    assert release(repository, "one") == 1
    kept = registered(repository)[MODEL].versions[1]
    told = own_log(repository).events()[0].lineage
    assert kept == told == lineage("one").model_copy(update={"version": 1})
    tags = client(repository).get_model_version(MODEL, "1").tags
    assert (tags["pull"], tags["approvers"]) == ("7", "bob, carol")
    assert tags["data.data/sales/tables/sales.csv"] == "0" * 32
    assert problems(repository) == []


def test_the_same_bento_again_is_the_same_version_and_no_new_event(repository: Repository) -> None:
    release(repository, "one")
    before = own_log(repository).events()
    assert release(repository, "one") == 1
    assert own_log(repository).events() == before


def test_a_month_of_changes_can_be_rebuilt_from_its_events(repository: Repository) -> None:
    draw = random.Random(3)  # noqa: S311 (no secret)
    live: dict[str, list[int]] = {"sales": [], "demand": []}
    for number in range(16):
        model = draw.choice(list(live))
        if live[model] and draw.random() < 0.4:
            version = draw.choice(live[model])
            roll_back(repository, model, version, WHY, 1.0)
        else:
            live[model].append(release(repository, f"{model}-{number}", model))
    assert problems(repository) == []
    before = registered(repository)
    old = file_digest(repository.state_dir / "mlflow.db")

    done = rebuild(repository)
    assert done.versions == {model: len(versions) for model, versions in live.items()}
    assert done.kept
    assert file_digest(done.kept) == old
    after = registered(repository)
    assert {m: (r.versions, r.aliases) for m, r in after.items()} == {
        m: (r.versions, r.aliases) for m, r in before.items()
    }
    assert problems(repository) == []

    assert release(repository, "next", "sales") == len(live["sales"]) + 1


def test_a_registry_that_is_gone_or_damaged_is_rebuilt(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    # MLflow keeps files open for as long as a process lives; a command is a process of its own.
    monkeypatch.setenv("MLFLOW_SQLALCHEMYSTORE_POOLCLASS", "NullPool")
    release(repository, "one")
    before = registered(repository)
    for damage in (Path.unlink, lambda path: path.write_bytes(b"no database" * 1000)):
        damage(repository.state_dir / "mlflow.db")
        rebuild(repository)
        assert registered(repository) == before


def test_numbers_that_have_no_event_stay_free_in_a_rebuilt_registry(
    repository: Repository,
) -> None:
    release(repository, "one")
    client(repository).create_model_version(MODEL, "by://hand")
    assert release(repository, "three") == 3
    rebuild(repository)
    assert list(registered(repository)[MODEL].versions) == [1, 3]
    assert aliases(repository) == {STAGING: 3, PRODUCTION: 3, PREVIOUS: 1}
    assert release(repository, "four") == 4


def test_nothing_is_rebuilt_from_a_broken_chain_or_from_nothing(repository: Repository) -> None:
    before = file_digest(repository.state_dir / "mlflow.db")
    with pytest.raises(MlopsError) as caught:
        rebuild(repository)
    assert caught.value.code == "no_events"
    release(repository, "one")
    log = own_log(repository)
    log.path.write_text(log.path.read_text().replace("alice", "eve", 1))
    before = file_digest(repository.state_dir / "mlflow.db")
    with pytest.raises(MlopsError) as caught:
        rebuild(repository)
    assert caught.value.code == "broken_chain"
    log.path.write_text("".join(log.path.read_text().replace("eve", "alice").splitlines(True)[:2]))
    with pytest.raises(MlopsError, match="event 3 is gone"):
        rebuild(repository)
    assert file_digest(repository.state_dir / "mlflow.db") == before
    assert "audit verify" in problems(repository)[0]
    with pytest.raises(MlopsError, match="audit verify"):
        release(repository, "two")
    assert list(registered(repository)[MODEL].versions) == [1]


def test_a_server_is_not_rebuilt(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    with pytest.raises(MlopsError) as caught:
        rebuild(repository)
    assert caught.value.code == "has_server"


def test_a_promotion_killed_after_its_event_is_named_and_then_finished(
    repository: Repository,
) -> None:
    release(repository, "one")
    register(repository, MODEL, lineage("two"), WHY)
    kill(repository, "follow")
    assert aliases(repository)[PRODUCTION] == 1
    found = problems(repository)
    assert len(found) == 2
    assert "the alias previous is at no version, and by the events at version 1" in found[0]
    assert "the alias production is at version 1, and by the events at version 2" in found[1]
    assert [p.problem for p in check(repository, MODEL) if p.key == MODEL] == found

    finish(repository, MODEL)
    assert (aliases(repository)[PRODUCTION], aliases(repository)[PREVIOUS]) == (2, 1)
    assert problems(repository) == []
    events = own_log(repository).events()
    promote(repository, MODEL, 2, WHY)
    assert own_log(repository).events() == events


def test_a_promotion_killed_before_its_event_has_not_happened(repository: Repository) -> None:
    release(repository, "one")
    register(repository, MODEL, lineage("two"), WHY)
    kill(repository, "declare")
    assert problems(repository) == []
    assert aliases(repository)[PRODUCTION] == 1
    promote(repository, MODEL, 2, WHY)
    assert aliases(repository)[PRODUCTION] == 2


def test_a_registration_killed_before_its_event_is_named_and_then_told(
    repository: Repository,
) -> None:
    release(repository, "one")
    kill(repository, "standings", "register")
    (problem,) = problems(repository)
    assert problem.startswith("version 2 is in the registry, and no event tells of it")
    again = Lineage(version=0, run_id="r", fingerprint="new", bento="b", digest="new")
    assert register(repository, MODEL, again, WHY).version == 2
    assert problems(repository) == []
    assert list(standings(own_log(repository).events())[MODEL].versions) == [1, 2]


def test_what_is_changed_by_hand_in_mlflow_is_named(repository: Repository) -> None:
    release(repository, "one")
    release(repository, "two")
    mlflow = client(repository)
    mlflow.set_registered_model_alias(MODEL, PRODUCTION, "1")
    mlflow.set_model_version_tag(MODEL, "2", "digest", "another")
    found = problems(repository)
    assert found[0].startswith("version 2 has another digest than its event tells")
    assert found[1].startswith("the alias production is at version 1, and by the events at")
    mlflow.delete_registered_model(MODEL)
    assert problems(repository) == [
        "the events tell of it, and the registry does not have it; type: mlops registry rebuild"
    ]
    rebuild(repository)
    assert problems(repository) == []


def serve(repository: Repository, version: int, since: str) -> None:
    """As the local target takes down what callers reach."""
    service = Service(MODEL, version, "b", "f", "http://127.0.0.1:1", 1, 1, "0", since, LIVE)
    write_record(repository, Record(MODEL, (service,)))


def test_a_service_that_is_not_what_the_events_have_in_production_is_named(
    repository: Repository,
) -> None:
    release(repository, "one")
    serve(repository, 2, "x")
    assert problems(repository) == [
        "version 2 was started last, and by the events version 1 is in production: a command was "
        "cut off; type it again."
    ]


def test_a_log_that_was_removed_shows_by_what_the_registry_remembers(
    repository: Repository,
) -> None:
    release(repository, "one")
    release(repository, "two")
    log = own_log(repository)
    head = log.folder / "events.head"
    lines = log.path.read_text().splitlines(keepends=True)
    head.unlink()
    log.path.write_text("".join(lines[:4]))
    (found,) = audit(repository)
    assert [each.problem for each in found.found.findings] == [
        "events 5 to 6 are gone: the tail was cut off. Event 6 is named by the registry (tag "
        "events_head of sales)"
    ]
    log.path.unlink()
    assert problems(repository)[0].startswith("the registry remembers event 6")
    (found,) = audit(repository)
    assert [each.problem[:19] for each in found.found.findings] == ["all events are gone"]


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"", b"hello\n"])
def test_a_head_that_names_no_event_is_found(repository: Repository, content: bytes) -> None:
    release(repository, "one")
    (own_log(repository).folder / "events.head").write_bytes(content)
    (found,) = audit(repository)
    assert ["events.head names no event" in each.problem for each in found.found.findings] == [True]
    with pytest.raises(MlopsError, match="head names no event") as caught:
        release(repository, "two")
    assert caught.value.code == "broken_chain"


def test_a_broken_chain_is_set_aside_and_a_new_one_begins_with_what_is_there(
    repository: Repository,
) -> None:
    release(repository, "one")
    release(repository, "two")
    with pytest.raises(MlopsError) as caught:
        begin_again(repository, "no reason")
    assert caught.value.code == "not_broken"
    log = own_log(repository)
    damaged = log.path.read_text().replace("alice", "eve", 1)
    log.path.write_text(damaged)
    begun = begin_again(repository, "somebody edited it")
    assert begun.models == 1
    assert begun.kept
    assert begun.kept.read_text() == damaged
    (found,) = audit(repository)
    assert (found.found.events, found.found.findings) == (1, [])
    assert problems(repository) == []
    assert release(repository, "three") == 3
    rebuild(repository)
    assert aliases(repository) == {STAGING: 3, PRODUCTION: 3, PREVIOUS: 2}


def test_a_registry_older_than_events_is_taken_over_once(repository: Repository) -> None:
    mlflow = client(repository)
    mlflow.create_registered_model(MODEL)
    for number in ("1", "2"):
        tags = {"fingerprint": f"f{number}", "bento": f"b{number}", "digest": f"d{number}"}
        mlflow.create_model_version(MODEL, "bento://x", "run", tags=tags)
    mlflow.set_registered_model_alias(MODEL, PRODUCTION, "2")
    mlflow.set_registered_model_alias(MODEL, PREVIOUS, "1")
    since = "2026-01-03T00:00:00+00:00"
    serve(repository, 2, since)

    for _ in range(2):
        (told,) = history(repository, MODEL, None).periods
        assert (told.version, told.since, told.fingerprint) == (2, "2026-01-03T00:00:00Z", "f2")
        assert told.place == "here"
    (event,) = own_log(repository).events()
    assert event.kind == "taken_over"
    assert value(repository).models_live == [MODEL]
    assert problems(repository) == []
    roll_back(repository, MODEL, 1, WHY, 0.5)
    assert aliases(repository) == {PRODUCTION: 1, PREVIOUS: 2}
    assert [each.version for each in history(repository, MODEL, None).periods] == [2, 1]


def test_a_registry_from_the_branch_becomes_this_checkouts_own_when_it_changes_it(
    repository: Repository, tmp_path: Path
) -> None:
    release(repository, "one")
    release(repository, "two")
    state = repository.state_dir / "state"
    state.mkdir()
    own_log(repository).path.rename(state / "events.jsonl")
    (repository.state_dir / "events.head").unlink()
    database = repository.state_dir / "mlflow.db"
    write_json(repository.state_dir / MARK, {"sha256": file_digest(database)})
    assert problems(repository) == []
    assert history(repository, MODEL, None).periods[-1].place == "released"
    assert not own_log(repository).path.exists()

    rebuild(repository)
    assert problems(repository) == []
    assert (repository.state_dir / MARK).exists()
    roll_back(repository, MODEL, 1, WHY, 0.5)
    assert not (repository.state_dir / MARK).exists()
    assert [each.kind for each in own_log(repository).events()] == ["taken_over", "rolled_back"]
    now = by_alias(repository, MODEL, PRODUCTION)
    assert now is not None
    assert now.version == 1
    assert problems(repository) == []
    found = {
        (p.place, p.version, p.until is None) for p in history(repository, MODEL, None).periods
    }
    assert ("released", 2, True) in found
    assert ("here", 1, True) in found
