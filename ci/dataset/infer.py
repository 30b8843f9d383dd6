"""A first contract from the data itself, for its owner to correct."""

from __future__ import annotations

import math
import re
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ci.contract.dataset import DatasetColumn
from ci.dataset.values import as_type

if TYPE_CHECKING:
    import pyarrow as pa

    from ci.contract.dataset import FieldType

CATEGORY_LIMIT = 20
ROWS_A_CATEGORY = 10
CODE = "^-?[0-9]{19,}$"
KINDS: tuple[FieldType, ...] = ("integer", "number", "boolean", "timestamp")

_PERSONAL = re.compile(
    r"(^|_)(e?mail|phone|tel|telephone|mobile|fax|(first|last|sur|family|given|full|customer)_?name"
    r"|name|vorname|nachname|street|strasse|address|adresse|postcode|zip|plz|city|birth(day|date)?"
    r"|dob|date_of_birth|geburtsdatum|age|gender|sex|iban|ssn|passport|licen[cs]e_plate|ip"
    r"|(customer|household|user|person|patient|client|member|employee|card)_?(id|nr|no|number)"
    r"|income|marital_status|religion|nationality|lat(itude)?|lon(gitude)?)($|_)"
)
# A shop has a name and an address too; nobody is known by them.
_THING = re.compile(
    r"(^|_)((aisle|article|branch|brand|campaign|category|chain|country|day|department|dept|depot"
    r"|event|holiday|item|market|month|outlet|product|promo|promotion|region|section|segment|shop"
    r"|sku|store|supplier|vendor|warehouse)"
    r"_(name|e?mail|phone|tel|telephone|fax|street|address|postcode|zip|city|lat(itude)?"
    r"|lon(gitude)?)|(article|item|product|shop|sku|store)_age)($|_)"
)


def looks_personal(column: str) -> bool:
    """Whether a column of this name usually holds personal data."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", column).lower().replace("ß", "ss")
    words = re.sub(r"[^a-z0-9]+", "_", words)
    return bool(_PERSONAL.search(_THING.sub("_", words)))


@dataclass
class ColumnProfile:
    """What one column holds, gathered piece by piece; ``kinds`` are the types it still may have."""

    name: str
    rows: int = 0
    missing: int = 0
    kinds: list[FieldType] = field(default_factory=lambda: list(KINDS))
    low: float | None = None
    high: float | None = None
    words: set[str] | None = field(default_factory=set)

    def add(self, column: pa.Array) -> None:
        """Note the next rows."""
        self.rows += len(column)
        self.missing += column.null_count
        if column.null_count == len(column):
            return
        for kind in list(self.kinds):
            values, bad = as_type(column, kind)
            if bad is not None or (kind == "number" and _has_codes(column)):
                self.kinds.remove(kind)
            elif kind == "number":
                self._stretch(values)
        self._collect(column)

    def contract(self) -> DatasetColumn:
        """The column's rules as observed, with headroom."""
        # A column without a single value may hold anything.
        kind: FieldType = self.kinds[0] if self.kinds and self.missing < self.rows else "string"
        rules: dict[str, Any] = {"type": kind, "pii": looks_personal(self.name)}
        if kind in ("integer", "number") and self.low is not None and self.high is not None:
            rules["minimum"], rules["maximum"] = headroom(self.low, self.high)
        if kind == "string" and self._is_category() and not rules["pii"]:
            rules["categories"] = sorted(self.words or [])
        if self.missing:
            rules["missing"] = missing_share(self.missing, self.rows)
        return DatasetColumn(**rules)

    def _stretch(self, values: pa.Array) -> None:
        import pyarrow.compute as pc

        ends = pc.min_max(values).as_py()
        self.low = min(ends["min"], ends["min"] if self.low is None else self.low)
        self.high = max(ends["max"], ends["max"] if self.high is None else self.high)

    def _collect(self, column: pa.Array) -> None:
        import pyarrow as pa
        import pyarrow.compute as pc

        if self.words is None:
            return
        found = pc.unique(pc.drop_null(column.cast(pa.string())))
        if len(found) <= CATEGORY_LIMIT:
            self.words.update(found.to_pylist())
        if len(found) > CATEGORY_LIMIT or len(self.words) > CATEGORY_LIMIT:
            self.words = None

    def _is_category(self) -> bool:
        return bool(self.words) and len(self.words or ()) * ROWS_A_CATEGORY <= self.rows


def _has_codes(column: pa.Array) -> bool:
    """Whether there are whole numbers that no float holds: card or account numbers, no amounts."""
    import pyarrow as pa
    import pyarrow.compute as pc

    texts = pa.types.is_string(column.type)
    return texts and bool(pc.any(pc.match_substring_regex(column, CODE)).as_py())


def headroom(low: float, high: float) -> tuple[float, float]:
    """The observed range, widened to round numbers; what never was negative stays so.

    >>> headroom(0.3, 840.0)
    (0.0, 2000.0)

    What lies between 0 and 1 is taken for a share.
    """
    if low >= 0 and high <= 1:
        return 0.0, 1.0
    minimum = 0.0 if low >= 0 else -_round_up(-low)
    maximum = 0.0 if high <= 0 else _round_up(high)
    return minimum, maximum


def _round_up(value: float) -> float:
    """The next of 1, 2, 5, 10, … that is at least 1.25 times ``value``."""
    wanted = min(1.25 * value, sys.float_info.max / 10)
    if wanted < value:
        return value
    power = 10.0 ** math.floor(math.log10(wanted))
    return next((step * power for step in (1, 2, 5, 10) if step * power >= wanted), wanted)


def missing_share(missing: int, rows: int) -> float:
    """One and a half times the observed share, at most 1, in steps of a thousandth."""
    return min(1.0, math.ceil(1500 * missing / rows) / 1000)
