"""Heads of chains that were written down elsewhere, so that a cut tail or a rewrite shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ci.files import read_json, write_json

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SEEN = "seen-events.json"


@dataclass(frozen=True)
class Head:
    """The event ``sequence`` of a chain had ``hash``, according to ``where``."""

    sequence: int
    hash: str
    where: str

    @classmethod
    def read(cls, text: object, where: str) -> Head | None:
        """The head in ``sequence:hash``, or None where that is something else."""
        sequence, _, digest = str(text or "").strip().partition(":")
        return cls(int(sequence), digest, where) if sequence.isdecimal() and digest else None


def heads_of_state(state: Path) -> list[Head]:
    """Heads that records of the state branch in the folder ``state`` hold."""
    paths = [
        state / "deployed.json",
        *sorted((state / "released").glob("*.json")),
        *sorted((state / "versions").glob("*/*.json")),
    ]
    return list(_read(paths, state))


def _read(paths: list[Path], state: Path) -> Iterator[Head]:
    for path in paths:
        where = f"{path.relative_to(state).as_posix()} on mlops-state"
        head = Head.read((read_json(path) or {}).get("events_head"), where)
        if head:
            yield head


def seen(state_dir: Path) -> Head | None:
    """The newest head of the state branch that this checkout has seen."""
    record = read_json(state_dir / SEEN) or {}
    return Head.read(record.get("events_head"), "this checkout, which saw it earlier")


def remember(state_dir: Path, head: str) -> None:
    """Write down that this checkout has seen ``head``."""
    write_json(state_dir / SEEN, {"events_head": head})
