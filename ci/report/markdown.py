"""Markdown that says what was meant: text made harmless, tables, charts."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

TEXT_LIMIT = 300
LABEL_LIMIT = 32
GAP = "\u200b"  # splits a mention or an address, and can't be seen
SPECIAL = re.compile(r"([\\`*_\[\]|~$!])")
LINKS = re.compile(r"(?i)(@|#|:(?=//)|www(?=\.)|mailto(?=:)|gh(?=-\d))")


def plain(value: object, limit: int = TEXT_LIMIT) -> str:
    """``value`` as text of one line that no Markdown, HTML, mention or link can hide in."""
    text = "".join(c if _is_shown(c) else " " for c in str(value))
    text = " ".join(text.split())
    if len(text) > limit:
        text = f"{text[: limit - 1]}…"
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    text = SPECIAL.sub(r"\\\1", text)
    return re.sub(r"&(?!(amp|lt|gt);)", "&amp;", LINKS.sub(rf"\1{GAP}", text))


def name(value: str) -> str:
    """The name of a column or baseline as words: ``household_id`` is "household id"."""
    return plain(value.replace("_", " "), 80)


def _is_shown(letter: str) -> bool:
    """Not a control character, nor one that reorders or hides text."""
    return unicodedata.category(letter)[0] != "C"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of cells that are Markdown already."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def details(summary: str, body: str) -> str:
    """A part that is folded until it is asked for."""
    return f"<details><summary>{summary}</summary>\n\n{body}\n\n</details>"


@dataclass(frozen=True)
class Chart:
    """Bars, and a line for what they are compared with; values are 0 or more.

    All texts are made harmless when the chart is drawn.
    """

    title: str
    axis: str
    labels: Sequence[str]
    bars: Sequence[float]
    line: Sequence[float] = ()

    def mermaid(self) -> str:
        """The chart as a fenced Mermaid block."""
        top = 1.1 * max([*self.bars, *self.line], default=0) or 1.0
        lines = [
            "```mermaid",
            _settings(len(self.labels)),
            "xychart-beta horizontal",  # upright, Mermaid cuts off the outer labels
            f"    title {_quoted(self.title, 100)}",
            f"    x-axis [{', '.join(self._unique_labels())}]",
            f"    y-axis {_quoted(self.axis, 60)} 0 --> {_value(top)}",
            f"    bar [{', '.join(map(_value, self.bars))}]",
        ]
        if self.line:
            lines.append(f"    line [{', '.join(map(_value, self.line))}]")
        return "\n".join([*lines, "```"])

    def _unique_labels(self) -> list[str]:
        """Mermaid draws equal labels in one place, so a repeated one gets its number."""
        found: list[str] = []
        for label in self.labels:
            quoted = _quoted(label, LABEL_LIMIT)
            if quoted in found:
                quoted = f'{quoted[:-1]} {len(found) + 1}"'
            found.append(quoted)
        return found


def _settings(bars: int) -> str:
    """Blue bars and a red line, since Mermaid's first colour is all but white, and no more room."""
    colours = '"themeVariables": {"xyChart": {"plotColorPalette": "#7BA6D0, #B2182B"}}'
    return f'%%{{init: {{"xyChart": {{"height": {110 + 34 * bars}}}, {colours}}}}}%%'


def _quoted(text: str, limit: int) -> str:
    """Text in quotes for Mermaid, which knows no escape and reads ``#`` and ``;`` as entities."""
    kept = "".join(c if c.isalnum() or c in " .,:%()+-/=_" else " " for c in text)
    kept = " ".join(kept.split()) or "-"
    return f'"{kept[: limit - 3]}..."' if len(kept) > limit else f'"{kept}"'


def _value(number: float) -> str:
    return f"{float(f'{number:.4g}'):.8f}".rstrip("0").rstrip(".")
