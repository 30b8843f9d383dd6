"""The file `.mlops/access.json`, which services read again when it changes."""

from __future__ import annotations

import fcntl
import os
import secrets
import time
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NoReturn

from bentos.access import OPERATORS, key_hash
from ci.console import say
from ci.contract.access import AccessPolicy
from ci.contract.policy import load_policy
from ci.errors import MlopsError
from ci.files import read_json, write_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from ci.contract.access import Department
    from ci.repository import Repository

DAY_SECONDS = 86_400
MOST_GRACE_HOURS = 8_760
OWN_KEY_DAYS = 1.25  # a canary may take a day
PREFIX = "mlops"


@dataclass(frozen=True)
class Key:
    """What is known of a key; ``state`` is valid, expired or revoked."""

    id: str
    department: str
    models: tuple[str, ...]
    made: str
    expires: str
    state: str


@dataclass(frozen=True)
class Made:
    """A new key; ``secret`` is shown once and kept nowhere."""

    id: str
    secret: str


def access_path(repository: Repository) -> Path:
    """The file that services read."""
    return repository.state_dir / "access.json"


def make(repository: Repository, department: str, models: Sequence[str], days: float) -> Made:
    """A new key of ``department`` for ``models``; without any, for all that it may call.

    Raises:
        MlopsError: ``unknown_department``, ``not_allowed`` or ``bad_days``.
    """
    policy = load_policy(repository, AccessPolicy)
    allowed = _department(policy, department).models if department != OPERATORS else []
    wrong = sorted(set(models) - set(allowed))
    if wrong:
        raise MlopsError(
            "not_allowed",
            f"{department} may not call {wrong[0]}; add it to departments.{department}.models in "
            "policies/access.yaml first.",
        )
    with _turn(repository):
        return _add(repository, policy, department, list(models) or allowed, days)


def rotate(repository: Repository, key_id: str, days: float, grace_hours: float) -> Made:
    """A new key like ``key_id``, which stays valid for ``grace_hours`` more.

    Raises:
        MlopsError: ``unknown_key``, ``key_ended``, ``bad_hours`` or ``bad_days``.
    """
    policy = load_policy(repository, AccessPolicy)
    if not 0 <= grace_hours <= MOST_GRACE_HOURS:
        raise MlopsError(
            "bad_hours",
            f"The old key may go on for 0 to {MOST_GRACE_HOURS} hours, not {grace_hours:g}.",
        )
    with _turn(repository):
        old = _stored(repository, key_id)
        if _state(old) != "valid":
            raise MlopsError(
                "key_ended",
                f"The key {key_id} is {_state(old)}; make a new one: "
                f"mlops keys make {old['department']}",
            )
        made = _add(repository, policy, old["department"], old["models"], days)
        ends = min(old["expires"], time.time() + grace_hours * 3600)
        _change(repository, policy, {key_id: {**old, "expires": ends}})
        return made


def revoke(repository: Repository, key_id: str) -> Key:
    """End ``key_id`` now: services refuse it within a second.

    Raises:
        MlopsError: ``unknown_key``; ``still_valid`` where a container could not be told.
    """
    policy = load_policy(repository, AccessPolicy)
    with _turn(repository):
        revoked = {**_stored(repository, key_id), "revoked": True}
        problems = _change(repository, policy, {key_id: revoked})
        if problems:
            raise MlopsError(
                "still_valid",
                f"The key {key_id} is revoked, but {problems[0]} Until it is, it takes the key; "
                "then type the same again.",
            )
        return _key(key_id, revoked)


def keys(repository: Repository) -> list[Key]:
    """All keys that were ever made, the youngest last."""
    stored = _read(repository)["keys"]
    return [_key(each, stored[each]) for each in sorted(stored, key=lambda k: stored[k]["made"])]


def take_over_policy(repository: Repository) -> Path:
    """Have services apply what policies/access.yaml says now; returns the file they read.

    Raises:
        ProblemsError: the policy is not valid; services go on with what they have.
    """
    policy = load_policy(repository, AccessPolicy)
    with _turn(repository):
        _change(repository, policy, {})
    return access_path(repository)


@contextmanager
def own_key(repository: Repository, model: str) -> Iterator[str | None]:
    """A key for calls of our own to ``model``, gone afterwards; None where none is needed."""
    if not _read(repository)["keys"]:
        yield None
        return
    policy = load_policy(repository, AccessPolicy)
    with _turn(repository):
        made = _add(repository, policy, OPERATORS, [model], OWN_KEY_DAYS)
    try:
        yield made.secret
    finally:
        with _turn(repository):
            _change(repository, policy, {made.id: None})


def _add(
    repository: Repository, policy: AccessPolicy, department: str, models: list[str], days: float
) -> Made:
    if not 0 < days <= 3650:
        raise MlopsError("bad_days", f"A key lives from 1 to 3650 days, not {days:g}.")
    key_id, secret, salt = secrets.token_hex(4), secrets.token_urlsafe(32), secrets.token_hex(16)
    entry = {
        "department": department,
        "models": models,
        "salt": salt,
        "hash": key_hash(salt, secret),
        "made": time.time(),
        "expires": time.time() + days * DAY_SECONDS,
    }
    _change(repository, policy, {key_id: entry})
    return Made(key_id, f"{PREFIX}_{key_id}_{secret}")


@contextmanager
def _turn(repository: Repository) -> Iterator[None]:
    """Wait until nobody else changes the file, which takes milliseconds."""
    path = repository.state_dir / "locks" / "keys.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _department(policy: AccessPolicy, name: str) -> Department:
    if name not in policy.departments:
        there = ", ".join(policy.departments) or "none yet"
        raise MlopsError(
            "unknown_department",
            f"policies/access.yaml has no department {name!r} (there are: {there}); add it under "
            "departments, with the models that it may call.",
        )
    return policy.departments[name]


def _stored(repository: Repository, key_id: str) -> dict[str, Any]:
    found = _read(repository)["keys"].get(key_id)
    if found is None:
        _unknown(key_id)
    entry: dict[str, Any] = found
    return entry


def _unknown(key_id: str) -> NoReturn:
    raise MlopsError("unknown_key", f"There is no key {key_id!r}; `mlops keys list` shows them.")


def _read(repository: Repository) -> dict[str, Any]:
    path = access_path(repository)
    found = read_json(path)
    if found is None and path.exists():
        raise MlopsError(
            "broken_keys",
            f"{repository.relative(path)} can't be read; bring it back from a backup, or delete it "
            "and make all keys again.",
        )
    return found or {"departments": {}, "keys": {}}


def _change(repository: Repository, policy: AccessPolicy, changed: dict[str, Any]) -> list[str]:
    """Write the file with ``changed`` in it; returns which services go on with the old one."""
    departments = {name: rules.model_dump() for name, rules in policy.departments.items()}
    merged = {**_read(repository)["keys"], **changed}
    stored = {key_id: entry for key_id, entry in merged.items() if entry is not None}
    path = access_path(repository)
    write_json(path, {"departments": departments, "keys": stored})
    os.chmod(path, 0o600)
    problems = _hand_over(repository, path)
    for each in problems:
        say(f"  {each}")
    return problems


def _hand_over(repository: Repository, path: Path) -> list[str]:
    """Give the file to services that can't read it where it is; why some could not be given it."""
    from ci.targets.containers import Containers
    from ci.targets.services import all_records

    problems = []
    for service in [each for record in all_records(repository) for each in record.services]:
        if service.container:
            try:
                Containers(service.engine).give_keys(service, path)
            except MlopsError as error:
                problems.append(f"{service.container} was not told: {error.message}")
    return problems


def _key(key_id: str, entry: dict[str, Any]) -> Key:
    made, expires = (
        datetime.fromtimestamp(entry[each], UTC).isoformat(timespec="seconds")
        for each in ("made", "expires")
    )
    models = tuple(entry["models"])
    return Key(key_id, entry["department"], models, made, expires, _state(entry))


def _state(entry: dict[str, Any]) -> str:
    if entry.get("revoked"):
        return "revoked"
    return "valid" if entry["expires"] > time.time() else "expired"
