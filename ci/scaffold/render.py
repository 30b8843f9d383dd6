"""Templates are plain files with ``{{words}}`` and sections that only some models have.

A section stands between the lines ``# {{#word}}`` and ``# {{/word}}``; it is kept where the word
is one of the model's.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence, Set

_MARK = re.compile(r"^\s*# \{\{(?P<end>[#/])(?P<word>\w+)\}\}\s*$")
_WORD = re.compile(r"\{\{(\w+)\}\}")


def render(template: str, words: Mapping[str, str], sections: Set[str]) -> str:
    """The text of ``template`` for a model; an unknown word is a KeyError."""
    open_sections: list[str] = []
    lines = []
    for line in template.splitlines():
        mark = _MARK.match(line)
        if mark is None:
            if all(word in sections for word in open_sections):
                lines.append(line)
        elif mark["end"] == "#":
            open_sections.append(mark["word"])
        else:
            open_sections.remove(mark["word"])
    return _WORD.sub(lambda found: words[found[1]], "\n".join(lines)) + "\n"


def text(language: str, value: str) -> str:
    """``value`` as a literal of ``language``.

    R reads its own source in the machine's encoding, so its literals are ASCII.
    """
    literal = json.dumps(value, ensure_ascii=False)
    if language == "r":
        return "".join(each if each.isascii() else f"\\U{ord(each):08x}" for each in literal)
    return literal.replace("$", "\\$") if language == "julia" else literal


def texts(language: str, values: Sequence[str]) -> str:
    """A list of texts as a literal of ``language``, one a line."""
    opening, closing, empty = {
        "python": ("[", "]", "[]"),
        "r": ("c(", ")", "character()"),
        "julia": ("String[", "]", "String[]"),
    }[language]
    return _lines(language, opening, closing, empty, [text(language, value) for value in values])


def pairs(language: str, values: Mapping[str, str]) -> str:
    """Names and what they stand for as a literal of ``language``, in order."""
    opening, closing, between = {
        "python": ("{", "}", ": "),
        "r": ("c(", ")", " = "),
        "julia": ("[", "]", " => "),
    }[language]
    items = [
        f"{text(language, name)}{between}{text(language, value)}" for name, value in values.items()
    ]
    return _lines(language, opening, closing, opening + closing, items)


def _lines(language: str, opening: str, closing: str, empty: str, items: list[str]) -> str:
    if not items:
        return empty
    indent = "  " if language == "r" else "    "
    last = "" if language == "r" else ","
    inner = f",\n{indent}".join(items)
    return f"{opening}\n{indent}{inner}{last}\n{closing}"
