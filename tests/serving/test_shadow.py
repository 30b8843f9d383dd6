"""Logged calls are asked of a new version first: what it makes of them, and who learns of it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from itertools import islice
from typing import Any

import httpx
import pytest

from bentos.records import PREDICTIONS_FILE
from ci.contract.deployment import DeploymentPolicy, Shadow
from ci.errors import MlopsError
from ci.observe.recorded import is_own, newest
from ci.repository import Repository
from ci.targets.launch import records_dir
from ci.targets.services import LIVE, read_record
from ci.targets.shadow import Shadowed, judge
from ci.targets.trial import shadowed
from tests.support import repositories
from tests.support.switching import SOURCE, Place
from tests.support.waiting import wait_for

NAME = "tiny-python"
CALLS = 30
LARGE = 'rows["x"].iloc[0] > 1.5'  # unlike the example, which every version is asked
FAILS = SOURCE.replace("y = model", f'if {LARGE}: raise ValueError("too large")\n    y = model')
SLOW = SOURCE.replace("y = model", f"if {LARGE}: time.sleep(0.6)\n    y = model")


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Repository]:
    repository = repositories.new_repository(tmp_path_factory.mktemp("shadow") / "repository")
    yield repository
    Place(repository).stop()


def live(repository: Repository, **policy: Any) -> Place:
    """Version 1 is live, and no call is logged."""
    place = Place(repository, **policy)
    place.stop()
    shutil.rmtree(records_dir(repository, NAME), ignore_errors=True)
    place.switch(1)
    return place


def called(repository: Repository) -> int:
    """How many logged calls are no calls of our own."""
    entries = newest(records_dir(repository, NAME), PREDICTIONS_FILE)
    return sum(not is_own(entry) for entry in entries)


def answering(repository: Repository) -> set[int]:
    """The versions of the newest records."""
    entries = newest(records_dir(repository, NAME), PREDICTIONS_FILE)
    return {entry["version"] for entry in islice(entries, 5)}


def call(place: Place) -> None:
    """Callers ask the live version, and the log has it."""
    for number in range(CALLS):
        rows = [{"x": float(number), "n": None, "mode": "ok"}] * 2
        answer = httpx.post(place.url(f"/{NAME}/predict"), json={"rows": rows})
        assert answer.status_code == 200, answer.text
    wait_for(lambda: called(place.repository) >= CALLS)


def test_logged_calls_are_asked_and_compared(
    shared: Repository, capsys: pytest.CaptureFixture[str]
) -> None:
    place = live(shared)
    call(place)
    place.switch(2)
    noted = shadowed(shared, NAME, 2)
    assert noted
    assert (noted["against"], noted["calls"], noted["rows"]) == (1, CALLS, 2 * CALLS)
    assert (noted["failed"], noted["problem"], noted["note"]) == (0, None, None)
    assert (noted["compared"], noted["differing"]) == (2 * CALLS, 2 * (CALLS - 1)), "0 stays 0"
    assert "58 of 60 predictions differ from those of version 1" in capsys.readouterr().err
    assert called(shared) == CALLS, "nobody takes the replay for a caller's"
    wait_for(lambda: answering(shared) == {2})


def test_only_the_newest_rows_are_asked(shared: Repository) -> None:
    place = live(shared, shadow=Shadow(rows=20))
    call(place)
    place.switch(2)
    noted = shadowed(shared, NAME, 2)
    assert noted
    assert noted["rows"] == 20


def test_without_logged_calls_it_says_so_and_goes_on(
    shared: Repository, capsys: pytest.CaptureFixture[str]
) -> None:
    place = live(shared)
    assert place.switch(2).version == 2
    assert "no shadow: no call of this model is logged yet" in capsys.readouterr().err
    assert place.switch(3).version == 3
    none = live(shared, shadow=Shadow(rows=0))
    call(none)
    assert none.switch(2).version == 2
    assert "shadow.rows in policies/deployment.yaml is 0" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("number", "source", "policy", "said"),
    [
        (8, FAILS, {}, "28 of 30 logged calls failed, the first with: 500"),
        (9, SLOW, {"p99_seconds": 0.5}, "logged calls took over 0.5 s"),
        (2, None, {"shadow": Shadow(differing=0.5)}, "58 of 60 predictions differ"),
    ],
    ids=["it fails", "it is slow", "it predicts something else"],
)
def test_one_that_does_not_do_is_given_to_nobody(
    shared: Repository, number: int, source: str | None, policy: dict[str, Any], said: str
) -> None:
    place = live(shared, **policy)
    call(place)
    with pytest.raises(MlopsError, match=said) as caught:
        place.switch(place.add(number, source=source))
    assert caught.value.code == "shadow_failed"
    assert [(each.version, each.role) for each in read_record(shared, NAME).services] == [(1, LIVE)]
    answer = httpx.post(place.url(f"/{NAME}/predict"), json={"rows": [{"x": 1.0, "mode": "ok"}]})
    assert answer.json()["version"] == 1
    noted = shadowed(shared, NAME, number)
    assert noted
    assert said in noted["problem"]


@pytest.mark.parametrize(
    ("seen", "rules", "refused"),
    [
        (Shadowed(1, calls=100, failed=1), Shadow(), True),
        (Shadowed(1, calls=100, failed=1), Shadow(failed=0.01), False),
        (Shadowed(1, calls=100, slow=2), Shadow(), False),
        (Shadowed(1, calls=100, slow=3), Shadow(), True),
        (Shadowed(1, calls=1000, slow=10), Shadow(), False),
        (Shadowed(1, compared=10, differing=10), Shadow(), False),
        (Shadowed(1, compared=10, differing=6), Shadow(differing=0.5), True),
        (Shadowed(None), Shadow(), False),
    ],
)
def test_what_is_refused(seen: Shadowed, rules: Shadow, refused: bool) -> None:
    assert (judge(seen, DeploymentPolicy(shadow=rules)) is not None) is refused
