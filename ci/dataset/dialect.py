"""How someone's CSV file is written: encoding, delimiter, header. Found out, never guessed at."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import re
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

from ci.errors import MlopsError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
SAMPLE_CHARACTERS = 1 << 18
BLOCK_BYTES = 1 << 20
SAVE_AS = "save it as 'CSV UTF-8' with commas between columns and points in numbers"

_MAGIC = {
    b"PK\x03\x04": "an Excel workbook or another zip file",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook",
    b"PAR1": "a Parquet file; name it .parquet",
    b"\x1f\x8b": "compressed; name it .csv.gz",
    b"%PDF": "a PDF",
}
_PAGE = (b"<!doctype html", b"<html", b"<head", b"<?xml")
# Letters that Windows-1252 has, but that are far more often another encoding's accents, and
# three accented letters in a row, which no Western word has but every Cyrillic or Greek one.
_NOT_WESTERN = re.compile("[ŠšŽžŸƒ\u02c6\u02dc†‡]|[\u00c0-\u00ff]{3}")
# Letters of UTF-8 (À to ÿ) read as Windows-1252: text has no Ã before such a sign.
_HALF_UTF8 = re.compile(rb"\xc3[\x80-\xbf]")
_ESCAPED_QUOTE = re.compile(rb'\\"[^,;\t|\r\n"]')


@dataclass(frozen=True)
class Dialect:
    """``names`` is the header, in order; ``skip_lines`` lines come before the first row."""

    encoding: str
    delimiter: str
    names: list[str]
    skip_lines: int
    notes: list[str]


def find_dialect(path: Path) -> Dialect:
    """How the CSV file ``path`` is written.

    Raises:
        MlopsError: ``bad_table`` where that can't be told for certain, or it is no CSV.
    """
    encoding, notes, quotes_across = _find_encoding(path)
    sample, whole = _sample(path, encoding)
    if not sample.strip():
        raise refuse(path, "it is empty; it needs a header and at least one row")
    delimiter = _find_delimiter(path, sample, whole)
    if quotes_across:
        _require_closed(path, encoding, delimiter)
    if delimiter != ",":
        notes = [*notes, f"Columns are separated by {DELIMITERS[delimiter]}s."]
    blank = len(re.match(r"[\r\n]*", sample).group().splitlines())  # type: ignore[union-attr]
    header = _rows(sample, delimiter)[0]
    return Dialect(encoding, delimiter, _check_header(path, header), blank + 1, notes)


def refuse(path: Path, problem: str) -> MlopsError:
    """The one error for a table that can't be read rightly."""
    return MlopsError("bad_table", f"{path.name} can't be read: {problem}.")


def open_bytes(path: Path) -> IO[bytes]:
    """The file's bytes, decompressed where its name ends in .gz."""
    if path.suffix == ".gz":
        return gzip.open(path)  # type: ignore[return-value]
    return path.open("rb")


def _blocks(path: Path) -> Iterator[bytes]:
    try:
        with open_bytes(path) as file:
            while block := file.read(BLOCK_BYTES):
                yield block
    except (OSError, EOFError) as error:
        raise refuse(path, f"reading failed ({error})") from None


def _find_encoding(path: Path) -> tuple[str, list[str], bool]:
    """The encoding, what to say of it, and whether a quote may be one too many."""
    start = next(_blocks(path), b"")
    for magic, kind in _MAGIC.items():
        if start.startswith(magic):
            raise refuse(path, f"it is {kind}" + ("" if "name it" in kind else f"; {SAVE_AS}"))
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        _decode(path, "utf-16", "it begins like UTF-16 and then is not")
        return "utf-16", ["The file is UTF-16."], True
    if start.lstrip(b"\xef\xbb\xbf \t\r\n")[:14].lower().startswith(_PAGE):
        raise refuse(path, "it is a web page, such as one to log in on, and no table")
    quotes_across = _refuse_bytes(path)
    if _is_utf8(path):
        return "utf-8", [], quotes_across
    if any(_HALF_UTF8.search(block) for block in _blocks(path)):
        raise refuse(path, f"parts of it are UTF-8 and parts are Windows-1252; {SAVE_AS}")
    _decode(path, "cp1252", f"it is neither UTF-8 nor Windows-1252; {SAVE_AS}")
    notes = ["The file is not UTF-8; it was read as Windows-1252 (Latin-1)."]
    return "cp1252", notes, quotes_across


def _refuse_bytes(path: Path) -> bool:
    """Refuse what no text has, or no CSV; returns whether a line, or the file, ends in a quote.

    A cell with a line break does that, too: whoever knows the delimiter can tell them apart.
    """
    inside = across = False
    for block in _blocks(path):
        across = across or _breaks_inside(block, inside)
        inside ^= block.count(b'"') % 2 == 1
        if b"\0" in block:
            raise refuse(path, f"it holds NUL bytes, so it is no text; {SAVE_AS}")
        if _ESCAPED_QUOTE.search(block):
            raise refuse(
                path, r'it writes quotes within quotes as \"; CSV doubles them instead (""), '
                f"so {SAVE_AS}"
            )  # fmt: skip
    return inside or across


def _breaks_inside(block: bytes, inside: bool) -> bool:
    """Whether a line ends after an odd number of quotes; ``inside`` says that one was open."""
    import numpy as np  # jobs that only ask what is due do without it

    codes = np.frombuffer(block, np.uint8)
    before = np.cumsum(codes == ord('"')) + inside
    ends = (codes == ord("\n")) | (codes == ord("\r"))
    return bool((before[ends] % 2).any())


def _require_closed(path: Path, encoding: str, delimiter: str) -> None:
    """Refuse a quote that is not closed where its cell ends: the rows after it would be lost.

    They would be part of its cell. A file that was cut off within quotes has such a cell, too.
    """
    begin = 1
    with open_bytes(path) as file:
        lines = io.TextIOWrapper(file, "utf-8-sig" if encoding == "utf-8" else encoding, newline="")
        rows = csv.reader(lines, delimiter=delimiter, strict=True)
        try:
            for _ in rows:
                begin = rows.line_num + 1
        except csv.Error:
            raise refuse(
                path, f"a quote in line {begin} is not closed where its cell ends: the file was "
                "cut off there, or the cell has a quote too many; bring it whole or correct it"
            ) from None  # fmt: skip


def _is_utf8(path: Path) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for block in _blocks(path):
            decoder.decode(block)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _decode(path: Path, encoding: str, problem: str) -> None:
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        for block in _blocks(path):
            text = decoder.decode(block)
            if encoding == "cp1252" and _NOT_WESTERN.search(text):
                raise refuse(path, problem)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        raise refuse(path, problem) from None


def _sample(path: Path, encoding: str) -> tuple[str, bool]:
    """The beginning of the text, and whether that is all of it."""
    with open_bytes(path) as file:
        reader = io.TextIOWrapper(file, encoding, newline="")
        text = reader.read(SAMPLE_CHARACTERS + 1)
    return text[:SAMPLE_CHARACTERS].removeprefix("\ufeff"), len(text) <= SAMPLE_CHARACTERS


def _find_delimiter(path: Path, sample: str, whole: bool) -> str:
    try:
        widths = {delimiter: _widths(sample, whole, delimiter) for delimiter in DELIMITERS}
    except csv.Error as error:
        raise refuse(path, f"it is no CSV ({error}); {SAVE_AS}") from None
    splitting = {d: w for d, w in widths.items() if w and w[0] > 1}
    even = [d for d, w in splitting.items() if len(set(w)) == 1]
    found = even or list(splitting) or [","]
    if len(found) > 1:
        named = " and ".join(DELIMITERS[delimiter] for delimiter in found)
        raise refuse(path, f"its columns may be separated by {named}; {SAVE_AS}")
    return found[0]


def _widths(sample: str, whole: bool, delimiter: str) -> list[int]:
    rows = _rows(sample, delimiter)
    return [len(row) for row in (rows if whole or len(rows) < 2 else rows[:-1])]


def _rows(sample: str, delimiter: str) -> list[list[str]]:
    lines = io.StringIO(sample, newline="")
    return [row for row in csv.reader(lines, delimiter=delimiter) if row]


def _check_header(path: Path, header: list[str]) -> list[str]:
    names = [name.strip() for name in header]
    for place, name in enumerate(names, start=1):
        if not name:
            raise refuse(path, f"column {place} has no name in the header; give it one")
        if any(ord(letter) < 32 for letter in name):
            raise refuse(path, f"the name of column {place} has a line break or tab; write it anew")
        if names.count(name) > 1:
            raise refuse(path, f"the column name {name!r} is there twice; rename one")
    if all(re.fullmatch(r"[-+.,\d\s]+", name) for name in names):
        raise refuse(
            path, f"its first row is numbers ({', '.join(names[:3])}), so the header is missing; "
            "add a first row with the column names"
        )  # fmt: skip
    return names
