"""Where a table comes from, when it is no file of the repository."""

from __future__ import annotations

from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, model_validator

from ci.contract.base import Contract, Name, TablePath, Text

PLACES = ("folder", "s3", "http", "postgresql")


def _address(value: str, schemes: tuple[str, ...]) -> str:
    parts = urlsplit(value)
    if parts.scheme not in schemes:
        raise ValueError(f"an address here begins with {' or '.join(f'{s}://' for s in schemes)}")
    if parts.password is not None or "password=" in parts.query.lower():
        raise ValueError(
            "a password does not belong into a file that everybody reads; leave it out, and set "
            "it in the environment"
        )
    return value


S3Address = Annotated[str, AfterValidator(lambda value: _address(value, ("s3",)))]
HttpAddress = Annotated[str, AfterValidator(lambda value: _address(value, ("https", "http")))]
PostgresAddress = Annotated[
    str, AfterValidator(lambda value: _address(value, ("postgresql", "postgres")))
]


class Source(Contract):
    """Where a table is read from: one of `folder`, `s3`, `http` and `postgresql`.

    Credentials come from the environment or from the driver's own files: `AWS_ACCESS_KEY_ID`,
    `AWS_SECRET_ACCESS_KEY`, `AWS_ENDPOINT_URL` and `~/.aws` for S3, `PGPASSWORD`, `PGUSER` and
    `~/.pgpass` for PostgreSQL, `~/.netrc` for HTTP.
    """

    folder: Text | None = None
    """A folder, such as a shared drive: all its tables, in the order of their names, are one.
    Relative to the repository's root, or absolute."""
    s3: S3Address | None = None
    """`s3://bucket/key` of a table, or of a folder of tables, in S3-compatible storage."""
    http: HttpAddress | None = None
    """Address of a table; the path ends in .csv, .csv.gz or .parquet."""
    postgresql: PostgresAddress | None = None
    """`postgresql://user@host/database`, without a password; what is left out comes from libpq's
    variables, such as `PGHOST`."""
    query: Text | None = None
    """The SELECT whose rows are taken from PostgreSQL; it may change nothing there."""

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        places = self._places()
        named = [name for name in places if getattr(self, name) is not None]
        if len(named) != 1:
            raise ValueError(f"name exactly one of {', '.join(places)}")
        if (self.query is None) != (self.postgresql is None):
            raise ValueError("postgresql and query belong together; write both")
        return self

    @classmethod
    def _places(cls) -> tuple[str, ...]:
        return PLACES


def _as_mapping(value: object) -> object:
    return {"file": value} if isinstance(value, str) else value


class BatchSource(Source):
    """What is scored: a table that the pipeline writes, a dataset's table, or one from elsewhere.

    Instead of the keys there may be just the path of the `file`.
    """

    file: TablePath | None = None
    """Table that the pipeline writes, relative to the model's folder."""
    dataset: Name | None = None
    """A dataset of data/."""
    table: Text | None = None
    """The dataset's table; may be left out where it has only one."""

    @model_validator(mode="after")
    def _table_of_dataset(self) -> Self:
        if self.table is not None and self.dataset is None:
            raise ValueError("table names a table of a dataset; name the dataset too")
        return self

    @classmethod
    def _places(cls) -> tuple[str, ...]:
        return ("file", "dataset", *PLACES)


BatchInput = Annotated[BatchSource, BeforeValidator(_as_mapping)]
