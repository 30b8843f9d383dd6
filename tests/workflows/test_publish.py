"""Releasing against GitHub's stand-in, without a workflow: every point at which it can be cut."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from pathlib import Path

import pytest

from bentos.build import bento_digest
from ci.assets.bentos import bring_bento
from ci.assets.data import DataStore
from ci.assets.data_releases import STORE
from ci.assets.objects import Cache
from ci.errors import MlopsError
from ci.events.audit import audit
from ci.events.log import head_of, released_log
from ci.events.tale import history
from ci.fingerprint import fingerprint
from ci.github import releases
from ci.github.client import GitHub
from ci.github.context import Context
from ci.handover.manifest import Trained
from ci.package.archive import pack
from ci.registry.store import client
from ci.registry.versions import PREVIOUS, PRODUCTION, by_alias
from ci.release.approvals import Approval, Change, approval_of
from ci.release.due import Request, own_digest
from ci.release.go_back import go_back
from ci.release.plan import Plan, PlannedModel
from ci.release.publish import Released, publish
from ci.release.settle import settle
from ci.release.staged import BENTO, OBJECTS, Staged, read_failures, write_failed
from ci.repository import Repository
from ci.state.branch import StateBranch
from ci.state.local import REGISTRY, copy_database, fetch, registry_of, state_folder
from ci.state.records import Pin, Release, deployed, pin, released, versions, write_pin
from tests.support.judging import EVALUATED
from tests.workflows.conftest import MakeWorld
from tests.workflows.desk import Desk
from tests.workflows.standin.hub import BOT
from tests.workflows.world import World

MODEL = "sales-python"
OBJECT = b"price,units\n" * 1000
MD5 = hashlib.md5(OBJECT, usedforsecurity=False).hexdigest()


class CutOffError(BaseException):
    """The machine went away: nothing catches this."""


class Office:
    """A clone in which releases are made, as the job `release` has it."""

    def __init__(self, world: World, folder: Path) -> None:
        self.world = world
        self.desk = Desk(world, folder / "clone", BOT)
        self.repository = Repository(self.desk.root)
        self.folder = folder
        self.number = 7
        event = folder / "event.json"
        event.write_text(json.dumps({"repository": {"default_branch": "main"}}))

    @property
    def github(self) -> GitHub:
        """GitHub as the run ``number`` sees it."""
        world = self.world
        return GitHub(
            Context.from_environment(
                {
                    "GITHUB_REPOSITORY": world.github.full_name,
                    "GITHUB_API_URL": world.url,
                    "GITHUB_SERVER_URL": world.url,
                    "GITHUB_TOKEN": self.desk.token,
                    "GITHUB_EVENT_PATH": str(self.folder / "event.json"),
                    "GITHUB_EVENT_NAME": "push",
                    "GITHUB_SHA": world.main,
                    "GITHUB_REF": "refs/heads/main",
                    "GITHUB_ACTOR": "alice",
                    "GITHUB_RUN_ID": str(self.number),
                    "GITHUB_WORKSPACE": str(self.desk.root),
                    "RUNNER_TEMP": str(self.folder),
                }
            )
        )

    @property
    def data(self) -> DataStore:
        """Where the content of datasets is kept, as it is now."""
        return DataStore(self.repository, self.github)

    def stage(self, text: str = "one", champion: int | None = None) -> tuple[Staged, Path]:
        """A candidate whose Bento says ``text``."""
        folder = self.folder / f"staged-{text}"
        bento = self.folder / f"bento-{text}"
        (bento / "src").mkdir(parents=True, exist_ok=True)
        (bento / "src" / "model.txt").write_text(text)
        (bento / "bento.yaml").write_text("name: x\n")
        (folder / OBJECTS).mkdir(parents=True, exist_ok=True)
        (folder / OBJECTS / MD5).write_bytes(OBJECT)
        pack(bento, folder / BENTO)
        (folder / "sample.json").write_text('{"rows": {}, "answers": {}}')
        mark = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()
        trained = Trained(
            model=MODEL,
            run_id=f"run-{text}",
            fingerprint=mark,
            trained_at="2026-01-01",
            seconds=1.0,
            git_commit=self.world.main,
            outputs={"artifact": "a"},
            metrics={"slope": -3.0},
            params={"train": {"shrinkage": 0.0}},
            data={},
            inputs={},
        )
        verdict = {
            "model": MODEL,
            "fingerprint": mark,
            "champion_version": champion,
            "verdict": "pass",
            "rules": [{"rule": "floors", "result": "pass", "detail": "None."}],
        }
        staged = Staged.model_validate(
            {
                "model": MODEL,
                "commit": self.world.main,
                "source": fingerprint(self.repository, MODEL),
                "bento": f"{MODEL}:{mark}",
                "digest": bento_digest(bento),
                "trained": trained,
                "determinants": {"data/x": "d"},
                "data": {"data/x": MD5},
                "verdict": verdict,
                "evaluation": EVALUATED,
                "champion_version": champion,
                "champion_fingerprint": None,
                "candidate": "reviewed",
                "why": None,
                "pull": 3,
                "median_seconds": 0.01,
                "slowest_seconds": 0.02,
            }
        )
        return staged, folder

    def publish(self, text: str = "one", champion: int | None = None, by: str = "bob") -> Released:
        staged, folder = self.stage(text, champion)
        approval = Approval([by])
        return publish(self.repository, self.github, staged, folder, approval, Request())

    def settle(self, *, failing: bool = False, later: tuple[str, ...] = ()) -> None:
        """The last job of the deployment of what main has now."""
        source = fingerprint(self.repository, MODEL)
        model = PlannedModel(model=MODEL, language="python", reason="x", source=source)
        plan = Plan(
            commit=self.world.main,
            models=[model],
            held=[],
            later=list(later),
            outdated=False,
            notes=[],
        )
        folder = self.folder / "failures"
        if failing:
            write_failed(folder, MODEL, MlopsError("refused", "It was refused by <b>@everyone</b>"))
        told = read_failures(folder) if failing else {}
        settle(self.repository, self.github, plan, told, Request())

    def owed(self) -> set[str]:
        """Models that were never released and should have been."""
        told = deployed(self.state())
        return set(told.owed) if told else set()

    def state(self) -> Path:
        fetch(self.repository)
        return state_folder(self.repository)

    def live(self) -> int | None:
        found = released(self.state(), MODEL)
        return found.version if found else None

    def aliases(self) -> tuple[int | None, int | None]:
        """The versions that MLflow has in production and had before it."""
        state = self.state()
        if not (state / "mlflow.db").exists():
            return None, None
        with registry_of(state) as registry:
            now, before = (by_alias(registry, MODEL, alias) for alias in (PRODUCTION, PREVIOUS))
        return now.version if now else None, before.version if before else None

    def shown(self) -> list[str]:
        every = self.world.github.releases.values()
        return sorted(each["tag_name"] for each in every if not each["draft"])

    def drafts(self) -> list[str]:
        every = self.world.github.releases.values()
        return [each["tag_name"] for each in every if each["draft"]]


@pytest.fixture
def first_office(make_world: MakeWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Office:
    """A repository that never released anything."""
    made = Office(make_world(), tmp_path)
    monkeypatch.setenv("GITHUB_TOKEN", made.desk.token)
    return made


@pytest.fixture(scope="session")
def empty_registry(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A registry without a model: to make its tables takes seconds."""
    repository = Repository(tmp_path_factory.mktemp("registry"))
    client(repository).search_registered_models()
    return repository.state_dir / REGISTRY


@pytest.fixture
def office(first_office: Office, empty_registry: Path) -> Office:
    """A repository whose state branch has a registry."""
    StateBranch(first_office.repository.root).update(
        "seed", lambda state: copy_database(empty_registry, state / REGISTRY)
    )
    return first_office


def test_a_release_is_shown_registered_and_in_production(first_office: Office) -> None:
    office = first_office
    done = office.publish()
    assert done.release.version == 1
    assert office.shown() == ["data-store", f"{MODEL}/v1"]
    assert office.live() == 1
    assert office.aliases() == (1, None)
    with registry_of(office.state()) as registry:
        mlflow = client(registry)
        tags = mlflow.get_model_version(MODEL, "1").tags
        run = mlflow.get_run(done.release.run_id).data.tags
    assert tags["source_run_id"] == run["source_run_id"] == "run-one"
    assert json.loads(tags["evaluation"]) == done.release.as_version().evaluation == EVALUATED
    assert (tags["approvers"], tags["pull"], tags["verdict"]) == ("bob", "3", "pass")
    assert tags["git_commit"] == office.world.main
    assert tags["digest"] == done.release.digest
    office.settle()
    assert office.world.github.issues == {}


def kinds(office: Office) -> list[str]:
    """What the state branch tells of the model, oldest first."""
    return [each.kind for each in released_log(office.state()).events() if each.model == MODEL]


def test_each_step_is_an_event_on_the_branch_and_releases_record_the_head(office: Office) -> None:
    first = office.publish()
    second = office.publish("two", champion=1)
    undone = go_back(office.repository, office.github, MODEL, None, "too slow", "carol")
    office.number = 9
    office.settle(failing=True)
    assert kinds(office) == [
        *("registered", "staged", "promoted"),
        *("registered", "staged", "promoted"),
        *("rolled_back", "pinned", "unpinned"),
    ]
    events = released_log(office.state()).events()
    back = next(each for each in events if each.kind == "rolled_back")
    assert (back.version, back.before, back.actor, back.reason) == (1, 2, "carol", "too slow")
    assert events[0].lineage
    assert events[0].lineage.data == {"data/x": MD5}
    assert events[0].lineage.approvers == ["bob"]

    live = released(office.state(), MODEL)
    assert live is not None
    heads = [each.events_head for each in (first.release, second.release, live)]
    assert heads == [head_of(events[2]), head_of(events[5]), head_of(events[7])]
    assert undone.now.version == 1
    (audited,) = audit(office.repository)
    assert (audited.place, audited.found.findings) == ("released", [])

    told = history(office.repository, MODEL, None).periods
    assert [(each.version, each.place, each.approvers) for each in told] == [
        (1, "released", ["bob"]),
        (2, "released", ["bob"]),
        (1, "released", ["bob"]),
    ]
    assert told[1].ended_because == "rolled back to version 1: too slow"


def test_a_branch_whose_events_were_cut_is_noticed_by_whoever_saw_them(
    office: Office, capsys: pytest.CaptureFixture[str]
) -> None:
    office.publish()
    office.publish("two", champion=1)
    office.state()

    def cut(state: Path) -> None:
        path = released_log(state).path
        path.write_text("".join(path.read_text().splitlines(keepends=True)[:3]))
        (state / "released" / f"{MODEL}.json").unlink()
        (state / "versions" / MODEL / "2.json").unlink()

    StateBranch(office.repository.root).update("cut", cut)
    capsys.readouterr()
    office.state()
    assert "The events on mlops-state are not what they were" in capsys.readouterr().err
    (audited,) = audit(office.repository)
    assert "events 4 to 6 are gone" in audited.found.findings[0].problem


def test_a_branch_older_than_events_is_taken_over_by_the_next_release(office: Office) -> None:
    office.publish()

    def forget(state: Path) -> None:
        released_log(state).path.unlink()

    StateBranch(office.repository.root).update("forget", forget)
    for path in office.repository.state_dir.glob("seen-events.json"):
        path.unlink()
    office.publish("two", champion=1)
    assert kinds(office) == ["taken_over", "registered", "staged", "promoted"]
    found = released_log(office.state()).events()[0]
    live = versions(office.state(), MODEL)[0]
    assert (found.aliases, found.since) == ({"production": 1, "staging": 1}, live.released_at)


def test_the_same_candidate_again_is_the_same_version_with_its_first_tags(office: Office) -> None:
    office.publish()
    office.number = 8
    again = office.publish(champion=1, by="carol")
    assert (again.release.version, again.release.approvers) == (1, ["carol"])
    with registry_of(office.state()) as registry:
        assert client(registry).get_model_version(MODEL, "1").tags["approvers"] == "bob"
    assert [each.approvers for each in versions(office.state(), MODEL)] == [["bob"]]
    assert office.shown() == ["data-store", f"{MODEL}/v1"]


def test_the_failed_jobs_of_a_run_again_leave_alone_what_it_released(office: Office) -> None:
    office.publish()
    before = StateBranch(office.repository.root).head()
    assert office.publish().release.version == 1  # judged against no version, as it was then
    assert StateBranch(office.repository.root).head() == before


def test_a_second_version_moves_both_aliases(office: Office) -> None:
    office.publish()
    office.publish("two", champion=1)
    assert (office.live(), office.aliases()) == (2, (2, 1))


def test_a_failed_upload_leaves_state_aliases_and_releases_as_they_were(office: Office) -> None:
    office.publish()
    before = StateBranch(office.repository.root).head()
    office.world.github.fail_next("POST", "/assets", 403, message="Forbidden")
    with pytest.raises(MlopsError, match="Forbidden"):
        office.publish("two", champion=1)
    office.settle(failing=True)
    assert (office.live(), office.aliases()) == (1, (1, None))
    assert office.shown() == ["data-store", f"{MODEL}/v1"]
    assert before is not None
    office.publish("two", champion=1)
    assert office.shown() == ["data-store", f"{MODEL}/v1", f"{MODEL}/v2"]
    assert office.drafts() == []


def test_cut_off_before_the_push_to_the_state_nothing_has_happened(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut(*_: object) -> bool:
        raise CutOffError

    with monkeypatch.context() as patch:
        patch.setattr(StateBranch, "_push", cut)
        with pytest.raises(CutOffError):
            office.publish()
    assert (office.live(), office.aliases(), office.shown()) == (None, (None, None), ["data-store"])
    assert office.drafts() == [f"{MODEL}/v1"]
    office.settle(failing=True)
    assert office.drafts() == [f"{MODEL}/v1"]
    office.publish("other")
    assert (office.live(), office.drafts()) == (1, [])
    fresh = Repository(Desk(office.world, office.folder / "fresh").root)
    found = released(office.state(), MODEL)
    assert found
    bento = bring_bento(fresh, office.github, found)
    assert (bento / "src" / "model.txt").read_text() == "other"


def test_cut_off_after_the_push_the_next_run_shows_the_release(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut(*_: object) -> None:
        raise CutOffError

    with monkeypatch.context() as patch:
        patch.setattr(releases, "publish", cut)
        with pytest.raises(CutOffError):
            office.publish()
    assert (office.live(), office.drafts()) == (1, [f"{MODEL}/v1"])
    office.settle()
    assert (office.drafts(), office.shown()) == ([], ["data-store", f"{MODEL}/v1"])


def test_a_bento_that_was_changed_on_the_way_is_refused(office: Office) -> None:
    staged, _ = office.stage("one")
    _, other = office.stage("two")
    with pytest.raises(MlopsError, match="not the one that passed"):
        publish(office.repository, office.github, staged, other, Approval([]), Request())
    assert office.live() is None


def test_what_was_judged_against_another_champion_is_refused(office: Office) -> None:
    office.publish()
    with pytest.raises(MlopsError) as caught:
        office.publish("two", champion=None)
    assert caught.value.code == "overtaken"
    assert office.live() == 1


def test_a_pin_that_came_meanwhile_is_not_passed(office: Office) -> None:
    office.publish()
    own = own_digest(office.repository, MODEL)
    wanted = Pin(model=MODEL, version=1, left=2, own=own, reason="x", by="bob", at="t")
    StateBranch(office.repository.root).update("pin", lambda state: write_pin(state, wanted))
    with pytest.raises(MlopsError) as caught:
        office.publish("two", champion=1)
    assert caught.value.code == "overtaken"
    staged, folder = office.stage("two", champion=1)
    asked = Request(asked=MODEL, by="alice", unpin=True)
    publish(office.repository, office.github, staged, folder, Approval([]), asked)
    assert (office.live(), pin(office.state(), MODEL)) == (2, None)


def test_an_mlflow_server_is_moved_only_after_the_state(
    first_office: Office, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    office = first_office
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/server.db")
    office.publish()
    assert not (office.state() / "mlflow.db").exists()

    def cut(*_: object) -> bool:
        raise CutOffError

    with monkeypatch.context() as patch:
        patch.setattr(StateBranch, "_push", cut)
        with pytest.raises(CutOffError):
            office.publish("two", champion=1)
    production = by_alias(office.repository, MODEL, PRODUCTION)
    assert production
    assert production.version == 1
    office.publish("two", champion=1)
    production = by_alias(office.repository, MODEL, PRODUCTION)
    assert production
    assert production.version == 2


def test_a_direct_push_has_no_pull_request_to_approve(office: Office) -> None:
    commit = office.world.commit({"README.md": "Words\n"})
    for asked, problem in ((None, "0 of 1 approvals"), ("alice", "0 of 1 approvals"), ("bob", "")):
        change = Change([], [commit])
        found = approval_of(office.repository, office.github, change, Request(by=asked))
        assert problem in (found.problem or "")
        assert bool(found.problem) == bool(problem)
        if problem:
            assert (found.remedy or "").startswith("It is released once somebody else runs deploy")


def test_models_that_a_run_has_no_job_for_are_owed(office: Office) -> None:
    office.settle(failing=True, later=("first",))
    assert office.owed() == {MODEL, "first"}
    office.publish()
    office.settle(later=("first", "second"))
    assert office.owed() == {"first", "second"}


class TestIssue:
    def test_one_issue_a_model_brought_up_to_date_and_closed_by_the_next_success(
        self, office: Office
    ) -> None:
        office.settle(failing=True)
        office.settle(failing=True)
        (issue,) = office.world.github.issues.values()
        assert issue["title"] == f"{MODEL} could not be released"
        assert "<b>" not in issue["body"]
        assert "@everyone" not in issue["body"]
        office.publish()
        office.settle()
        (issue,) = office.world.github.issues.values()
        assert issue["state"] == "closed"


class TestGoBack:
    def back(self, office: Office, version: int | None = None) -> int:
        done = go_back(office.repository, office.github, MODEL, version, "It forgets", "bob")
        return done.now.version

    def test_the_version_below_is_in_production_again_and_pinned(self, office: Office) -> None:
        office.publish()
        office.publish("two", champion=1)
        assert self.back(office) == 1
        assert (office.live(), office.aliases()) == (1, (1, 2))
        held = pin(office.state(), MODEL)
        assert held
        assert (held.version, held.left, held.reason, held.by) == (1, 2, "It forgets", "bob")
        with pytest.raises(MlopsError) as caught:
            self.back(office)
        assert caught.value.code == "no_previous"
        assert self.back(office, 2) == 2

    def test_one_that_was_rolled_back_from_is_not_gone_back_to(self, office: Office) -> None:
        office.publish()
        office.publish("two", champion=1)
        assert self.back(office) == 1
        staged, folder = office.stage("three", champion=1)
        asked = Request(asked=MODEL, by="alice", unpin=True)
        publish(office.repository, office.github, staged, folder, Approval(["bob"]), asked)
        assert (office.live(), self.back(office)) == (3, 1)

    @pytest.mark.parametrize(("version", "code"), [(7, "unknown_version"), (2, "already_live")])
    def test_a_version_that_can_not_be_gone_back_to(
        self, office: Office, version: int, code: str
    ) -> None:
        office.publish()
        office.publish("two", champion=1)
        with pytest.raises(MlopsError) as caught:
            self.back(office, version)
        assert caught.value.code == code
        assert (office.live(), pin(office.state(), MODEL)) == (2, None)

    def test_what_was_never_released(self, office: Office) -> None:
        with pytest.raises(MlopsError) as caught:
            self.back(office)
        assert caught.value.code == "not_released"

    def test_a_version_without_its_bento_is_not_gone_back_to(self, office: Office) -> None:
        office.publish()
        office.publish("two", champion=1)
        tag = {each["id"]: each["tag_name"] for each in office.world.github.releases.values()}
        every = office.world.github.assets
        gone = [key for key, each in every.items() if tag[each["release"]] == f"{MODEL}/v1"]
        for key in gone:
            del every[key]
        with pytest.raises(MlopsError) as caught:
            self.back(office)
        assert caught.value.code == "lost_bento"
        assert (office.live(), pin(office.state(), MODEL)) == (2, None)


class TestData:
    def test_an_object_is_stored_once_and_comes_back_whole(self, office: Office) -> None:
        office.publish()
        office.publish("two", champion=1)
        (asset,) = [a for a in office.world.github.assets.values() if a["name"].startswith(MD5)]
        assert asset["size"] < len(OBJECT)
        cache = Cache(office.repository)
        assert office.data.bring(cache, [MD5, "0" * 32]) == {"0" * 32}
        assert cache.path(MD5).read_bytes() == OBJECT

    def test_a_person_stores_a_dataset_that_no_stage_makes(self, office: Office) -> None:
        desk, file = office.desk, office.folder / "trips.csv"
        file.write_text("trip,miles\n" + "".join(f"t{n},{n}.5\n" for n in range(50)))
        desk.run("data", "add", str(file), "--name", "trips", "--owner", "marketing")
        (stored,) = desk.json("data", "push", "trips")["stored"]
        assert desk.json("data", "push", "trips")["stored"] == []
        assert office.data.has(stored)
        cache = Cache(office.repository)
        cache.path(stored).unlink()
        assert "has no content of data/trips" in desk.run("data", "push", "trips", code=1)
        assert "no dataset" in desk.run("data", "push", "nowhere", code=1)

    def test_a_damaged_object_is_not_taken(self, office: Office) -> None:
        file = office.folder / "object"
        file.write_bytes(b"something else")
        with pytest.raises(MlopsError) as caught:
            office.data.store({MD5: file}, office.world.main)
        assert caught.value.code == "damaged_data"
        made = releases.create(office.github, STORE, office.world.main, STORE, "x")
        releases.upload_asset(office.github, made, MD5, file)
        cache = Cache(office.repository)
        with pytest.raises(MlopsError) as caught:
            office.data.bring(cache, [MD5])
        assert caught.value.code == "damaged_data"
        assert not cache.has(MD5)

    def test_a_directory_is_there_when_all_its_files_are(self, office: Office) -> None:
        listed = json.dumps([{"md5": MD5, "relpath": "a.csv"}]).encode()
        folder = hashlib.md5(listed, usedforsecurity=False).hexdigest() + ".dir"
        files = {MD5: office.folder / "a", folder: office.folder / "b"}
        files[MD5].write_bytes(OBJECT)
        files[folder].write_bytes(listed)
        assert office.data.store(files, office.world.main) == [MD5, folder]
        cache = Cache(office.repository)
        assert office.data.bring(cache, [folder]) == set()
        assert cache.has(folder)


def test_a_damaged_released_bento_is_not_taken(office: Office) -> None:
    release: Release = office.publish().release
    wrong = release.model_copy(update={"digest": "0" * 64})
    with pytest.raises(MlopsError) as caught:
        bring_bento(office.repository, office.github, wrong)
    assert caught.value.code == "damaged_bento"
    store = office.repository.state_dir / "bentoml" / "bentos" / MODEL
    assert list(store.iterdir()) == []


def test_nothing_of_the_token_is_left_in_the_clone(office: Office) -> None:
    office.publish()
    told = subprocess.run(
        ["grep", "-rl", office.desk.token, str(office.desk.root)],
        env=os.environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.stdout == ""
