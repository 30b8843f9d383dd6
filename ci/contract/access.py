"""`policies/access.yaml`: the teams that own models and data, and who may call models."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field, StringConstraints, model_validator

from ci.contract.base import Contract, Name
from ci.contract.policy import Policy
from ci.errors import MlopsError

if TYPE_CHECKING:
    from ci.repository import Repository
    from ci.yaml_file import Key

# What GitHub allows as the name of a person's account.
Handle = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]+(-[A-Za-z0-9]+)*$", max_length=39)]
PLATFORM = "platform"


class Team(Contract):
    """A team; with no member, everybody who may write to the repository stands for it."""

    members: list[Handle] = []
    """GitHub names of its members, without the @."""

    @model_validator(mode="after")
    def _each_once(self) -> Team:
        lower = [member.lower() for member in self.members]
        twice = [each for each in self.members if lower.count(each.lower()) > 1]
        if twice:
            raise ValueError(f"{twice[0]} is listed twice")
        return self

    def has(self, login: str) -> bool:
        """Whether the person ``login`` is listed; GitHub's names know no upper case."""
        return login.lower() in (member.lower() for member in self.members)


class Department(Contract):
    """Who calls deployed models, with API keys that `mlops keys make` makes."""

    models: list[Name] = []
    """Models that it may call."""
    requests_per_minute: Annotated[float, Field(gt=0, le=1e6)] = 600.0
    """How often it may call each of them; more is answered with 429."""


class AccessPolicy(Policy):
    """The whole of `policies/access.yaml`."""

    file: ClassVar[str] = "access.yaml"

    teams: Annotated[dict[Name, Team], Field(min_length=1)]
    """Name of a team to its members. Each `owner` of a contract is one of these teams."""

    departments: dict[Name, Department] = {}
    """Name of a department to what it may call. Services take it over at `mlops deploy MODEL`, and
    whenever a key is made, rotated or revoked."""

    def misfits(self, repository: Repository) -> list[tuple[Key, str]]:
        """Models that no folder has."""
        known = repository.model_names()
        return [
            (("departments", name, "models", place), f"there is no model {model!r} in models/.")
            for name, department in self.departments.items()
            for place, model in enumerate(department.models)
            if model not in known
        ]

    @model_validator(mode="after")
    def _has_platform(self) -> AccessPolicy:
        if PLATFORM not in self.teams:
            raise ValueError(f"the team {PLATFORM} is missing: it owns what belongs to no model")
        return self

    def problem_of(self, owner: str) -> str | None:
        """Why ``owner`` can't own anything, or None where it is a team."""
        if owner in self.teams:
            return None
        near = difflib.get_close_matches(owner, self.teams, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(self.teams)}."
        return f"there is no team {owner!r} in policies/access.yaml; {hint}"

    def team(self, name: str) -> Team:
        """The team ``name``.

        Raises:
            MlopsError: ``unknown_team``, naming the nearest one.
        """
        problem = self.problem_of(name)
        if problem:
            raise MlopsError("unknown_team", f"{problem[0].upper()}{problem[1:]}")
        return self.teams[name]
