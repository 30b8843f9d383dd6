"""Hosts that a runner reaches: what each answers to a knock, and a look that somebody asks for."""

from __future__ import annotations

import json
import os
import re
import threading
from pathlib import Path

import pytest

from ci.errors import MlopsError
from ci.host import asked, run
from ci.host.reach import Reached, addresses_in, reach, summary
from ci.repository import Repository
from tests.support.repositories import SOURCE

STANDIN = SOURCE / "tests" / "workflows" / "ssh"
KEY, HOST_KEY = "-----BEGIN OPENSSH PRIVATE KEY-----\nx", "ssh-ed25519 AAAA"
RUNS = {"should": 3, "version": 3, "digest": None, "state": "running", "since": None}
WELL = {"name": "shop-1", "at": "now", "models": {"sales": RUNS}}


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine that lets the key in; what it is told to answer is written to `command`."""
    monkeypatch.setenv("PATH", f"{STANDIN}:{os.environ['PATH']}")
    monkeypatch.setenv("STANDIN_SSH", str(tmp_path))
    (tmp_path / "host_key").write_text(HOST_KEY)
    (tmp_path / "key").write_text(f"{KEY}\n")
    answers(tmp_path, WELL)
    return tmp_path


def answers(machine: Path, told: object, code: int = 0) -> None:
    text = told if isinstance(told, str) else json.dumps(told)
    (machine / "told").write_text(text)
    (machine / "command").write_text(f"cat '{machine}/told'; exit {code}")


def knock(text: str = "mlops@shop.example", key: str = KEY, known: str | None = None) -> Reached:
    known = f"shop.example {HOST_KEY}\n[shop.example]:2222 {HOST_KEY}" if known is None else known
    (found,) = reach(addresses_in(text), key, known)
    return found


def test_a_host_is_asked_with_nothing_but_a_knock(machine: Path) -> None:
    found = knock("mlops@shop.example:2222", key=f"{KEY}\n".replace("\n", "\r\n"))
    assert found.problems() == []
    assert (machine / "asked").read_text() == "mlops@shop.example 2222\n"
    assert "| shop-1 | sales | version 3 | running |" in summary([found])


@pytest.mark.parametrize(
    ("served", "said"),
    [
        ({"version": 2}, "shop-1 runs version 2 of sales, and should run 3."),
        ({"version": None, "state": "none"}, "shop-1 runs nothing of sales, and should run 3."),
        ({"state": "not ready"}, "shop-1 runs version 3 of sales"),
    ],
)
def test_a_host_that_does_not_serve_what_it_should_is_a_problem(
    machine: Path, served: dict[str, object], said: str
) -> None:
    answers(machine, {**WELL, "models": {"sales": {**RUNS, **served}}})
    (problem,) = knock().problems()
    assert problem.startswith(said)
    assert said in summary([knock()])


HOSTILE = "**@all** <img src=x> [y](https://evil.example)"


@pytest.mark.parametrize(
    ("told", "code", "said"),
    [
        ({"error": {"code": "unwell", "message": HOSTILE}}, 1, HOSTILE),
        ("Welcome!\n", 0, "it did not answer as a host: begin the line of the key in auth"),
        ("", 0, "it did not answer as a host"),
        ("[" * 100_000, 0, "it did not answer as a host"),
        ({**WELL, "more": 1}, 0, "it did not answer as a host"),
        ({**WELL, "models": {"sales": {"version": "3"}}}, 0, "it did not answer as a host"),
    ],
)
def test_whatever_it_answers_is_a_sentence(
    machine: Path, told: object, code: int, said: str
) -> None:
    answers(machine, told, code)
    (problem,) = knock().problems()
    assert said in problem
    for harm in ("<img", "](https://", "@all"):
        assert harm not in summary([knock()])


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"known": f"other.example {HOST_KEY}"}, r"can't be reached \(Host key verification"),
        ({"known": "shop.example ssh-ed25519 BBBB"}, r"can't be reached \(Host key verification"),
        ({"key": "another"}, r"can't be reached \(.*Permission denied"),
        ({"text": "mlops@gone.invalid"}, r"can't be reached \(.*Could not resolve"),
    ],
)
def test_a_machine_that_is_not_the_one_or_does_not_let_us_in_is_named(
    machine: Path, given: dict[str, str], said: str
) -> None:
    (problem,) = knock(**given).problems()
    assert re.search(said, problem)
    assert not (machine / "asked").exists()


def test_one_host_that_is_gone_keeps_no_other_from_being_asked(machine: Path) -> None:
    addresses = addresses_in("mlops@gone.invalid mlops@shop.example")
    gone, well = reach(addresses, KEY, f"shop.example {HOST_KEY}")
    assert gone.problem
    assert well.problems() == []


@pytest.mark.parametrize(
    "text", ["-oProxyCommand=x", "shop.example", "mlops@-x", "mlops@a:0", "m@a;b", "$(id)@a"]
)
def test_an_address_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(MlopsError, match="write user@machine"):
        addresses_in(text)


@pytest.mark.parametrize(("key", "known"), [("", "x"), ("x", " ")])
def test_without_a_key_and_the_machines_own_nobody_is_asked(
    machine: Path, key: str, known: str
) -> None:
    with pytest.raises(MlopsError, match="is not set"):
        reach(addresses_in("mlops@shop.example"), key, known)
    assert not (machine / "asked").exists()


def test_who_asks_for_a_look_ends_the_wait_for_the_next(tmp_path: Path) -> None:
    repository = Repository(tmp_path)
    waiting = threading.Thread(target=run._sleep, args=(repository, 3_600, None), daemon=True)
    waiting.start()
    folder = tmp_path / ".mlops" / "host"
    folder.mkdir(parents=True)
    (folder / "asked").write_text("a word")
    waiting.join(60)
    assert not waiting.is_alive()
    assert asked.ask(repository, "shop-1") is None  # nobody runs
