"""`.github/CODEOWNERS`: whom GitHub asks to review what, from the contracts and the teams."""

from __future__ import annotations

from itertools import zip_longest
from typing import TYPE_CHECKING

from ci.contract.access import PLATFORM, AccessPolicy
from ci.contract.policy import load_policy
from ci.files import read_yaml_quickly, write_whole

if TYPE_CHECKING:
    from pathlib import Path

    from ci.repository import Repository

FILE = ".github/CODEOWNERS"
NOTE = """\
# Written by `mlops codeowners` from policies/access.yaml and the owners in the contracts; do not
# edit it by hand. A line without names: the team has no members yet, so nobody is asked.
"""


def codeowners(repository: Repository) -> str:
    """The text of CODEOWNERS: a line for the platform, then one a model and a dataset.

    Raises:
        ProblemsError: ``bad_policy``.
    """
    policy = load_policy(repository, AccessPolicy)
    lines = [_line("*", PLATFORM, policy)]
    for kind, names, file in (
        ("models", repository.model_names(), "model.yaml"),
        ("data", repository.dataset_names(), "dataset.yaml"),
    ):
        for name in names:
            owner = read_yaml_quickly(repository.root / kind / name / file).get("owner")
            lines.append(_line(f"/{kind}/{name}/", str(owner), policy))
    return NOTE + "".join(f"{line}\n" for line in lines)


def _line(path: str, owner: str, policy: AccessPolicy) -> str:
    team = policy.teams.get(owner)
    handles = [f"@{member}" for member in team.members] if team else []
    return " ".join([path, *handles])


def write_codeowners(repository: Repository) -> Path:
    """Write the file again and return its path.

    Raises:
        ProblemsError: ``bad_policy``.
    """
    path = repository.root / FILE
    write_whole(path, codeowners(repository))
    return path


def keep_codeowners(repository: Repository) -> None:
    """Write the file again where there is a `.github`, and so a use for it.

    Raises:
        ProblemsError: ``bad_policy``.
    """
    if (repository.root / FILE).parent.is_dir():
        write_codeowners(repository)


def outdated(repository: Repository) -> tuple[int, str] | None:
    """The first line that differs from what it should say, and that; None where none does.

    A repository without `.github` needs no such file.

    Raises:
        ProblemsError: ``bad_policy``.
    """
    path = repository.root / FILE
    if not path.parent.is_dir():
        return None
    found = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    wanted = codeowners(repository).splitlines()
    for number, (is_there, wants) in enumerate(zip_longest(found, wanted), start=1):
        if is_there != wants:
            return number, wants or ""
    return None
