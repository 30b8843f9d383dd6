"""What the texts of a CSV column look like, over the whole file: is 1.234 a thousand or 1.2?"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ci.dataset.dates import PROVED, SAID, WRITTEN
from ci.dataset.values import PATTERNS, holds, text_bytes

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    import pyarrow as pa

# Ordered: a text has the first form that fits. Leading zeros (007) fit none, so they stay text.
FORMS: dict[str, str] = {
    "integer": r"^\s*-?(0|[1-9][0-9]{0,17})\s*$",
    "group_point": r"^\s*-?[1-9][0-9]{0,2}\.[0-9]{3}\s*$",
    "point": (
        r"^\s*-?((0|[1-9][0-9]*)?\.[0-9]+([eE][-+]?[0-9]+)?|(0|[1-9][0-9]*)[eE][-+][0-9]+)\s*$"
    ),
    "timestamp": PATTERNS["timestamp"],
    "boolean": PATTERNS["boolean"],
    "group_comma": r"^\s*-?[1-9][0-9]{0,2},[0-9]{3}\s*$",
    "comma": r"^\s*-?(0|[1-9][0-9]*)?,[0-9]+\s*$",
    "point_thousands": (
        r"^\s*-?[1-9][0-9]{0,2}((,[0-9]{3})+\.[0-9]+|(,[0-9]{3}){2,})\s*$"
    ),
    "comma_thousands": (
        r"^\s*-?[1-9][0-9]{0,2}((\.[0-9]{3})+,[0-9]+|(\.[0-9]{3}){2,})\s*$"
    ),
    "marker": r"^(NA|N/A|#N/A|n/a|NaN|nan|NULL|null|None)$",
    "spaced": r"^-?[0-9]{1,3}([ '\x{2019}\x{00a0}\x{202f}][0-9]{3})+([.,][0-9]+)?$",
    **WRITTEN,
    "short_date": r"^[0-9]{1,2}[./-][0-9]{1,2}[./-][0-9]{2}( [0-9]{1,2}:[0-9]{2}(:[0-9]{2})?)?$",
}  # fmt: skip
_POINT = {"point", "point_thousands"}
_COMMA = {"comma", "comma_thousands"}
_GROUPS = {"group_point", "group_comma"}
_NUMBERS = {"integer", *_POINT, *_COMMA, *_GROUPS}


class AmbiguousNumbersError(Exception):
    """Numbers that could mean two things; the message names the column and an example."""


@dataclass
class ColumnForms:
    """The forms seen in one column: form → (row number from 1, first text).

    A ``verbatim`` column is text whatever it looks like.
    """

    verbatim: bool = False
    seen: dict[str, tuple[int, str]] = field(default_factory=dict)

    def add(self, texts: pa.Array, start: int) -> None:
        """Note the forms of the next rows, of which the first is number ``start``."""
        import pyarrow.compute as pc

        if self.verbatim or "text" in self.seen:
            return
        left = pc.is_valid(texts)
        if self.seen:  # most often there is nothing new, which one look tells
            known = "|".join(FORMS[form] for form in self.seen)
            left = pc.and_not(left, pc.fill_null(pc.match_substring_regex(texts, known), False))
        for form, pattern in FORMS.items():
            if not pc.any(left).as_py():
                return
            fits = pc.and_(left, pc.fill_null(pc.match_substring_regex(texts, pattern), False))
            if pc.any(fits).as_py():
                self._note(form, fits, texts, start)
                left = pc.and_not(left, fits)
        if pc.any(left).as_py():
            self._note("text", left, texts, start)

    def _note(self, form: str, fits: pa.Array, texts: pa.Array, start: int) -> None:
        import pyarrow.compute as pc

        if form not in self.seen:
            place = pc.index(fits, True).as_py()
            self.seen[form] = (start + place, texts[place].as_py())

    @property
    def kind(self) -> str:
        """``number``, ``boolean``, ``timestamp``, ``text``, or how other dates are written."""
        forms = self.seen.keys() - {"marker"}
        if forms and forms <= _NUMBERS | {"spaced"} and forms != {"spaced"}:
            return "number"
        if forms in ({"boolean"}, {"timestamp"}):
            return next(iter(forms))
        for way in SAID:
            if forms == {way} or (way in PROVED and forms == {way, "either_first"}):
                return way
        return "number" if forms == {"spaced"} else "text"

    def decimal(self) -> str | None:
        """The decimal sign that the column itself proves: ``.``, ``,`` or None."""
        if self.kind != "number":
            return None
        point, comma = self.seen.keys() & _POINT, self.seen.keys() & _COMMA
        if point and comma:
            (row, one), (other_row, other) = self.seen[min(point)], self.seen[min(comma)]
            raise AmbiguousNumbersError(
                f"has decimal points and decimal commas ({one} in row {row}, {other} in row "
                f"{other_row})"
            )
        if "spaced" in self.seen:
            row, text = self.seen["spaced"]
            raise AmbiguousNumbersError(
                f"has spaces or apostrophes in numbers ({text} in row {row})"
            )
        return "." if point else "," if comma else None


def forms_of(batches: Iterable[pa.RecordBatch], names: Collection[str]) -> dict[str, ColumnForms]:
    """What the columns ``names`` of text look like, as far as they are there."""
    import pyarrow as pa

    found: dict[str, ColumnForms] = {}
    row = 1
    for batch in batches:
        for name in names:
            column = batch.column(name) if name in batch.schema.names else None
            if column is not None and pa.types.is_string(column.type):
                found.setdefault(name, ColumnForms()).add(column, row)
        row += batch.num_rows
    return found


def decimal_signs(columns: dict[str, ColumnForms], delimiter: str) -> dict[str, str]:
    """Column of numbers → its decimal sign.

    A column without proof of its own (1.234 may be both) takes the sign that the others prove,
    and in a comma-separated file the point.

    Raises:
        AmbiguousNumbersError: two meanings are possible; the message begins with the column.
    """
    own = {name: _named(name, forms) for name, forms in columns.items() if forms.kind == "number"}
    proved = {sign for sign in own.values() if sign}
    if delimiter == "," and not proved:
        proved = {"."}
    signs = {}
    for name, sign in own.items():
        unsure = columns[name].seen.keys() & _GROUPS
        if sign is None and unsure and len(proved) != 1:
            row, text = columns[name].seen[min(unsure)]
            raise AmbiguousNumbersError(
                f"column {name}: {text} in row {row} may have a decimal sign or a thousands "
                "separator, and nothing in the file tells which"
            )
        signs[name] = sign or (next(iter(proved)) if len(proved) == 1 else ".")
    return signs


def _named(name: str, forms: ColumnForms) -> str | None:
    try:
        return forms.decimal()
    except AmbiguousNumbersError as error:
        raise AmbiguousNumbersError(f"column {name} {error}") from None


def plain_numbers(texts: pa.Array, decimal: str) -> pa.Array:
    """``1.234,5`` or ``1,234.5`` as ``1234.5``, without spaces around it."""
    import pyarrow.compute as pc

    if decimal == "." and not holds(texts, b", \t\n\r\v\f") and text_bytes(texts).isascii():
        return texts
    group = "," if decimal == "." else "."
    plain = pc.utf8_trim_whitespace(texts)
    plain = pc.replace_substring(plain, group, "")
    return plain if decimal == "." else pc.replace_substring(plain, ",", ".")


def without_markers(texts: pa.Array) -> pa.Array:
    """Missing values for NA, NULL and their like."""
    import pyarrow.compute as pc

    marked = pc.fill_null(pc.match_substring_regex(texts, FORMS["marker"]), False)
    return pc.if_else(marked, None, texts)
