"""What all contracts share: frozen, strict about keys that they do not know, and a few types."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints
from pydantic_core import PydanticCustomError

from ci.cron import Cron
from ci.repository import NAME_LIMIT, NAME_PATTERN
from ci.yaml_file import MISFIT

TABLE_SUFFIXES = (".csv", ".csv.gz", ".parquet")


class Contract(BaseModel):
    """A part of a contract; unknown keys are errors, values can't be changed afterwards."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def misfit(text: str, *key: str) -> PydanticCustomError:
    """The error that the value at ``key`` does not fit the rest of its contract."""
    return PydanticCustomError(MISFIT, "{text}", {"text": text, "key": key})


def check_bounds(kind: str, minimum: float | None, maximum: float | None) -> None:
    """Refuse bounds that a column of the type ``kind`` can't have.

    Raises:
        ValueError: bounds of what is not counted, or the least above the largest.
    """
    if kind not in ("number", "integer") and (minimum is not None or maximum is not None):
        raise ValueError(f"minimum and maximum do not apply to a {kind} column")
    if minimum is not None and maximum is not None and minimum > maximum:
        raise ValueError(f"minimum {minimum:.15g} is above maximum {maximum:.15g}")


def _table_inside(value: str) -> str:
    path = PurePosixPath(value)
    if path.is_absolute() or ".." in path.parts or "\\" in value:
        raise ValueError("a path is relative to the folder of this file and stays inside it")
    if not value.endswith(TABLE_SUFFIXES):
        raise ValueError("a table is a .csv, .csv.gz or .parquet file")
    return value


def _cron(value: str) -> str:
    Cron.parse(value)
    return value


TablePath = Annotated[str, AfterValidator(_table_inside)]
Name = Annotated[str, StringConstraints(pattern=f"^{NAME_PATTERN.pattern}$", max_length=NAME_LIMIT)]
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
Schedule = Annotated[str, AfterValidator(_cron)]
