"""The key `refresh` of `dataset.yaml`: where a table's new rows come from, and what is cleaned."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from ci.contract.base import Contract, Schedule, Text, check_bounds
from ci.contract.source import Source


class Outlier(Contract):
    """What is no value that a column can have, and what becomes of it."""

    minimum: float | None = None
    """Values below are outliers."""
    maximum: float | None = None
    """Values above are outliers."""
    action: Literal["missing", "drop"] = "missing"
    """Whether the value is taken out, or its whole row."""

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        if self.minimum is None and self.maximum is None:
            raise ValueError("write a minimum, a maximum or both")
        check_bounds("number", self.minimum, self.maximum)
        return self


class Cleaning(Contract):
    """What is put right before the rows are held against the contract, in this order."""

    dates: dict[Text, Literal["day_first", "month_first"]] = {}
    """Column → what comes first in 05/02/2024. Needed where no date of the source proves it, as
    13/02/2024 does; with points, as in 05.02.2024, the day is first."""
    units: dict[Text, Annotated[float, Field(gt=0)]] = {}
    """Column → factor that brings it to the contract's unit: 0.01 makes cents dollars."""
    outliers: dict[Text, Outlier] = {}
    """Column → what is no value of it."""
    duplicates: Literal["refuse", "drop"] = "refuse"
    """What happens to a row whose key (where the table has none: the whole row) came before. Rows
    that mode append finds in the version before, the same in every column, never come in again."""


class Refresh(Contract):
    """Where new rows come from, for `mlops data refresh` and `data.yml`."""

    source: Source
    """Where the new rows are."""
    table: Text | None = None
    """The dataset's table, a .csv; may be left out where it has only one."""
    schedule: Schedule | None = None
    """When `data.yml` reads it: a five-field cron expression in UTC, looked at once a day. Every
    day, unless set."""
    mode: Literal["replace", "append"] = "replace"
    """Whether the source is the whole table, or rows to add to it."""
    clean: Cleaning = Cleaning()
    """What is put right on the way."""
