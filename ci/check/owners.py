"""Every owner is a team of `policies/access.yaml`, and CODEOWNERS says so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ci.codeowners import FILE, outdated
from ci.contract.access import AccessPolicy
from ci.contract.policy import load_policy
from ci.yaml_file import Key, Problem, ProblemsError, YamlFile, read_yaml

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ci.repository import Repository


def owner_problems(repository: Repository, files: Iterable[str]) -> list[Problem]:
    """Owners in ``files`` (paths from the root) that are no teams.

    What else is wrong with a file, or with the policy, is for others to say.
    """
    try:
        policy = load_policy(repository, AccessPolicy)
    except ProblemsError:
        return []
    problems = []
    for name in files:
        for file, key, owner in _owners(repository, name):
            problem = policy.problem_of(owner)
            if problem:
                problems.append(Problem(name, ".".join(map(str, key)), problem, file.line(key)))
    return problems


def codeowners_problems(repository: Repository) -> list[Problem]:
    """Where CODEOWNERS is not what the teams and contracts say."""
    try:
        found = outdated(repository)
    except ProblemsError:
        return []
    if found is None:
        return []
    line, text = found
    wanted = f"this line should be {text!r}" if text else "nothing should stand from here on"
    return [Problem(FILE, "", f"{wanted}; type: mlops codeowners", line)]


def _owners(repository: Repository, name: str) -> Iterator[tuple[YamlFile, Key, str]]:
    try:
        file = read_yaml(repository.root / name, name)
    except ProblemsError:
        return
    for key, value in _walk(file.data, ()):
        if key[-1:] == ("owner",) and isinstance(value, str):
            yield file, key, value


def _walk(value: Any, key: Key) -> Iterator[tuple[Key, Any]]:
    yield key, value
    inner: Iterable[tuple[Any, Any]] = ()
    if isinstance(value, dict):
        inner = value.items()
    elif isinstance(value, list):
        inner = enumerate(value)
    for part, each in inner:
        yield from _walk(each, (*key, part))
