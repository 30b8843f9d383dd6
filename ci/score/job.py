"""What is to be scored, cut into parts of a fixed size, and the name of exactly this work."""

from __future__ import annotations

import hashlib
import json
import os
import re
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Self

from ci.errors import MlopsError
from ci.files import file_digest, tree_digest
from ci.score.render import kind_of

if TYPE_CHECKING:
    from pathlib import Path

    from ci.contract.model import ModelContract
    from ci.dataset.table_file import TableFile
    from ci.evaluate.candidate import Servable

# The same on every machine, since a prediction's last bits may depend on its neighbours.
PIECE_ROWS = 10_000
PIECES_A_PART = 20
PART_ROWS = PIECE_ROWS * PIECES_A_PART
FORMAT = 1


@dataclass(frozen=True)
class Shard:
    """Share ``number`` (from 1) of ``of``."""

    number: int = 1
    of: int = 1

    @classmethod
    def parse(cls, text: str) -> Self:
        """``2/5`` as a shard.

        Raises:
            MlopsError: ``bad_shard``.
        """
        found = re.fullmatch(r"([1-9][0-9]{0,4})/([1-9][0-9]{0,4})", text)
        shard = cls(*map(int, found.groups())) if found else None
        if shard is None or shard.number > shard.of:
            raise MlopsError(
                "bad_shard", f"{text!r} is no shard; write I/N with 1 ≤ I ≤ N, such as 2/5."
            )
        return shard

    def parts(self, count: int) -> range:
        """Its parts of the ``count`` parts of the whole."""
        return range(count * (self.number - 1) // self.of, count * self.number // self.of)

    def folder(self, target: Path) -> Path:
        """Where its result lies until the shards of ``target`` are merged."""
        return target.with_name(f"{target.name}.shard-{self.number}-of-{self.of}")


@dataclass(frozen=True)
class Plan:
    """A job as the folder of its parts records it; two with one ``key`` write the same bytes."""

    key: str
    model: str
    version: int | None
    fingerprint: str
    source: str
    kind: str
    columns: list[str]
    rows: int
    most_bad_rows: int
    contract: dict[str, Any]

    @property
    def parts(self) -> int:
        """Into how many parts the rows are cut."""
        return -(-self.rows // PART_ROWS)

    def first_row(self, index: int) -> int:
        """Number of the first row of a part, from 1."""
        return index * PART_ROWS + 1

    def rows_of(self, index: int) -> int:
        """How many rows of the file a part takes."""
        return min(PART_ROWS, self.rows - index * PART_ROWS)

    def rules(self) -> ModelContract:
        """The contract that the model was released with."""
        from ci.contract.model import ModelContract

        return ModelContract.model_validate(self.contract)


def make_plan(
    servable: Servable, file: TableFile, target: Path, shown: str, *, replace: bool
) -> Plan:
    """The plan for scoring ``file``, which messages call ``shown``, to ``target``.

    With ``replace`` a column that is named as a prediction is left out, and else refused.

    Raises:
        MlopsError: ``bad_output``, ``bad_rows`` where a column is missing or there already.
    """
    contract = servable.contract
    kind = kind_of(target)
    if kind is None:
        raise MlopsError(
            "bad_output", f"{target}: the output's name must end in .csv, .csv.gz or .parquet."
        )
    if target.exists() and target.samefile(file.path):
        raise MlopsError("bad_output", f"{target} is the input; give the output another name.")
    _check_columns(contract, file, shown, replace)
    _check_place(target)
    columns = [name for name in file.columns if name not in contract.output]
    limit = contract.batch.most_bad_rows(file.rows) if contract.batch else 0
    return Plan(
        key=_key(servable, file.path, kind, columns),
        model=contract.name,
        version=servable.version,
        fingerprint=servable.fingerprint,
        source=shown,
        kind=kind,
        columns=columns,
        rows=file.rows,
        most_bad_rows=limit,
        contract=contract.model_dump(mode="json"),
    )


def _check_place(target: Path) -> None:
    """Refuse before hours of work what could not be written after them."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.is_dir() or not os.access(target.parent, os.W_OK):
        raise MlopsError(
            "bad_output",
            f"{target} is a folder, or lies in one that can't be written to; try elsewhere.",
        )


def id_columns(contract: ModelContract) -> list[str]:
    """The columns that say whose row it is."""
    return contract.batch.id_columns if contract.batch else []


def _like(wanted: str, file: TableFile) -> str:
    """A column of the file that `mlops new` would have named so."""
    from ci.scaffold.columns import clean

    found = [name for name in file.columns if clean(name, set()) == wanted]
    return f" (rename {found[0]!r} in the file, if that is it)" if found else ""


def _check_columns(contract: ModelContract, file: TableFile, shown: str, replace: bool) -> None:
    needed = [*contract.input, *(n for n in id_columns(contract) if n not in contract.input)]
    missing = [name for name in needed if name not in file.columns]
    if missing:
        raise MlopsError(
            "bad_rows",
            f"{shown}: the column {missing[0]} is missing{_like(missing[0], file)}; "
            f"{contract.name} needs {', '.join(needed)}.",
        )
    taken = [name for name in contract.output if name in file.columns]
    if taken and not replace:
        raise MlopsError(
            "bad_rows",
            f"{shown}: it has a column {taken[0]} already, which the predictions would "
            "overwrite; rename it and try again.",
        )


def _key(servable: Servable, source: Path, kind: str, columns: list[str]) -> str:
    """Digest of all that decides the bytes of the output."""
    facts: dict[str, Any] = {
        "input": file_digest(source),
        "name": source.name,
        "kind": kind,
        "columns": columns,
        "rows": [PIECE_ROWS, PART_ROWS, FORMAT],
        "version": servable.version,
        "fingerprint": servable.fingerprint,
        "predict": file_digest(servable.predict_file),
        "artifact": tree_digest(servable.artifact),
        "contract": servable.contract.model_dump(mode="json"),
        "packages": {name: version(name) for name in ("numpy", "pandas", "pyarrow")},
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
