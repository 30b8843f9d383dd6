"""Brings scored rows to where the contract says, each time as if it were the first."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ci.errors import MlopsError
from ci.score.names import run_name
from ci.score.writing import quarantine_path

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date
    from pathlib import Path

    import pyarrow as pa

    from ci.contract.batch import Delivery
    from ci.contract.model import ModelContract
    from ci.dataset.table_file import TableFile

GROUP_ROWS = 50_000


@dataclass(frozen=True)
class Goods:
    """A file of predictions and whose it is; ``input`` is the SHA-256 of what was scored."""

    model: str
    version: int
    day: date
    input: str
    rows: int
    file: Path

    @property
    def name(self) -> str:
        """What the run is called everywhere: whatever makes it another is in the name."""
        return run_name(self.model, self.day, self.version, self.input)


def deliver(goods: Goods, contract: ModelContract, delivery: Delivery, root: Path) -> list[str]:
    """Bring ``goods`` to every place of ``delivery`` but the release; returns what was done.

    Asked for again, it changes nothing: files have the run's name, and a table knows its run.

    Raises:
        MlopsError: ``delivery_failed``, ``missing_driver``; what was delivered before it stays.
    """
    from ci.storage.s3 import upload

    done = []
    for file, name in _named_files(goods):
        if delivery.folder is not None:
            done.append(_copy(file, root / delivery.folder, name))
        if delivery.s3 is not None:
            upload(file, delivery.s3, name)
            done.append(f"{delivery.s3.rstrip('/')}/{name}")
    if delivery.postgresql is not None:
        done.append(_load(goods, contract, delivery.postgresql, str(delivery.table)))
    return done


def _named_files(goods: Goods) -> list[tuple[Path, str]]:
    """The predictions and, where rows were set aside, those, with their names at the place."""
    ending = goods.file.name.partition(".")[2]
    bad = quarantine_path(goods.file)
    files = [(goods.file, f"{goods.name}.{ending}")]
    return [*files, (bad, f"{goods.name}.quarantine.csv")] if bad.is_file() else files


def _copy(file: Path, folder: Path, name: str) -> str:
    part = folder / f".{name}.part"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with file.open("rb") as source, part.open("wb") as target:
            shutil.copyfileobj(source, target)
            target.flush()
            os.fsync(target.fileno())
        part.replace(folder / name)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise MlopsError(
            "delivery_failed",
            f"{folder / name} can't be written ({error.strerror or error}); mend that and run the "
            "same command again.",
        ) from None
    return str(folder / name)


def _load(goods: Goods, contract: ModelContract, address: str, table: str) -> str:
    import pyarrow as pa

    from ci.dataset.tabular import open_table
    from ci.storage.postgres import RUN_COLUMNS, Run, load

    # A file of no rows has no types; there is nothing to bring but the day's own emptiness.
    file = open_table(goods.file, _texts(contract)) if goods.rows else None
    taken = [name for name in RUN_COLUMNS if file and name in file.columns]
    if taken:
        raise MlopsError(
            "delivery_failed",
            f"{goods.model}: the rows have a column {taken[0]}, which the table {table} needs for "
            "the run; rename it in the input.",
        )
    batches = _typed(file, contract) if file else iter(())
    first = next(batches, None)
    schema = first.schema if first is not None else pa.schema([])
    rest = ([first] if first is not None else []), batches
    reader = pa.RecordBatchReader.from_batches(schema, (b for part in rest for b in part))
    run = Run(goods.name, goods.model, goods.day, goods.version)
    new = load(address, table, reader, goods.rows, run)
    words = f"{goods.rows:,} rows" if new else "the rows were there before"
    return f"{address}, table {table}: {words} (run {goods.name})"


def _texts(contract: ModelContract) -> list[str]:
    ids = contract.batch.id_columns if contract.batch else []
    return [name for name in ids if name not in contract.input]


def _typed(file: TableFile, contract: ModelContract) -> Iterator[pa.RecordBatch]:
    """Inputs and predictions in the contract's types, other columns as the file has them."""
    from ci.dataset.values import as_type

    kinds = {name: rules.type for name, rules in {**contract.input, **contract.output}.items()}
    for table in file.tables(GROUP_ROWS):
        for name, kind in kinds.items():
            values: Any = table.column(name).combine_chunks()
            table = table.set_column(  # noqa: PLW2901
                table.column_names.index(name), name, as_type(values, kind)[0]
            )
        yield from table.combine_chunks().to_batches()
