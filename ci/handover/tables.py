"""The two tables of a handover: the holdout's rows, and what the candidate answered to them."""

from __future__ import annotations

import csv
import gzip
import shutil
import zlib
from typing import TYPE_CHECKING, Any

from ci.handover.read import bad_handover

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from ci.contract.model import ModelContract
    from ci.evaluate.answers import Predictions

CHUNK_BYTES = 1 << 20


def write_holdout(source: Path, target: Path) -> None:
    """Write the table ``source`` (.csv, .csv.gz or .parquet) as gzipped CSV."""
    with gzip.GzipFile(target, "wb", compresslevel=6, mtime=0) as file:
        if source.suffix == ".parquet":
            import pandas as pd

            file.write(pd.read_parquet(source).to_csv(index=False).encode())
            return
        with gzip.open(source) if source.suffix == ".gz" else source.open("rb") as content:
            shutil.copyfileobj(content, file, CHUNK_BYTES)


def write_predictions(predictions: Predictions, target: Path) -> None:
    """Write answers by output column as gzipped CSV; floats keep every digit."""
    with gzip.open(target, "wt", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(predictions)
        for row in zip(*predictions.values(), strict=True):
            writer.writerow([_cell(value) for value in row])


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value) if isinstance(value, float) else str(value)


def unzip_table(source: Path, target: Path, most_bytes: int) -> None:
    """Write what is in the gzip file ``source`` to ``target``, if it is text of a table.

    Raises:
        MlopsError: ``bad_handover`` where it is no gzip, more than ``most_bytes``, not UTF-8 or
            holds the character U+0000.
    """
    import codecs

    decoder, size = codecs.getincrementaldecoder("utf-8")(), 0
    try:
        with gzip.open(source, "rb") as content, target.open("wb") as file:
            while chunk := content.read(CHUNK_BYTES):
                size += len(chunk)
                if size > most_bytes:
                    raise bad_handover(f"{source.name} holds more than {most_bytes:,} bytes")
                if "\0" in decoder.decode(chunk):
                    raise bad_handover(f"{source.name} holds the character U+0000")
                file.write(chunk)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        raise bad_handover(f"{source.name} is not UTF-8") from None
    except (OSError, EOFError, zlib.error):
        raise bad_handover(f"{source.name} is not a whole gzip file") from None


def read_predictions(path: Path, contract: ModelContract, rows: int) -> dict[str, list[Any]]:
    """The candidate's answers: a list of ``rows`` values an output column.

    Raises:
        MlopsError: ``bad_handover`` for other columns, another number of rows, or a value that
            the output contract does not allow (NaN and infinities among them).
    """
    texts = _read_csv(path, list(contract.output), rows)
    return {
        name: [_checked(contract, name, row, text) for row, text in enumerate(texts[name])]
        for name in contract.output
    }


def _read_csv(path: Path, names: Sequence[str], rows: int) -> Mapping[str, list[str]]:
    found: dict[str, list[str]] = {name: [] for name in names}
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.reader(file, strict=True)
            header = next(reader, [])
            if header != list(names):
                raise bad_handover(f"the predictions' columns are not {', '.join(names)}")
            for number, row in enumerate(reader, start=1):
                if number > rows or len(row) != len(names):
                    raise bad_handover(f"the predictions do not have one row for each of {rows:,}")
                for name, cell in zip(names, row, strict=True):
                    found[name].append(cell)
    except csv.Error as error:
        raise bad_handover(f"the predictions are no CSV ({error})") from None
    if len(found[names[0]]) != rows:
        raise bad_handover(f"the predictions do not have one row for each of {rows:,}")
    return found


def _checked(contract: ModelContract, name: str, row: int, text: str) -> Any:
    column = contract.output[name]
    value = _value(column.type, text)
    problem = column.problem_of(value)
    if problem:
        raise bad_handover(f"the prediction {name} = {text[:60]!r} in row {row + 1} {problem}")
    return value


def _value(kind: str, text: str) -> Any:
    """The value that ``text`` stands for, or the text itself for the contract to refuse."""
    if text == "" or kind == "string":
        return text or None
    if kind == "boolean":
        return {"true": True, "false": False}.get(text, text)
    try:
        return int(text) if kind == "integer" else float(text)
    except ValueError:
        return text
