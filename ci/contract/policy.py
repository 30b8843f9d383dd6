"""What all policies share: a file in `policies/`, and one way of reading it."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, TypeVar

from ci.contract.base import Contract
from ci.yaml_file import Key, Problem, ProblemsError, parse, read_yaml

if TYPE_CHECKING:
    from ci.repository import Repository


class Policy(Contract):
    """The whole of a file in `policies/`."""

    file: ClassVar[str]
    """Its name in `policies/`."""

    def misfits(self, repository: Repository) -> list[tuple[Key, str]]:
        """Keys that name what ``repository`` does not have, and what is wrong with each."""
        del repository
        return []


P = TypeVar("P", bound=Policy)


def load_policy(repository: Repository, kind: type[P]) -> P:
    """The policy of ``repository`` that is of the class ``kind``; on a host, that of main.

    Raises:
        ProblemsError: ``bad_policy`` or ``bad_yaml``, with file, line and key.
    """
    repository = repository.declared()
    file = read_yaml(repository.policies_dir / kind.file, f"policies/{kind.file}")
    policy = parse(file, kind, "bad_policy")
    problems = [
        Problem(file.name, ".".join(map(str, key)), text, file.line(key))
        for key, text in policy.misfits(repository)
    ]
    if problems:
        raise ProblemsError("bad_policy", problems)
    return policy
