"""What the benchmarks found: one figure, what it is held against, and their ratio."""

from __future__ import annotations

import os
import platform
import subprocess
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from ci.files import write_json

if TYPE_CHECKING:
    from pathlib import Path

SLACK = 1.1
PACKAGES = ("bentoml", "dvc", "mlflow", "numpy", "pandas", "pyarrow")
LANGUAGE_VERSIONS = {
    "r": ["Rscript", "-e", "cat(as.character(getRversion()))"],
    "julia": ["julia", "--startup-file=no", "-e", "print(VERSION)"],
}
HEADINGS = ("benchmark", "case", "measured", "against", "unit", "ratio", "must be")


@dataclass(frozen=True)
class Result:
    """Medians of one run in ``unit``.

    The ratio must stay under ``limit`` and be at least ``least``, where these are given.
    """

    benchmark: str
    case: str
    measured: float
    against: float
    unit: str
    limit: float | None = None
    least: float | None = None

    @property
    def ratio(self) -> float:
        """How many times ``against`` the measured figure is."""
        return self.measured / self.against

    @property
    def missed(self) -> bool:
        """Whether the ratio is outside its limits by more than a busy machine explains."""
        over = self.limit is not None and self.ratio > self.limit * SLACK
        return over or (self.least is not None and self.ratio < self.least / SLACK)


def table(results: list[Result]) -> str:
    """The results as lines of text with aligned columns."""
    lines = [HEADINGS, *(_cells(result) for result in results)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def _cells(result: Result) -> tuple[str, ...]:
    limit = "" if result.limit is None else f"under {result.limit:g}"
    if result.least is not None:
        limit = f"at least {result.least:g}"
    return (
        result.benchmark,
        result.case,
        _figure(result.measured),
        _figure(result.against),
        result.unit,
        f"{result.ratio:.2f}",
        f"{limit} MISSED" if result.missed else limit,
    )


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def write(path: Path, results: list[Result], machine: dict[str, Any]) -> None:
    """Write the results, and the machine that they were measured on, as JSON."""
    found = [{**asdict(each), "ratio": each.ratio, "missed": each.missed} for each in results]
    write_json(path, {"machine": machine, "results": found})


def this_machine() -> dict[str, Any]:
    """Cores, system and versions."""
    languages = {name: _output(command) for name, command in LANGUAGE_VERSIONS.items()}
    return {
        "cores": os.cpu_count(),
        "system": platform.platform(),
        "versions": {
            "python": platform.python_version(),
            **languages,
            **{name: version(name) for name in PACKAGES},
        },
    }


def _output(command: list[str]) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout
