"""Drift as issues: one for each model and signal, updated in place, closed when it is green."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, ConfigDict, Field

from ci.errors import MlopsError
from ci.files import read_json
from ci.github import issues
from ci.github.kept import close, keep_open, kept_issues
from ci.monitor.measures import REALISED
from ci.report.markdown import plain

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path

    from ci.github.client import GitHub
    from ci.github.issues import Issue

LABEL = "drift"
HOW_TO = "docs/how-to/read-a-drift-report.md"


class _Part(BaseModel):
    """A part of `drift.json`, as far as an issue needs it."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class FindingRecord(_Part):
    """A column and method; the fields are those of ``ci.monitor.alerts.Finding``."""

    name: str
    method: str
    value: float | None
    threshold: float | None
    chunk: str
    chunks_over: list[str]


class SignalRecord(FindingRecord):
    """As ``ci.monitor.alerts.Signal``."""

    alert: bool


class MeasureRecord(_Part):
    """A chunk; the fields are those of ``ci.monitor.measures.Measure``."""

    name: str
    chunk: str
    value: float | None
    usual: float | None


class PassedRecord(FindingRecord):
    """As ``ci.monitor.passed.Passed``."""

    chunks_over: Annotated[list[str], Field(min_length=1)]


class DriftRecord(_Part):
    """`drift.json` as the job that checks hands it over: model code ran there."""

    model: str
    version: int | None
    alert: bool
    headline: str
    features: list[SignalRecord]
    worse: list[MeasureRecord]
    passed: list[PassedRecord]


@dataclass(frozen=True)
class Condition:
    """Something that alerts: ``key`` is the same from check to check; all is safe Markdown."""

    key: str
    title: str
    words: str


def read_drift(path: Path, models: Collection[str]) -> DriftRecord:
    """The record in ``path``.

    Raises:
        MlopsError: ``bad_drift`` where it is none, or of no model in ``models``.
    """
    try:
        record = DriftRecord.model_validate(read_json(path))
    except ValueError:
        raise MlopsError("bad_drift", f"{path} is not what `mlops drift` writes.") from None
    if record.model not in models or path.parent.name != f"drift-{record.model}":
        raise MlopsError("bad_drift", f"{path} says that it is of {record.model!r}.")
    return record


def conditions(record: DriftRecord) -> list[Condition]:
    """What alerts in a check, none where the check as a whole is no alert."""
    if not record.alert:
        return []
    drifted = [_drift(record.model, signal) for signal in record.features if signal.alert]
    return [*([_worse(record)] if record.worse else []), *drifted]


def passed_conditions(record: DriftRecord) -> list[Condition]:
    """What alerted since the check before and does not any more."""
    found = []
    for each in record.passed:
        name, method = plain(each.name, 80), plain(each.method.replace("_", " "), 80)
        title = f"{REALISED} {name}" if each.method == REALISED else f"{name} ({method})"
        chunks = [plain(_begin(chunk)) for chunk in each.chunks_over]
        words = (
            f"**{name}** was not what it was, and is again: its {method} value was up to "
            f"{_number(each.value)} in the period from {plain(_begin(each.chunk))}, and the limit "
            f"is {_number(each.threshold)}. Over the limit: {len(chunks)} periods "
            f"({', '.join(chunks)}). It ended with the period from {chunks[-1]}."
        )
        found.append(Condition(_key(record.model, each.name, each.method), title, words))
    return found


def of_performance(title: str) -> bool:
    """Whether the issue with this title is about how good predictions are, not about columns."""
    return f": {REALISED} " in title


def _drift(model: str, signal: SignalRecord) -> Condition:
    column, method = plain(signal.name, 80), plain(signal.method.replace("_", " "), 80)
    chunks = ", ".join(plain(_begin(chunk)) for chunk in signal.chunks_over)
    words = (
        f"The column **{column}** is not what it was: in the period from "
        f"{plain(_begin(signal.chunk))} its {method} is {_number(signal.value)}, and the limit is "
        f"{_number(signal.threshold)}. Over the limit: {len(signal.chunks_over)} periods "
        f"({chunks})."
    )
    return Condition(_key(model, signal.name, signal.method), f"{column} ({method})", words)


def _worse(record: DriftRecord) -> Condition:
    metric = plain(record.worse[0].name, 80)
    lines = [
        f"- from {plain(_begin(each.chunk))}: {_number(each.value)}, usual {_number(each.usual)}"
        for each in record.worse
    ]
    words = "\n".join([f"The realised **{metric}** is worse than usual:", "", *lines])
    return Condition(_key(record.model, metric, REALISED), f"{REALISED} {metric}", words)


def _key(model: str, name: str, method: str) -> str:
    """Columns may be called anything, so that they enter by their digest."""
    return f"drift/{model}/{hashlib.sha256(f'{name}/{method}'.encode()).hexdigest()[:12]}"


def _begin(chunk: str) -> str:
    return chunk.partition("/")[0]


def _number(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.3g}"


def keep_issues(
    github: GitHub, records: Sequence[DriftRecord], models: Collection[str], owners: dict[str, str]
) -> dict[str, int]:
    """Bring the issues in step with ``records``; returns key → number of those that are open.

    Issues of models that were not checked stay as they are, and those of models that are not in
    ``models`` any more are closed. ``owners`` says for each model who is asked to look.
    """
    known = kept_issues(github, LABEL)
    numbers: dict[str, int] = {}
    over: set[str] = set()
    for record in records:
        owner = owners[record.model]
        for each in conditions(record):
            numbers[each.key] = _keep(github, known, record, each, owner)
        for each in passed_conditions(record):
            if each.key not in numbers:
                _tell(github, known, record, each, owner)
                over.add(each.key)
    checked = {record.model for record in records}
    green = f"Green again: {_run(github)} found nothing over the limit here."
    for key, issue in known.items():
        model = key.split("/")[1] if key.startswith("drift/") else ""
        if model and model not in models:
            close(github, issue, f"There is no model {model} any more.")
        elif model in checked and key not in {*numbers, *over}:
            close(github, issue, green)
    return numbers


def _keep(
    github: GitHub, known: dict[str, Issue], record: DriftRecord, each: Condition, owner: str
) -> int:
    """Keep the issue of what alerts now open; returns its number."""
    end = "The next check brings this text up to date, and closes the issue once it is green again."
    text = _body(github, record, each, owner, end)
    number = int(keep_open(github, known, each.key, LABEL, _title(record, each), text)["number"])
    if each.key in known and known[each.key]["state"] == "closed":
        # Nobody is notified of a text that was edited, so that it is said once more.
        back = f"Back again, as {_run(github)} found. {owner}, please have another look."
        issues.comment(github, number, back)
    return number


def _tell(
    github: GitHub, known: dict[str, Issue], record: DriftRecord, each: Condition, owner: str
) -> None:
    """Say what has passed in its issue, and leave it closed; a second time nothing is said."""
    there = known.get(each.key)
    was_closed = there is not None and there["state"] == "closed"
    if there is not None and was_closed and each.words in str(there["body"]):
        return
    end = "It ended by itself, so that the issue is closed, and asks for no retraining."
    text = _body(github, record, each, owner, end)
    issue = keep_open(github, known, each.key, LABEL, _title(record, each), text)
    again = f" {owner}, please have a look." if was_closed else ""
    close(github, issue, f"Over when {_run(github)} looked; the text above says since when.{again}")


def _title(record: DriftRecord, each: Condition) -> str:
    return f"Drift in {record.model}: {each.title}"


def _run(github: GitHub) -> str:
    return f"[this run]({github.context.run_url})"


def _body(github: GitHub, record: DriftRecord, each: Condition, owner: str, end: str) -> str:
    context = github.context
    version = f"version {record.version}" if record.version else "the candidate"
    how_to = f"{context.server_url}/{context.repository}/blob/HEAD/{HOW_TO}"
    return "\n".join(
        [
            each.words,
            "",
            f"Checked: {version}. {plain(record.headline, 1000)}",
            "",
            f"The plot and the report are the artifact `drift-{record.model}` of [this run]"
            f"({context.run_url}#artifacts); the page is the file drift.html in it.",
            "",
            f"What to do: [read a drift report]({how_to}). {end}",
            "",
            f"{owner}, please have a look.",
        ]
    )
