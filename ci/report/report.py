"""The whole report: every verdict first, then as much of each model as there is room for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ci.console import say
from ci.errors import MlopsError
from ci.gate import Judgement, judgement
from ci.pipeline.candidate import candidate_dir
from ci.report.changes import Changes, changes, recorded
from ci.report.parts import Unjudged, fit, in_order, opening, part
from ci.report.sections import Subject

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ci.repository import Repository

LIMIT = 59_000  # GitHub refuses a comment of more than 65,536 characters


def report_on(repository: Repository, names: Sequence[str]) -> str:
    """The report on ``names``, or on all models that have a candidate.

    Raises:
        MlopsError: ``unknown_model``; ``no_candidate`` where there is nothing to report on.
    """
    chosen = list(dict.fromkeys(names)) or _with_candidate(repository)
    if not chosen:
        raise MlopsError("no_candidate", "No model has been trained; type: mlops train MODEL")
    for name in chosen:
        repository.model_dir(name)
    return render([_subject(repository, name) for name in chosen])


def _with_candidate(repository: Repository) -> list[str]:
    return [
        name
        for name in repository.model_names()
        if (candidate_dir(repository, name) / "training.json").is_file()
    ]


def _subject(repository: Repository, name: str) -> Subject | Unjudged:
    try:
        found = judgement(repository, name)
    except MlopsError as error:
        if error.code in ("bad_policy", "bad_yaml"):
            raise
        say(f"{name}: {error.message}")
        return Unjudged(name, error.message)
    return Subject(found, _changes(repository, found))


def _changes(repository: Repository, found: Judgement) -> Changes | None:
    if found.champion is None:
        return None
    return changes(recorded(repository, found.champion), found.candidate)


def render(subjects: Sequence[Subject | Unjudged]) -> str:
    """The report as Markdown, at most ``LIMIT`` characters however many models there are."""
    parts = in_order([part(subject) for subject in subjects])
    begin = opening(parts) if len(parts) > 1 else ""
    kept, left_out = fit(parts, LIMIT - len(begin) - 1_000)
    texts = [text for blocks_kept in kept for text in blocks_kept]
    end = f"{left_out} `mlops report MODEL` prints them._" if left_out else ""
    return "\n\n".join(filter(None, [begin, *texts, end])) + "\n"
