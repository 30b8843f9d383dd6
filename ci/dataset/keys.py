"""Which rows share a key: exact, in eight bytes a row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ci.dataset.violation import EXAMPLES

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    Hashes = NDArray[np.uint64]

# Two keys of 20 million rows collide once in 80,000 files, so what hashes alike is compared.
COMPARED_HASHES = 1000


class KeyHashes:
    """Collects a hash a row, then tells how many rows repeat an earlier row's key."""

    def __init__(self) -> None:
        self._parts: list[Hashes] = []

    def add(self, columns: list[pa.Array]) -> None:
        """The key columns of the next rows."""
        self._parts.append(row_hashes(columns))

    def repeated(self) -> tuple[int, Hashes]:
        """How many rows are surplus, and some of the hashes that they share, sorted."""
        import numpy as np

        if not self._parts:
            return 0, np.empty(0, np.uint64)
        hashes = np.concatenate(self._parts)
        self._parts.clear()
        hashes.sort()
        same = hashes[1:] == hashes[:-1]
        return int(same.sum()), np.unique(hashes[1:][same][:COMPARED_HASHES])


def row_hashes(columns: list[pa.Array]) -> Hashes:
    """One 64-bit hash a row of the columns' values; null is a value like others."""
    import numpy as np

    total = np.zeros(len(columns[0]), np.uint64)
    for column in columns:
        total = _mix(total * np.uint64(0x9E3779B97F4A7C15) + _value_hashes(column))
    return total


def find_repeats(
    pieces: Iterable[tuple[int, list[pa.Array]]], shared: Hashes
) -> list[dict[str, Any]]:
    """Rows whose hash is in ``shared`` and whose key equals an earlier row's.

    ``pieces`` are (number of the first row, key columns). At most three rows come back, as
    ``{"row": number, "first": number of the earlier row, "values": the key}``.
    """
    import numpy as np

    seen: dict[tuple[Any, ...], int] = {}
    found: list[dict[str, Any]] = []
    for start, columns in pieces:
        for index in np.flatnonzero(np.isin(row_hashes(columns), shared)).tolist():
            values = tuple(column[index].as_py() for column in columns)
            if values in seen:
                found.append({"row": start + index, "first": seen[values], "values": values})
            seen.setdefault(values, start + index)
            if len(found) == EXAMPLES:
                return found
    return found


def _value_hashes(column: pa.Array) -> Hashes:
    import numpy as np
    import pandas as pd
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        coded = column.dictionary_encode()
        words = np.asarray(coded.dictionary.to_pylist(), dtype=object)
        of_words: Hashes = np.append(pd.util.hash_array(words, categorize=False), np.uint64(0))
        places = pc.fill_null(coded.indices, len(words)).to_numpy(zero_copy_only=False)
        taken: Hashes = of_words.take(places)
        return taken
    if pa.types.is_floating(column.type):
        bits = pc.fill_null(column, float("nan")).to_numpy(zero_copy_only=False) + 0.0
        return _mix(bits.view(np.uint64))
    whole = column.cast(pa.int8() if pa.types.is_boolean(column.type) else pa.int64())
    numbers = pc.fill_null(whole, -(2**63) if whole.type == pa.int64() else -1)
    return _mix(numbers.to_numpy(zero_copy_only=False).astype(np.int64).view(np.uint64))


def _mix(value: Hashes) -> Hashes:
    """The finisher of splitmix64: each bit of the input moves half the bits of the output."""
    import numpy as np

    value = value ^ (value >> np.uint64(30))
    value *= np.uint64(0xBF58476D1CE4E5B9)
    value ^= value >> np.uint64(27)
    value *= np.uint64(0x94D049BB133111EB)
    value ^= value >> np.uint64(31)
    return value
