"""Tables as lines of CSV: numbers in plain digits, quotes only where a text needs them."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from ci.dataset.values import holds, text_bytes

if TYPE_CHECKING:
    import pyarrow as pa

# Above this a float64 does not hold every whole number, and digits would claim too much.
PLAIN_BELOW = 1e18
NEEDS_QUOTES = '",\r\n'


def header(names: list[str]) -> bytes:
    """The first line."""
    import pyarrow as pa

    return ",".join(_quoted(pa.array(names, pa.string())).to_pylist()).encode() + b"\n"


def lines(table: pa.Table) -> bytes:
    """A line for each row of ``table``; missing values are empty."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not table.num_rows:
        return b""
    cells = [pc.fill_null(_text(column.combine_chunks()), "") for column in table.columns]
    ended = pc.binary_join_element_wise(cells[-1], "\n", "")
    rows = pc.binary_join_element_wise(*cells[:-1], ended, ",")
    # More than 2 GiB of text comes in several arrays.
    arrays = rows.chunks if isinstance(rows, pa.ChunkedArray) else [rows]
    return b"".join(map(text_bytes, arrays))


def _text(column: Any) -> Any:
    import pyarrow as pa

    types = pa.types
    if types.is_string(column.type) or types.is_large_string(column.type):
        return _quoted(column)
    if types.is_floating(column.type):
        return _plain(column)
    return column.cast(pa.string())


def _plain(numbers: Any) -> Any:
    """The shortest digits that read back as the same number; no ``4.57e+12`` for large ones."""
    import pyarrow as pa
    import pyarrow.compute as pc

    texts = numbers.cast(pa.string())
    large = pc.match_substring(texts, "e+")
    large = pc.fill_null(pc.and_(large, pc.less(pc.abs(numbers), PLAIN_BELOW)), False)
    if not pc.any(large).as_py():
        return texts
    plain = [f"{Decimal(text):f}" for text in texts.filter(large).to_pylist()]
    return pc.replace_with_mask(texts, large, pa.array(plain, pa.string()))


def _quoted(texts: Any) -> Any:
    import pyarrow.compute as pc

    # An empty text is quoted too: without quotes it would be a missing value.
    empty = pc.equal(texts, "")
    if not pc.any(empty).as_py() and not holds(texts, NEEDS_QUOTES.encode()):
        return texts
    needs = pc.or_(pc.match_substring_regex(texts, f"[{NEEDS_QUOTES}]"), empty)
    needs = pc.fill_null(needs, False)
    doubled = pc.replace_substring(texts, '"', '""')
    quoted = pc.binary_join_element_wise('"', doubled, '"', "")
    return pc.if_else(needs, quoted, texts)
