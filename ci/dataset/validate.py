"""Does the data keep the promises of its `dataset.yaml`? Streamed: memory does not grow with it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ci.contract.dataset import dataset_dir, load_dataset
from ci.dataset.checks import ColumnCheck
from ci.dataset.chunks import Ragged, UnreadableTableError, chunks, column_names
from ci.dataset.keys import KeyHashes, find_repeats
from ci.dataset.violation import HIDDEN, Violation
from ci.errors import MlopsError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pyarrow as pa

    from ci.contract.dataset import Dataset, Table
    from ci.repository import Repository


def require_valid(repository: Repository, name: str) -> None:
    """Refuse data that breaks its contract.

    Raises:
        MlopsError: ``bad_data``, with the first violation; or what `load_dataset` raises.
    """
    violations = validate(load_dataset(repository, name), dataset_dir(repository, name))
    if violations:
        more = len(violations) - 1
        others = f"`mlops data validate {name}` lists {more} more. " if more else ""
        raise MlopsError(
            "bad_data",
            f"{violations[0].sentence()} {others}Correct the data, or data/{name}/dataset.yaml "
            "where the data is right.",
        )


def validate(dataset: Dataset, folder: Path) -> list[Violation]:
    """All promises that the tables in ``folder`` break, in the order of the contract."""
    return [
        violation
        for name, table in dataset.tables.items()
        for violation in _TableCheck(dataset.name, name, table, folder / table.file).run()
    ]


@dataclass
class _TableCheck:
    dataset: str
    name: str
    table: Table
    path: Path
    rows: int = 0
    examples: dict[int, dict[str, Any]] = field(default_factory=dict)

    def run(self) -> list[Violation]:
        if not self.path.is_file():
            return [self._of_table("file", f"the file {self.table.file} is missing")]
        try:
            return self._columns(column_names(self.path))
        except UnreadableTableError as error:
            return [self._of_table("file", f"the file {self.table.file} can't be read: {error}")]

    def _columns(self, found: list[str]) -> list[Violation]:
        declared = self.table.columns
        absent = [name for name in declared if name not in found]
        unknown = [name for name in found if name not in declared]
        return [
            *[self._of_table("missing_column", _absent(c, unknown), c) for c in absent],
            *[
                self._of_table("unknown_column", "the column is not in the contract", c)
                for c in unknown
            ],
            *self._values([name for name in declared if name in found]),
        ]

    def _values(self, present: list[str]) -> list[Violation]:
        checks = {name: ColumnCheck(self.table.columns[name]) for name in present}
        keys = {columns: KeyHashes() for columns in self._unique_sets(present)}
        ragged = Ragged()
        for chunk in chunks(self.path, ragged):
            self._add(chunk, checks, keys)
        if self.rows == 0 and not ragged.rows:
            return [self._of_table("no_rows", "the table has no rows")]
        return [
            *self._ragged(ragged),
            *[v for name, check in checks.items() for v in self._of_column(name, check)],
            *[v for columns, hashes in keys.items() for v in self._of_key(columns, hashes)],
        ]

    def _add(
        self,
        chunk: pa.RecordBatch,
        checks: dict[str, ColumnCheck],
        keys: dict[tuple[str, ...], KeyHashes],
    ) -> None:
        start = self.rows + 1
        typed = {name: check.add(chunk.column(name), start) for name, check in checks.items()}
        for columns, hashes in keys.items():
            hashes.add([typed[name] for name in columns])
        self.rows += chunk.num_rows
        wanted = {
            row for c in checks.values() for tally in c.tallies.values() for row in tally.rows
        }
        for row in sorted(wanted - self.examples.keys()):
            self.examples[row] = self._example(chunk, row - start)

    def _example(self, chunk: pa.RecordBatch, index: int) -> dict[str, Any]:
        hidden = {name for name, rules in self.table.columns.items() if rules.pii}
        return {
            name: HIDDEN if name in hidden and column[index].is_valid else column[index].as_py()
            for name, column in zip(chunk.schema.names, chunk.columns, strict=True)
        }

    def _unique_sets(self, present: list[str]) -> list[tuple[str, ...]]:
        sets = [tuple(self.table.key)] if self.table.key else []
        sets += [(name,) for name, rules in self.table.columns.items() if rules.unique]
        return [s for s in dict.fromkeys(sets) if set(s) <= set(present)]

    def _of_column(self, name: str, check: ColumnCheck) -> list[Violation]:
        return [
            Violation(
                self.dataset,
                self.name,
                name,
                rule,
                tally.count,
                check.expected(rule),
                [{"row": row, **self.examples[row]} for row in tally.rows],
            )
            for rule, tally in check.broken().items()
        ]

    def _of_key(self, columns: tuple[str, ...], hashes: KeyHashes) -> list[Violation]:
        surplus, shared = hashes.repeated()
        repeats = find_repeats(self._key_pieces(columns), shared) if surplus else []
        if not repeats:
            return []
        named = " + ".join(columns)
        return [
            Violation(
                self.dataset,
                self.name,
                columns[0] if len(columns) == 1 else None,
                "unique",
                surplus,
                f"the same {named} as an earlier row",
                [self._repeat(columns, repeat) for repeat in repeats],
            )
        ]

    def _repeat(self, columns: tuple[str, ...], repeat: dict[str, Any]) -> dict[str, Any]:
        values = dict(zip(columns, repeat["values"], strict=True))
        shown = {n: HIDDEN if self.table.columns[n].pii else v for n, v in values.items()}
        return {"row": repeat["row"], "same as row": repeat["first"], **shown}

    def _key_pieces(self, columns: tuple[str, ...]) -> Iterator[tuple[int, list[pa.Array]]]:
        start = 1
        checks = [ColumnCheck(self.table.columns[name]) for name in columns]
        for chunk in chunks(self.path, Ragged()):
            typed = [
                check.add(chunk.column(name), start)
                for name, check in zip(columns, checks, strict=True)
            ]
            yield start, typed
            start += chunk.num_rows

    def _ragged(self, ragged: Ragged) -> list[Violation]:
        if not ragged.rows:
            return []
        personal = any(rules.pii for rules in self.table.columns.values())
        such = "; ".join(HIDDEN if personal else repr(text[:60]) for text in ragged.examples)
        expected = f"more or fewer cells than the header has, {such}"
        return [Violation(self.dataset, self.name, None, "cells", ragged.rows, expected)]

    def _of_table(self, rule: str, expected: str, column: str | None = None) -> Violation:
        return Violation(self.dataset, self.name, column, rule, 0, expected)


def _absent(column: str, unknown: list[str]) -> str:
    """That ``column`` is missing, and which of the ``unknown`` ones is it, written otherwise."""
    same = [each for each in unknown if _folded(each) == _folded(column)]
    if not same:
        return "the column is missing"
    return f"the column is missing; the table calls it {same[0]!r}, so rename one of them"


def _folded(column: str) -> str:
    return "".join(letter for letter in column.casefold() if letter.isalnum())
