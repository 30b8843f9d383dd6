"""What the job that scores hands to the job that publishes: a folder of two files."""

from __future__ import annotations

from datetime import date  # noqa: TC003 (pydantic reads it)
from typing import TYPE_CHECKING, Annotated

from pydantic import Field, StringConstraints

from ci.contract.base import Contract, Name
from ci.errors import MlopsError
from ci.files import file_digest, read_json

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

PARCEL = "parcel.json"
PREDICTIONS = "predictions.csv.gz"
Count = Annotated[int, Field(ge=0)]
Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class Parcel(Contract):
    """What was scored: ``input`` and ``digest`` are SHA-256 of the table and of the predictions."""

    model: Name
    version: Count
    day: date
    input: Digest
    rows: Count
    digest: Digest

    @property
    def tag(self) -> str:
        """The release that keeps it, a year each: GitHub takes a thousand files a release."""
        return f"{self.model}/batch-{self.day.year}"

    @property
    def asset(self) -> str:
        """What its file is called there: whatever makes it another is in the name."""
        return f"{self.model}-{self.day}-v{self.version}-{self.input[:12]}.csv.gz"


def read_parcel(folder: Path, models: Collection[str]) -> Parcel:
    """The parcel in ``folder``, held against what is in it: model code ran where it was made.

    Raises:
        MlopsError: ``bad_parcel``.
    """
    names = sorted(path.name for path in folder.iterdir())
    if names != sorted([PARCEL, PREDICTIONS]) or (folder / PREDICTIONS).is_symlink():
        raise _bad(folder, f"it holds {', '.join(names) or 'nothing'}")
    try:
        parcel = Parcel.model_validate(read_json(folder / PARCEL))
    except ValueError:
        raise _bad(folder, f"{PARCEL} is not what `ci batch` writes") from None
    if parcel.model not in models or folder.name != f"batch-{parcel.model}":
        raise _bad(folder, f"it says that it is of {parcel.model}")
    if parcel.digest != file_digest(folder / PREDICTIONS):
        raise _bad(folder, f"{PREDICTIONS} has another digest")
    return parcel


def _bad(folder: Path, reason: str) -> MlopsError:
    return MlopsError("bad_parcel", f"{folder.name} is no parcel of predictions: {reason}.")
