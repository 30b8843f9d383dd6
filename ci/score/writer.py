"""Tables written piece by piece, under the wanted name only once they are whole."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ci.errors import MlopsError
from ci.score.csv_lines import header, lines

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pyarrow as pa


class Writer:
    """Opens its file with the first piece, since only that knows the columns."""

    def __init__(self, path: Path, kind: str) -> None:
        self._path = path
        self._kind = kind
        self._file: Any = None

    def write(self, table: pa.Table) -> None:
        """Append ``table``."""
        if self._file is None:
            self._file = self._open(table.schema)
        if self._kind == "parquet":
            self._file.write_table(table)
        else:
            self._file.write(lines(table))

    def close(self) -> None:
        """Finish the file."""
        if self._file is not None:
            self._file.close()

    def _open(self, schema: pa.Schema) -> Any:
        if self._kind == "parquet":
            import pyarrow.parquet as pq

            return pq.ParquetWriter(self._path, schema)
        file = self._path.open("wb")
        file.write(header(schema.names))
        return file


@contextmanager
def open_writer(target: Path, source: Path) -> Iterator[Writer]:
    """A writer whose file becomes ``target`` at the end; an error leaves ``target`` as it was.

    Raises:
        MlopsError: ``bad_output``.
    """
    kind = target.suffix.removeprefix(".")
    if kind not in ("csv", "parquet"):
        raise MlopsError("bad_output", f"{target}: the output's name must end in .csv or .parquet.")
    if target.exists() and target.samefile(source):
        raise MlopsError("bad_output", f"{target} is the input; give the output another name.")
    part = target.with_name(f".{target.name}.part")
    writer = Writer(part, kind)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        yield writer
        writer.close()
        part.replace(target)
    except OSError as error:
        raise MlopsError(
            "bad_output", f"{target} can't be written ({error.strerror or error}); try elsewhere."
        ) from None
    finally:
        part.unlink(missing_ok=True)
