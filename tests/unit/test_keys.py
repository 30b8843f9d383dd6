"""API keys: made once, kept as hashes, and held by a service's access to the policy."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml

from bentos.access import Access
from bentos.answers import RequestError
from ci.keys import keys, make, own_key, revoke, rotate, take_over_policy
from ci.keys.keys import access_path
from ci.repository import Repository
from tests.support.command import mlops, result
from tests.support.repositories import new_repository, write_model


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    made = new_repository(tmp_path / "repository")
    write_model(made, "campaign")
    write_model(made, "orders")
    set_departments(made, {"marketing": {"models": ["campaign"], "requests_per_minute": 3}})
    return made


def set_departments(repository: Repository, departments: dict[str, object]) -> None:
    path = repository.policies_dir / "access.yaml"
    policy = yaml.safe_load(path.read_text()) | {"departments": departments}
    path.write_text(yaml.safe_dump(policy))


def bearer(secret: str) -> dict[bytes, bytes]:
    return {b"authorization": f"Bearer {secret}".encode()}


def access_to(repository: Repository, model: str = "campaign") -> Access:
    return Access(access_path(repository), model)


def refusal(access: Access, headers: dict[bytes, bytes], **how: bool) -> RequestError:
    with pytest.raises(RequestError) as caught:
        access.caller(headers, **how)
    return caught.value


def test_without_any_key_everybody_may_call(repository: Repository) -> None:
    take_over_policy(repository)
    assert access_to(repository).caller({}) == ""
    assert Access(None, "campaign").caller({}, operator=True) == ""


def test_a_key_names_its_department_in_either_header(repository: Repository) -> None:
    secret = make(repository, "marketing", [], 1).secret
    assert access_to(repository).caller(bearer(secret)) == "marketing"
    assert access_to(repository).caller({b"x-api-key": secret.encode()}) == "marketing"


def test_nothing_of_the_secret_is_stored_or_listed(repository: Repository) -> None:
    made = result(repository.root, "keys", "make", "marketing")
    secret = made["secret"].split("_", 2)[2]  # which may have underscores itself
    listed = mlops(repository.root, "keys", "list").stdout
    files = [
        path.read_text(errors="replace")
        for path in repository.state_dir.rglob("*")
        if path.is_file()
    ]
    assert made["id"] in listed
    assert all(secret not in text for text in [listed, *files])
    assert access_path(repository).stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    "tamper",
    [
        lambda s: "",
        lambda s: "x",
        lambda s: s[:-1],
        lambda s: s + "x",
        lambda s: s.swapcase(),
        lambda s: s.rpartition("_")[0] + "_",
        lambda s: "mlops_00000000_" + s.rpartition("_")[2],
        lambda s: "__",
    ],
)
def test_a_wrong_key_is_refused(repository: Repository, tamper: Callable[[str], str]) -> None:
    secret = make(repository, "marketing", [], 1).secret
    error = refusal(access_to(repository), bearer(tamper(secret)))
    assert error.code == "unauthorized"
    assert secret not in error.message


def test_a_key_is_for_its_models_only(repository: Repository) -> None:
    secret = make(repository, "marketing", ["campaign"], 1).secret
    assert refusal(access_to(repository, "orders"), bearer(secret)).code == "forbidden"


def test_the_policy_takes_a_model_away_from_keys_that_have_it(repository: Repository) -> None:
    access, secret = access_to(repository), make(repository, "marketing", [], 1).secret
    assert access.caller(bearer(secret)) == "marketing"
    set_departments(repository, {"marketing": {"models": ["orders"]}})
    take_over_policy(repository)
    access._looked = 0.0
    assert refusal(access, bearer(secret)).code == "forbidden"


def test_a_department_that_calls_too_often_is_told_when_to_come_back(
    repository: Repository,
) -> None:
    access, secret = access_to(repository), make(repository, "marketing", [], 1).secret
    for _ in range(3):
        access.caller(bearer(secret))
    error = refusal(access, bearer(secret))
    assert error.code == "too_many_requests"
    assert 1 <= int(dict(error.headers)[b"retry-after"]) <= 20


def test_a_revoked_key_ends_and_the_door_stays_shut(repository: Repository) -> None:
    access, made = access_to(repository), make(repository, "marketing", [], 1)
    assert access.caller(bearer(made.secret)) == "marketing"
    assert revoke(repository, made.id).state == "revoked"
    access._looked = 0.0
    assert refusal(access, bearer(made.secret)).code == "unauthorized"
    assert refusal(access, {}).code == "unauthorized"


def test_an_expired_key_is_refused(repository: Repository) -> None:
    made = make(repository, "marketing", [], 1e-9)
    time.sleep(0.01)
    assert refusal(access_to(repository), bearer(made.secret)).code == "unauthorized"
    assert [each.state for each in keys(repository)] == ["expired"]


def test_rotating_makes_a_like_key_and_ends_the_old_one(repository: Repository) -> None:
    old = make(repository, "marketing", [], 1)
    new = rotate(repository, old.id, 1, grace_hours=0)
    assert access_to(repository).caller(bearer(new.secret)) == "marketing"
    assert refusal(access_to(repository), bearer(old.secret)).code == "unauthorized"
    done = mlops(repository.root, "keys", "rotate", old.id)
    assert (done.code, "mlops keys make marketing" in done.stderr) == (1, True)


@pytest.mark.parametrize("hours", ["-1", "nan", "inf"])
def test_a_key_can_not_have_ended_before_it_is_rotated(repository: Repository, hours: str) -> None:
    old = make(repository, "marketing", [], 1)
    done = mlops(repository.root, "keys", "rotate", old.id, "--grace-hours", hours)
    assert (done.code, f"not {hours}." in done.stderr) == (1, True)
    assert [each.state for each in keys(repository)] == ["valid"]


def test_metrics_are_for_operators(repository: Repository) -> None:
    department = make(repository, "marketing", [], 1).secret
    operator = make(repository, "platform", [], 1).secret
    access = access_to(repository)
    assert refusal(access, bearer(department), operator=True).code == "forbidden"
    assert refusal(access, {}, operator=True).code == "unauthorized"
    assert access.caller(bearer(operator), operator=True) == "platform"


def test_our_own_key_is_gone_afterwards(repository: Repository) -> None:
    with own_key(repository, "campaign") as none:
        assert none is None
    make(repository, "marketing", [], 1)
    with own_key(repository, "campaign") as key:
        assert access_to(repository).caller(bearer(str(key))) == "platform"
    assert refusal(access_to(repository), bearer(str(key))).code == "unauthorized"
    assert [each.department for each in keys(repository)] == ["marketing"]


def test_our_own_key_lasts_as_long_as_the_longest_canary(repository: Repository) -> None:
    make(repository, "marketing", [], 30)
    with own_key(repository, "campaign"):
        stored = json.loads(access_path(repository).read_text())["keys"].values()
        [own] = [each for each in stored if each["department"] == "platform"]
        assert own["expires"] - own["made"] > 86_400 * 1.1


def test_keys_that_are_made_at_once_are_all_kept(repository: Repository) -> None:
    with ThreadPoolExecutor(8) as threads:
        made = list(threads.map(lambda _: make(repository, "marketing", [], 1), range(24)))
        list(threads.map(lambda _: take_over_policy(repository), range(8)))
    assert {each.id for each in keys(repository)} == {each.id for each in made}


def test_a_file_that_is_broken_lets_nobody_in(repository: Repository) -> None:
    secret = make(repository, "marketing", [], 1).secret
    access_path(repository).write_text('{"keys": {')
    assert refusal(access_to(repository), bearer(secret)).code == "unauthorized"
    done = mlops(repository.root, "keys", "make", "marketing")
    assert (done.code, "can't be read" in done.stderr) == (1, True)
    assert access_path(repository).read_text() == '{"keys": {'


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["make", "sales"], "under departments"),
        (["make", "marketing", "--model", "orders"], "may not call orders"),
        (["make", "marketing", "--days", "0"], "from 1 to 3650 days"),
        (["revoke", "abc"], "mlops keys list"),
        (["rotate", "abc"], "mlops keys list"),
    ],
)
def test_a_wrong_command_says_what_to_type(
    repository: Repository, arguments: list[str], word: str
) -> None:
    done = mlops(repository.root, "keys", *arguments)
    assert done.code == 1
    assert word in done.stderr
    assert not access_path(repository).exists()


def test_a_model_that_is_not_there_is_a_problem_of_the_policy(repository: Repository) -> None:
    set_departments(repository, {"marketing": {"models": ["campain"]}})
    done = mlops(repository.root, "check", "--json")
    assert "there is no model 'campain'" in json.dumps(done.json)
