"""The ledger of batch scoring on the state branch: `batch/MODEL.json`, newest last."""

from __future__ import annotations

from datetime import date  # noqa: TC003 (pydantic reads it)
from typing import TYPE_CHECKING

from ci.contract.base import Contract
from ci.errors import MlopsError
from ci.files import read_json, write_json

if TYPE_CHECKING:
    from pathlib import Path


class Entry(Contract):
    """One file of predictions that was published."""

    day: date
    """The day that it is for: that of the schedule, however late it ran."""
    version: int
    """The version that predicted."""
    input: str
    """SHA-256 of the table that was scored."""
    rows: int
    """Rows scored."""
    tag: str | None
    """The release that keeps the file, if one does."""
    asset: str
    """Its name there, or wherever it was delivered."""
    digest: str
    """SHA-256 of the file."""
    run_url: str
    """The run that made it."""
    at: str
    """When it was published, in UTC."""

    def is_of(self, version: int, digest: str, day: date) -> bool:
        """Whether it answers the same question."""
        return (self.version, self.input, self.day) == (version, digest, day)


class Ledger(Contract):
    """Everything that was published for a model."""

    entries: tuple[Entry, ...] = ()
    """Oldest first."""

    def find(self, version: int, digest: str, day: date) -> Entry | None:
        """The entry of the same version, input and day."""
        return next((each for each in self.entries if each.is_of(version, digest, day)), None)


def read_ledger(folder: Path, model: str) -> Ledger:
    """The ledger of ``model`` in the state at ``folder``; empty before the first time.

    Raises:
        MlopsError: ``bad_state``.
    """
    path = _path(folder, model)
    if not path.exists():
        return Ledger()
    try:
        return Ledger.model_validate(read_json(path))
    except ValueError:
        raise MlopsError(
            "bad_state",
            f"batch/{model}.json on the branch mlops-state is damaged; restore it from the "
            "branch's history.",
        ) from None


def add_entry(folder: Path, model: str, entry: Entry) -> Entry:
    """Write ``entry`` down, unless its question was answered before: then that is returned."""
    ledger = read_ledger(folder, model)
    known = ledger.find(entry.version, entry.input, entry.day)
    if known is not None:
        return known
    ledger = Ledger(entries=(*ledger.entries, entry))
    write_json(_path(folder, model), ledger.model_dump(mode="json"))
    return entry


def _path(folder: Path, model: str) -> Path:
    return folder / "batch" / f"{model}.json"
