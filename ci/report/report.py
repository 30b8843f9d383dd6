"""The whole report: every verdict first, then as much of each model as there is room for."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ci.console import say
from ci.errors import MlopsError
from ci.gate import Judgement, judgement
from ci.pipeline.candidate import candidate_dir
from ci.report.changes import Changes, changes, recorded
from ci.report.markdown import plain, table
from ci.report.sections import Block, Subject, blocks, summary

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ci.repository import Repository

LIMIT = 59_000  # GitHub refuses a comment of more than 65,536 characters
LISTED = 100
NAMES_LIMIT = 20_000
PASS_LATER = 3


@dataclass(frozen=True)
class Unjudged:
    """A model that could not be judged, and why."""

    name: str
    reason: str


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
    ordered = sorted(subjects, key=_urgency)
    opening = _opening(ordered) if len(ordered) > 1 else ""
    parts = [block for subject in ordered for block in _blocks(subject)]
    room = LIMIT - len(opening) - 1_000
    kept: set[int] = set()
    for index in sorted(range(len(parts)), key=lambda i: parts[i].rank):
        size = len(parts[index].text) + 2
        if size <= room:
            room -= size
            kept.add(index)
    texts = [parts[index].text for index in sorted(kept)]
    left_out = [block for index, block in enumerate(parts) if index not in kept]
    return "\n\n".join(part for part in [opening, *texts, _left_out(left_out)] if part) + "\n"


def _urgency(subject: Subject | Unjudged) -> int:
    if isinstance(subject, Unjudged):
        return 1
    return 0 if subject.judgement.verdict.verdict == "fail" else 2


def _blocks(subject: Subject | Unjudged) -> list[Block]:
    """A model's parts; what stands in the way of a merge is kept before what does not."""
    if isinstance(subject, Subject):
        later = PASS_LATER if subject.judgement.verdict.verdict == "pass" else 0
        return [replace(block, rank=block.rank + later) for block in blocks(subject)]
    text = f"## {plain(subject.name)}\n\n**Not judged.** {plain(subject.reason, 600)}"
    return [Block("verdict", 0, text)]


def _word(subject: Subject | Unjudged) -> str:
    if isinstance(subject, Unjudged):
        return "not judged"
    return subject.judgement.verdict.verdict


def _name(subject: Subject | Unjudged) -> str:
    return plain(subject.name if isinstance(subject, Unjudged) else subject.judgement.contract.name)


def _opening(subjects: Sequence[Subject | Unjudged]) -> str:
    """Every model's verdict: a table, or lists of names where a table would take all the room."""
    counts = Counter(map(_word, subjects))
    words = ", ".join(f"{counts[w]:,} {w}" for w in ("fail", "not judged", "pass") if counts[w])
    head = f"# {len(subjects):,} models: {words}"
    if len(subjects) <= LISTED:
        rows = [[_name(s), f"**{_word(s)}**", _short(s)] for s in subjects]
        return f"{head}\n\n{table(['model', 'verdict', 'how it does'], rows)}"
    lists = [
        f"- **{word}**: {_names([_name(s) for s in subjects if _word(s) == word])}"
        for word in ("fail", "not judged", "pass")
        if counts[word]
    ]
    return f"{head}\n\n" + "\n".join(lists)


def _short(subject: Subject | Unjudged) -> str:
    if isinstance(subject, Unjudged):
        return plain(subject.reason, 200)
    return summary(subject.judgement)


def _names(names: Sequence[str]) -> str:
    text = ", ".join(names)
    if len(text) <= NAMES_LIMIT:
        return text
    cut = text[:NAMES_LIMIT].rsplit(", ", 1)[0]
    return f"{cut}, and {len(names) - cut.count(', ') - 1:,} more"


def _left_out(left_out: Sequence[Block]) -> str:
    if not left_out:
        return ""
    counts = Counter(block.name for block in left_out)
    what = ", ".join(f"{name} ({count:,} models)" for name, count in counts.items())
    return f"_Left out to keep this short: {what}. `mlops report MODEL` prints them._"
