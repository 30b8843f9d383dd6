"""A share of the callers reaches a new version first: the right share, the same ones, watched."""

from __future__ import annotations

import http.client
import itertools
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from ci.contract.deployment import Canary, DeploymentPolicy, Objectives, Shadow
from ci.contract.policy import load_policy
from ci.errors import MlopsError
from ci.files import read_json
from ci.repository import Repository
from ci.targets import canary, launch, trial
from ci.targets.canary import Seen, Watched, judge, read
from ci.targets.services import LIVE, WARM, Service, read_record
from tests.support import repositories
from tests.support.load import Load
from tests.support.switching import PORT, SLOPES, SOURCE, Place

NAME = "tiny-python"
IDS = 10_000


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Repository]:
    repository = repositories.new_repository(tmp_path_factory.mktemp("canary") / "repository")
    yield repository
    Place(repository).stop()


def place(repository: Repository, share: float, seconds: float = 60) -> Place:
    """Version 1 is live, and what comes next is a canary first."""
    canary = Canary(share=share, seconds=seconds)
    found = Place(repository, canary=canary, shadow=Shadow(rows=0))
    found.stop()
    found.switch(1)
    return found


def versions(ids: list[str], header: str = "X-Caller-Id") -> dict[str, int]:
    """Which version answers each caller."""

    def ask(part: list[str]) -> dict[str, int]:
        connection, found = http.client.HTTPConnection("127.0.0.1", PORT, timeout=30), {}
        for each in part:
            connection.request("GET", f"/{NAME}/metadata", headers={header: each} if each else {})
            text = connection.getresponse().read().decode()
            found[each] = 2 if '"version":2' in text else 1
        connection.close()
        return found

    with ThreadPoolExecutor(8) as pool:
        parts = pool.map(ask, [ids[first::8] for first in range(8)])
        return {each: version for part in parts for each, version in part.items()}


@pytest.mark.parametrize("share", [10.0, 37.5])
def test_the_share_is_right_and_the_same_callers_stay(
    shared: Repository, monkeypatch: pytest.MonkeyPatch, share: float
) -> None:
    tried, seen = place(shared, share), []

    def watch(*_: Any) -> Watched:
        ids = [f"household-{number}" for number in range(IDS)]
        first = versions(ids)
        seen.append(first)
        again = versions(ids[:1000])
        assert again == {each: first[each] for each in ids[:1000]}
        assert set(versions(["", "", ""]).values()) == {1}, "who says nothing gets the live one"
        keys = versions([f"mlops_{number}_secret" for number in range(100)], "X-API-Key")
        assert set(keys.values()) == {1, 2}
        return Watched()

    monkeypatch.setattr(trial, "watch", watch)
    assert tried.switch(2).version == 2
    reached = 100 * sum(version == 2 for version in seen[0].values()) / IDS
    assert abs(reached - share) < 2
    print(f"{reached:.2f} of 100 callers, for a share of {share:g}")
    assert set(versions(["a", "b", "c"]).values()) == {2}
    assert [each.role for each in read_record(shared, NAME).services] == [LIVE, WARM]


# Version 11 as it should be, but for large values.
FAILS = SOURCE.replace("y = model", 'if rows["x"].iloc[0] > 1.5: raise ValueError\n    y = 12.0')


def test_one_that_fails_goes_back_by_itself_and_says_why(shared: Repository) -> None:
    tried = place(shared, share=50)
    bad = tried.add(11, source=FAILS)
    with Load(PORT, f"/{NAME}/predict", SLOPES) as load:
        with pytest.raises(MlopsError, match=r"back to version 1: as a canary, .* failed"):
            tried.switch(bad)
        before = len(load.outcomes)
        while len(load.outcomes) < before + 200:
            pass
    assert set(load.failed()) == {"500"}
    assert {outcome for _, outcome in load.outcomes[before + 16 :]} == {"ok"}
    assert [each.version for each in read_record(shared, NAME).services] == [1]
    noted = read_json(launch.release_path(shared, NAME, 11).with_suffix(".canary.json"))
    assert noted
    assert "calls failed" in noted["problem"]
    assert noted["canary"]["errors"] >= 3


def test_one_that_is_well_goes_live(shared: Repository) -> None:
    tried = place(shared, share=50, seconds=2)
    with Load(PORT, f"/{NAME}/predict", SLOPES) as load:
        tried.switch(2)
    assert load.failed() == {}
    noted = read_json(launch.release_path(shared, NAME, 2).with_suffix(".canary.json"))
    assert noted
    assert noted["problem"] is None
    assert noted["canary"]["calls"] > 0
    assert noted["live"]["calls"] > 0


def ask_as_many(stop: threading.Event) -> None:
    """Callers who are all different, and so are their rows."""
    with httpx.Client(base_url=f"http://127.0.0.1:{PORT}/{NAME}") as client:
        for number in itertools.takewhile(lambda _: not stop.is_set(), itertools.count()):
            row = {"x": number * 377 % 1000 / 10, "n": 1, "mode": "ok"}
            headers = {"X-Caller-Id": f"caller-{number}"}
            answer = client.post("/predict", json={"rows": [row]}, headers=headers)
            assert answer.status_code == 200, answer.text


@pytest.mark.parametrize(
    ("formula", "well"),
    [("2.4 * rows", True), ("0.2 * rows", False)],
    ids=["somewhat larger", "a tenth"],
)
def test_one_whose_predictions_lie_elsewhere_goes_back(
    shared: Repository, formula: str, well: bool
) -> None:
    tried, stop = place(shared, share=50, seconds=3 if well else 60), threading.Event()
    other = tried.add(6 if well else 7, source=SOURCE.replace("model * rows", formula))
    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(ask_as_many, stop)
        try:
            if well:
                tried.switch(other)
            else:
                with pytest.raises(MlopsError, match="its predictions are others") as caught:
                    tried.switch(other)
                assert caught.value.code == "canary_failed"
        finally:
            stop.set()
        asking.result()
    noted = read_json(launch.release_path(shared, NAME, other.version).with_suffix(".canary.json"))
    assert noted
    assert (noted["shift"] <= 0.3) is well
    live = read_record(shared, NAME).of(LIVE)
    assert live
    assert live.version == (other.version if well else 1)


def test_one_that_is_left_alone_is_ended_by_the_next_command(
    shared: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried, ids = place(shared, share=50), [str(number) for number in range(40)]

    def watch(*_: Any) -> None:
        assert set(versions(ids).values()) == {1, 2}
        raise KeyboardInterrupt

    monkeypatch.setattr(trial, "watch", watch)
    with pytest.raises(KeyboardInterrupt):
        tried.switch(2)
    assert set(versions(ids).values()) == {1, 2}
    tried.switch(1)
    assert set(versions(ids).values()) == {1}
    assert [each.version for each in read_record(shared, NAME).services] == [1]


@pytest.mark.parametrize(
    ("canary", "live", "said"),
    [
        (Seen(1000, 5, 0), Seen(9000, 0, 0), None),
        (Seen(1000, 6, 0), Seen(9000, 0, 0), "6 of its 1000 calls failed"),
        (Seen(1000, 6, 0), Seen(9000, 30, 0), None),
        (Seen(10, 2, 2), Seen(), None),
        (Seen(1000, 0, 11), Seen(9000, 0, 9), "11 of its 1000 calls took over 1 s"),
        (Seen(1000, 0, 11), Seen(9000, 0, 90), None),
        (Seen(), Seen(), None),
    ],
)
def test_what_makes_one_go_back(canary: Seen, live: Seen, said: str | None) -> None:
    found = judge(canary, live, Objectives())
    assert found is None if said is None else said in str(found)


def test_what_is_read_of_the_metrics() -> None:
    text = (
        'mlops_requests_total{code="",path="/predict",status="200"} 90.0\n'
        'mlops_requests_total{code="model_error",path="/predict",status="500"} 4.0\n'
        'mlops_requests_total{code="no_worker",path="/readyz",status="503"} 7.0\n'
        'mlops_predict_seconds_bucket{le="0.5"} 80.0\n'
        'mlops_predict_seconds_bucket{le="1.0"} 91.0\n'
        'mlops_predict_seconds_bucket{le="+Inf"} 94.0\n'
    )
    assert read(text, 0.7) == Seen(calls=94, errors=4, slow=3)
    assert Seen(94, 4, 3).since(Seen(90, 4, 1)) == Seen(4, 0, 2)
    assert Seen(5, 1, 0).since(Seen(90, 4, 1)) == Seen(5, 1, 0), "it was started again"


def test_one_that_can_not_be_asked_now_is_not_one_without_calls(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answers = iter([None, Seen(90, 4, 1), None, Seen(94, 5, 1), None])
    monkeypatch.setattr(canary, "_look", lambda *_: next(answers))
    service = Service("tiny", 2, "tiny:2", "2", "http://127.0.0.1:1", 1, 1, "", "")
    counts = canary.Counts(service, Objectives(), None)
    seen = [counts.look() for _ in range(4)]
    assert seen == [Seen(), Seen(), Seen(4, 1, 0), Seen(4, 1, 0)]


@pytest.mark.parametrize("share", ["0", "100", ".nan", "-5", ".inf", "many"])
def test_a_share_that_is_none_is_refused_by_its_key(tmp_path: Any, share: str) -> None:
    repository = repositories.new_repository(tmp_path)
    policy = repository.policies_dir / "deployment.yaml"
    policy.write_text(policy.read_text() + f"canary: {{share: {share}, seconds: 60}}\n")
    with pytest.raises(MlopsError, match=r"policies/deployment\.yaml") as caught:
        load_policy(repository, DeploymentPolicy)
    assert "canary.share" in caught.value.message
    assert "\n" not in caught.value.message
