"""Writes a dataset: its tables as plain CSV, its contract as YAML to be edited."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    import pyarrow as pa

    from ci.contract.dataset import Dataset

INFERRED = """\
# Inferred from the data by 'mlops data add', to be read and corrected by its owner: types, units,
# ranges (observed, widened to round numbers), categories, allowed missing shares, key, personal
# data (guessed from column names), licence, source and retention.
"""


def write_csv(tables: Iterable[pa.Table], path: Path) -> Iterator[pa.Table]:
    """Write ``tables`` one after the other as UTF-8 CSV, and hand each on once it is written."""
    with path.open("wb") as file:
        for number, table in enumerate(tables):
            if number == 0:
                file.write(_quoted([table.column_names]))
            file.write(csv_rows(table))
            yield table


def csv_rows(table: pa.Table) -> bytes:
    """The rows without header; quotes only where a cell needs them, missing as empty."""
    import pyarrow as pa
    from pyarrow import csv as pacsv

    sink = pa.BufferOutputStream()
    try:
        pacsv.write_csv(table, sink, pacsv.WriteOptions(include_header=False, quoting_style="none"))
    except pa.ArrowInvalid:  # a cell has a comma, a quote or a line break
        texts = [column.cast(pa.string()).to_pylist() for column in table.columns]
        return _quoted(zip(*texts, strict=True))
    rows: bytes = sink.getvalue().to_pybytes()
    return rows


def contract_yaml(dataset: Dataset) -> str:
    """The contract as YAML that says at its top that it was inferred."""
    data = dataset.model_dump(exclude_defaults=True)
    for table in data["tables"].values():
        for rules in table["columns"].values():
            _round_numbers(rules)
    text: str = yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=95)
    return INFERRED + text


def _round_numbers(rules: dict[str, Any]) -> None:
    """10000 rather than 10000.0, as a person writes it."""
    for key in ("minimum", "maximum"):
        if key in rules and float(rules[key]).is_integer() and abs(rules[key]) < 1e15:
            rules[key] = int(rules[key])


def _quoted(rows: Iterable[Iterable[str | None]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()
