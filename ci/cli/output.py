"""How a command prints its result."""

from __future__ import annotations

import json
import math
import sys
from typing import Any

from ci.console import put


def emit(result: Any, text: str, as_json: bool) -> None:
    """Print ``result`` as one JSON document, or ``text`` for people."""
    put(dumps(result) if as_json else text, sys.stdout)


def dumps(value: Any) -> str:
    """JSON that every parser reads: NaN and infinities become null."""
    return json.dumps(_finite(value), indent=2, ensure_ascii=False, default=str)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return value


def table(rows: list[dict[str, Any]], columns: list[str]) -> str:
    """Plain aligned columns, readable in a terminal and in a log alike."""
    header = [column.upper() for column in columns]
    cells = [["-" if row.get(c) is None else str(row[c]) for c in columns] for row in rows]
    widths = [max(len(line[i]) for line in [header, *cells]) for i in range(len(columns))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in [header, *cells]
    ]
    return "\n".join(lines)
