"""`dataset.yaml`: what a dataset's tables promise, who owns it, and what may be done with it."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from ci.contract.base import Contract, Name, TablePath, Text, check_bounds
from ci.contract.refresh import Refresh
from ci.errors import MlopsError
from ci.repository import NAME_LIMIT, NAME_PATTERN, Repository
from ci.yaml_file import Problem, ProblemsError, parse, read_yaml

if TYPE_CHECKING:
    from pathlib import Path

FieldType = Literal["integer", "number", "string", "boolean", "timestamp"]


def _header_name(value: str) -> str:
    if not value.strip() or any(ord(letter) < 32 for letter in value):
        raise ValueError("a column name is not empty and has no line breaks or tabs")
    return value


HeaderName = Annotated[str, AfterValidator(_header_name)]
TableName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]*$", max_length=NAME_LIMIT)]


class DatasetColumn(Contract):
    """A column of a table."""

    type: FieldType
    """What its values are; a timestamp is written in ISO form."""
    description: Text | None = None
    """What it means."""
    unit: Text | None = None
    """What it is counted in."""
    minimum: float | None = None
    """Least allowed value, inclusive; numbers and integers only."""
    maximum: float | None = None
    """Largest allowed value, inclusive; numbers and integers only."""
    categories: Annotated[list[str], Field(min_length=1)] | None = None
    """The only values allowed; strings only."""
    missing: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Largest allowed share of missing values, 0 to 1."""
    unique: bool = False
    """Whether no value may come twice."""
    pii: bool = False
    """Whether it is personal data."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        check_bounds(self.type, self.minimum, self.maximum)
        if self.categories is not None and self.type != "string":
            raise ValueError(f"categories are for string columns, and this one is {self.type}")
        if self.categories is not None and len(set(self.categories)) < len(self.categories):
            raise ValueError("a category is written twice")
        return self


class Table(Contract):
    """A file of the dataset."""

    file: TablePath
    """The .csv, .csv.gz or .parquet file, relative to the dataset's folder."""
    description: Text | None = None
    """What a row is."""
    key: list[HeaderName] = []
    """Columns that together name a row: no two rows share the values of all of them."""
    columns: Annotated[dict[HeaderName, DatasetColumn], Field(min_length=1)]
    """Column name to its rules; every column of the file is listed."""

    @model_validator(mode="after")
    def _key_exists(self) -> Self:
        for name in self.key:
            if name not in self.columns:
                near = difflib.get_close_matches(name, list(self.columns), n=1)
                hint = f"did you mean {near[0]!r}?" if near else "name columns of this table"
                raise ValueError(f"the key column {name!r} is not under columns; {hint}")
        return self


class Dataset(Contract):
    """A whole `dataset.yaml`."""

    name: Name
    """The name of its folder in data/."""
    description: Text
    """What it holds, in a sentence."""
    owner: Name
    """The team that answers for it."""
    source: Text
    """Who made it, and how it comes here."""
    licence: Text
    """Who may use it, and what for."""
    pii: Literal["none", "pseudonymous", "direct"]
    """What it says of people: nothing, rows of unnamed people, or names and addresses."""
    retention: Text
    """When it is to be deleted."""
    tables: Annotated[dict[TableName, Table], Field(min_length=1)]
    """Table name to its file and columns."""
    refresh: Refresh | None = None
    """Where new rows come from."""

    @model_validator(mode="after")
    def _refresh_fits(self) -> Self:
        if self.refresh is not None:
            name, table = self.refreshed_table(self.refresh)
            clean = self.refresh.clean
            wrong = [
                each
                for each in [*clean.dates, *clean.units, *clean.outliers]
                if each not in table.columns
            ]
            if wrong:
                raise ValueError(f"refresh cleans {wrong[0]}, which is no column of {name}")
            other = [each for each in clean.dates if table.columns[each].type != "timestamp"]
            if other:
                raise ValueError(f"refresh reads dates in {other[0]}, which is no timestamp")
            if not table.file.endswith(".csv"):
                raise ValueError(f"refresh writes .csv, and {name} is {table.file}")
        return self

    def refreshed_table(self, rules: Refresh) -> tuple[str, Table]:
        """Name and rules of the table that is refreshed.

        Raises:
            ValueError: there is no such table, or several and none is named.
        """
        name = rules.table or (next(iter(self.tables)) if len(self.tables) == 1 else None)
        if name is None or name not in self.tables:
            raise ValueError(f"refresh.table names one of {', '.join(self.tables)}")
        return name, self.tables[name]

    @model_validator(mode="after")
    def _pii_agrees(self) -> Self:
        marked = [
            f"{table}.{column}"
            for table, content in self.tables.items()
            for column, rules in content.columns.items()
            if rules.pii
        ]
        if marked and self.pii == "none":
            raise ValueError(f"pii is none, but the column {marked[0]} is marked pii")
        return self


def dataset_dir(repository: Repository, name: str) -> Path:
    """The folder of an existing dataset.

    Raises:
        MlopsError: ``unknown_dataset``, naming the nearest dataset.
    """
    if NAME_PATTERN.fullmatch(name) and (repository.data_dir / name / "dataset.yaml").is_file():
        return repository.data_dir / name
    names = repository.dataset_names()
    near = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(names) or 'none'}."
    raise MlopsError(
        "unknown_dataset",
        f"There is no dataset {name!r} in data/; {hint} "
        "Bring your own in with 'mlops data add FILE --name NAME'.",
    )


def load_dataset(repository: Repository, name: str) -> Dataset:
    """The contract of an existing dataset.

    Raises:
        MlopsError: ``unknown_dataset``.
        ProblemsError: ``bad_dataset`` or ``bad_yaml``, with file, line and key.
    """
    path = dataset_dir(repository, name) / "dataset.yaml"
    file = read_yaml(path, repository.relative(path))
    dataset = parse(file, Dataset, "bad_dataset")
    if dataset.name != name:
        problem = f"must be {name!r}, the name of its folder (found {dataset.name!r})."
        raise ProblemsError(
            "bad_dataset", [Problem(file.name, "name", problem, file.line(("name",)))]
        )
    return dataset
