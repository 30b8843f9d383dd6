"""What the job that scores hands to the job that publishes: a folder of a few files."""

from __future__ import annotations

from datetime import date  # noqa: TC003 (pydantic reads it)
from typing import TYPE_CHECKING, Annotated

from pydantic import Field, StringConstraints

from ci.clock.last import Last  # noqa: TC001 (pydantic reads it)
from ci.contract.base import Contract, Name
from ci.contract.batch import Kind  # noqa: TC001 (pydantic reads it)
from ci.errors import MlopsError
from ci.files import file_digest, read_json
from ci.score.names import run_name

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

PARCEL = "parcel.json"
STEM = "predictions"
# What may lie beside the predictions: rows that were set aside, and the report.
BESIDE = ("predictions.quarantine.csv", "report.html", "report.xlsx")
Count = Annotated[int, Field(ge=0)]
Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class Parcel(Contract):
    """What was scored: ``input`` is the SHA-256 of the table, ``files`` are those of the files."""

    model: Name
    version: Count
    day: date
    input: Digest
    rows: Count
    kind: Kind
    files: dict[str, Digest]
    last: Last

    @property
    def tag(self) -> str:
        """The release that keeps it, a year each: GitHub takes a thousand files a release."""
        return f"{self.model}/batch-{self.day.year}"

    @property
    def predictions(self) -> str:
        """The name of the file of predictions in its folder."""
        return f"{STEM}.{self.kind}"

    def asset(self, file: str) -> str:
        """What ``file`` is called in the release: whatever makes it another is in the name."""
        run = run_name(self.model, self.day, self.version, self.input)
        ending = file.removeprefix(f"{STEM}.") if file.startswith(STEM) else file
        return f"{run}.{ending}"


def read_parcel(folder: Path, models: Collection[str]) -> Parcel:
    """The parcel in ``folder``, held against what is in it: model code ran where it was made.

    Raises:
        MlopsError: ``bad_parcel``.
    """
    try:
        parcel = Parcel.model_validate(read_json(folder / PARCEL))
    except ValueError:
        raise _bad(folder, f"{PARCEL} is not what `ci batch` writes") from None
    if parcel.model not in models or folder.name != f"batch-{parcel.model}":
        raise _bad(folder, f"it says that it is of {parcel.model}")
    names = {path.name for path in folder.iterdir()}
    if names != {PARCEL, *parcel.files} or parcel.predictions not in names:
        raise _bad(folder, f"it holds {', '.join(sorted(names))}")
    for name, digest in parcel.files.items():
        path = folder / name
        if name not in (parcel.predictions, *BESIDE) or path.is_symlink():
            raise _bad(folder, f"it holds {name}")
        if digest != file_digest(path):
            raise _bad(folder, f"{name} has another digest")
    return parcel


def _bad(folder: Path, reason: str) -> MlopsError:
    return MlopsError("bad_parcel", f"{folder.name} is no parcel of predictions: {reason}.")
