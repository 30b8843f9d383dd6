"""What changed since the champion: parameters and data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ci.files import read_yaml_quickly

if TYPE_CHECKING:
    from ci.evaluate.candidate import Servable
    from ci.pipeline.candidate import Candidate
    from ci.repository import Repository

Changed = dict[str, tuple[Any, Any]]


@dataclass(frozen=True)
class Changes:
    """Key → (before, now), None where it is not there; empty mappings where nothing changed."""

    params: Changed = field(default_factory=dict)
    data: Changed = field(default_factory=dict)


@dataclass(frozen=True)
class Recorded:
    """Parameters and data digests (path → digest) that the champion was trained with."""

    params: dict[str, Any]
    data: dict[str, str]


def recorded(repository: Repository, champion: Servable) -> Recorded:
    """What the champion was trained with: its Bento carries params.yaml, its version the digests.

    Its run has them too, but a registry that was rebuilt from its events has no runs.
    """
    from ci.registry.champion import in_production

    params = read_yaml_quickly(champion.predict_file.parent / "params.yaml")
    version = in_production(repository, champion.contract.name)
    return Recorded(params, version.data if version else {})


def changes(before: Recorded, candidate: Candidate) -> Changes:
    """How the candidate's run differs from the champion's."""
    return Changes(
        params=_changed(flat(before.params), flat(candidate.params)),
        data=_changed(dict(before.data), dict(candidate.data)),
    )


def _changed(before: dict[str, Any], now: dict[str, Any]) -> Changed:
    keys = sorted(set(before) | set(now))
    return {key: (before.get(key), now.get(key)) for key in keys if before.get(key) != now.get(key)}


def flat(params: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested parameters by dotted key."""
    found: dict[str, Any] = {}
    for key, value in params.items():
        if isinstance(value, dict):
            found |= flat(value, f"{prefix}{key}.")
        else:
            found[f"{prefix}{key}"] = value
    return found
