"""What a labelled row consists of: the columns of the file for people, and of the dataset."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ci.contract.columns import Column
from ci.contract.dataset import Dataset, DatasetColumn, Table

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ci.contract.columns import ColumnType
    from ci.contract.model import ModelContract

TABLE = "labels"


@dataclass(frozen=True)
class Shape:
    """Names of the columns of one model's labelled rows.

    ``inputs`` leaves out personal data, ``row`` names the row, ``label`` is the target.
    """

    contract: ModelContract

    @property
    def dataset(self) -> str:
        """The dataset that labelled rows come to."""
        return f"{self.contract.name}-labels"

    @property
    def inputs(self) -> list[str]:
        """Input columns that people may see."""
        return [name for name, column in self.contract.input.items() if not column.pii]

    @property
    def label(self) -> str:
        """Where people write the right answer."""
        return self.contract.evaluation.target

    @property
    def row(self) -> str:
        """What tells one row from another."""
        return self._free("row_id")

    @property
    def predicted(self) -> str:
        """What the model answered, for people to see."""
        return self._free("predicted")

    def _free(self, name: str) -> str:
        while name in self.contract.input or name == self.label:
            name += "_"
        return name

    def texts(self, values: Iterable[Any]) -> list[str]:
        """A row's inputs as text, in the order of ``inputs``."""
        kinds = [self.contract.input[name].type for name in self.inputs]
        return [as_text(kind, value) for kind, value in zip(kinds, values, strict=True)]

    @property
    def answer(self) -> Column:
        """What a label may be."""
        output = self.contract.output[self.contract.answer]
        if self.contract.task == "binary_classification":
            return Column(type="integer", minimum=0, maximum=1)
        kept = output.model_dump(include={"type", "unit", "minimum", "maximum", "categories"})
        return Column(**kept)

    def contract_of_dataset(self) -> Dataset:
        """The contract of a dataset that has no version yet."""
        model = self.contract
        inputs = {name: _field(model.input[name]) for name in self.inputs}
        columns = {
            self.row: DatasetColumn(type="string", unique=True),
            **inputs,
            self.label: _field(self.answer),
        }
        return Dataset(
            name=self.dataset,
            description=f"Rows that {model.name} was least sure of, with the right answer.",
            owner=model.owner,
            source=f"Calls or batches of {model.name}, labelled by people: mlops label.",
            licence="Unknown; say here who may use it and what for.",
            pii="none",
            retention="Undecided; say here when it is to be deleted.",
            tables={TABLE: Table(file=f"tables/{TABLE}.csv", key=[self.row], columns=columns)},
        )


def _field(column: Column) -> DatasetColumn:
    rules = column.model_dump(
        include={"type", "description", "unit", "minimum", "maximum", "categories"}
    )
    return DatasetColumn(**rules, missing=1.0 if column.nullable else 0.0)


def row_id(*parts: object) -> str:
    """A name of a row that a spreadsheet leaves alone: it looks like no number and no formula."""
    text = "\n".join(map(str, parts))
    return f"r-{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def as_text(kind: ColumnType, value: Any) -> str:
    """A value of a column of ``kind`` as the tables of datasets have it; missing is empty."""
    import pandas as pd

    if pd.isna(value):
        return ""
    if kind == "boolean":
        return "true" if value else "false"
    if kind == "integer":
        return str(int(value))
    return repr(float(value)) if kind == "number" else str(value)
