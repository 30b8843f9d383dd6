"""Reads YAML that anybody may have written: what is wrong with it, or would never end, is an error.

A few hundred bytes of aliases can stand for more values than a machine has memory for, and nesting
that is deep enough ends the process that reads it.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

MOST_BYTES = 4 << 20
MOST_VALUES = 200_000
DEEPEST = 100
# Brackets that are open at once, and dashes of one line: what a text of that many can't be read.
MOST_OPEN = 1_000
BRACKETS = re.compile(r"[\[\]{}]")
DASHES = re.compile(r"(?:[-?:][ \t]+){200}")
# What PyYAML raises for values that are none of their type, beside its own errors.
MISREADS = (ValueError, TypeError, KeyError, AttributeError, RecursionError)


def read(text: str, loader: Any) -> tuple[yaml.Node | None, Any]:
    """The root node of ``text`` and what ``loader`` (a class of PyYAML) makes of it.

    Raises:
        yaml.YAMLError: whatever is wrong with it.
    """
    _require_flat(text)
    try:
        opened = loader(text)
        try:
            node = opened.get_single_node()
            if node is None:
                return None, None
            _size(node, {}, 0)
            return node, opened.construct_document(node)
        finally:
            opened.dispose()
    except MISREADS as error:
        raise yaml.YAMLError(f"a value can't be read ({str(error)[:100]})") from None


def _require_flat(text: str) -> None:
    if len(text) > MOST_BYTES:
        raise yaml.YAMLError(f"it is longer than {MOST_BYTES:,} characters")
    if DASHES.search(text) or _most_open(text) > MOST_OPEN:
        raise yaml.YAMLError("it is nested too deeply")


def _most_open(text: str) -> int:
    if text.count("[") + text.count("{") <= MOST_OPEN:
        return 0
    now = most = 0
    for match in BRACKETS.finditer(text):
        now = now + 1 if match[0] in "[{" else max(0, now - 1)
        most = max(most, now)
    return most


def _size(node: yaml.Node, known: dict[int, tuple[int, int]], depth: int) -> tuple[int, int]:
    """How many values ``node`` stands for, aliases followed, and how deep they lie below it."""
    if depth > DEEPEST:
        raise _error(node, "this is nested too deeply")
    if id(node) not in known:
        parts = [_size(each, known, depth + 1) for each in _inside(node)]
        values = 1 + sum(count for count, _ in parts)
        known[id(node)] = (values, 1 + max((height for _, height in parts), default=0))
    values, height = known[id(node)]
    if values > MOST_VALUES:
        raise _error(node, f"this stands for more than {MOST_VALUES:,} values")
    if depth + height > DEEPEST + 1:
        raise _error(node, "this is nested too deeply")
    return values, height


def _inside(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [each for pair in node.value for each in pair]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


def _error(node: yaml.Node, problem: str) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark)
