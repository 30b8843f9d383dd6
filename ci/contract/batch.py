"""The key `batch` of `model.yaml`: what is scored, when, and where the predictions go."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from ci.contract.base import Contract, Schedule, Text
from ci.contract.columns import ColumnName
from ci.contract.source import BatchInput, PostgresAddress, S3Address

TABLE = r"^[a-z_][a-z0-9_]{0,62}(\.[a-z_][a-z0-9_]{0,62})?$"
Kind = Literal["csv", "csv.gz", "parquet"]


class Delivery(Contract):
    """Where the predictions go; several places are possible."""

    release: bool = True
    """Whether `batch.yml` publishes them as a file of a release on GitHub."""
    folder: Text | None = None
    """A folder that they are copied to, absolute or relative to the repository's root."""
    s3: S3Address | None = None
    """`s3://bucket/folder` that they are copied to."""
    postgresql: PostgresAddress | None = None
    """`postgresql://user@host/database` whose `table` they are added to, in one transaction."""
    table: Annotated[str, StringConstraints(pattern=TABLE)] | None = None
    """Table of that database, `name` or `schema.name`; made where it is not there."""

    @model_validator(mode="after")
    def _somewhere(self) -> Self:
        if (self.table is None) != (self.postgresql is None):
            raise ValueError("postgresql and table belong together; write both")
        if not (self.release or self.elsewhere):
            raise ValueError("the predictions go nowhere; name a folder, s3 or postgresql")
        return self

    @property
    def elsewhere(self) -> bool:
        """Whether they go anywhere but into a release."""
        return any((self.folder, self.s3, self.postgresql))


class Batch(Contract):
    """What is scored, when, and where the predictions go."""

    schedule: Schedule
    """When it is due: a five-field cron expression in UTC. It is looked at every six hours."""
    input: BatchInput
    """Table to score: a path relative to the model's folder, or keys that say where it is."""
    output: Kind = "csv.gz"
    """How the file of predictions is written."""
    delivery: Delivery = Delivery()
    """Where the predictions go."""
    shards: Annotated[int, Field(ge=1, le=64)] = 1
    """On how many machines `batch.yml` scores it."""
    id_columns: list[ColumnName] = []
    """Columns that say whose row it is; each row must have them, and they pass through as they
    are written."""
    max_bad_rows: Annotated[int, Field(ge=0)] | Annotated[float, Field(gt=0, lt=1)] = 0
    """How many rows that break the contract are set aside in a quarantine file before the run
    fails: a whole number of rows, or a share of all rows below 1, such as 0.01."""

    def most_bad_rows(self, rows: int) -> int:
        """The limit for a table of ``rows`` rows."""
        limit = self.max_bad_rows
        return limit if isinstance(limit, int) else int(limit * rows)
