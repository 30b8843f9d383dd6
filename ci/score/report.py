"""The report of a run, and what the next run's report compares itself with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ci.files import write_whole
from ci.score.outcome import last_outcome, remember
from ci.score.page import page
from ci.score.sheet import workbook
from ci.score.story import tell

if TYPE_CHECKING:
    from ci.score.outcome import Outcome


def write_reports(outcome: Outcome, folder: Path) -> tuple[Path, Path]:
    """Write the page and the spreadsheet to ``folder``, named after the output; returns both.

    Raises:
        OSError: where they can't be written.
    """
    story = tell(outcome, last_outcome(folder, outcome))
    stem = Path(outcome.target).name.removesuffix(".gz").rpartition(".")[0]
    html, sheet = folder / f"score-{stem}.html", folder / f"score-{stem}.xlsx"
    write_whole(html, page(story))
    write_whole(sheet, workbook(story))
    remember(folder, outcome)
    return html, sheet
