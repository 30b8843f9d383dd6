"""What is to be done now, as the matrix of the jobs that do it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True)
class Answer:
    """Whether a model or dataset is to be done now, and why or why not."""

    name: str
    now: bool
    reason: str


def put_out(
    title: str, found: Sequence[Answer], jobs: Sequence[Mapping[str, str]], none: str
) -> None:
    """Give ``jobs`` to the jobs that follow, and say every answer; ``none`` is said of none."""
    from ci.github.workflow import add_summary, set_output
    from ci.report.markdown import plain, table

    set_output("matrix", json.dumps({"include": jobs}))
    set_output("count", str(len(jobs)))
    for each in found:
        print(f"{each.name}: {'now' if each.now else 'not now'}: {each.reason.rstrip('.')}.")
    rows = [[each.name, "yes" if each.now else "no", plain(each.reason, 500)] for each in found]
    add_summary(f"### {title}\n\n{table(['name', 'now', 'why'], rows) if rows else none}")
