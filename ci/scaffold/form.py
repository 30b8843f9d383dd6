"""The issue form for a new model: its text is anybody's, so that each answer is checked."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ci.errors import MlopsError
from ci.repository import check_name

# Key → label, in the order of .github/ISSUE_TEMPLATE/new-model.yml.
LABELS = {
    "name": "Name of the model",
    "language": "Language",
    "owner": "Team",
    "dataset": "Dataset",
    "target": "Column to predict",
    "description": "What it predicts, and for whom",
}
LANGUAGES = {"Python": "python", "R": "r", "Julia": "julia"}
EMPTY = "_No response_"
LONGEST_BODY = 10_000
LONGEST_COLUMN = 200
LONGEST_DESCRIPTION = 300


@dataclass(frozen=True)
class Wish:
    """What somebody asked for; None where the form was left empty."""

    name: str
    language: str
    owner: str
    dataset: str | None
    target: str | None
    description: str


def read_form(body: str | None) -> Wish:
    """The wish in the body of an issue.

    Raises:
        MlopsError: ``bad_form`` or ``bad_name``, with what to change.
    """
    answers = _answers(body or "")
    name, owner = answers["name"] or "", answers["owner"] or ""
    check_name(name, "model")
    check_name(owner, "team")
    if answers["dataset"]:
        check_name(answers["dataset"], "dataset")
    language = LANGUAGES.get(answers["language"] or "")
    if language is None:
        raise _bad("Language", f"is one of {', '.join(LANGUAGES)}")
    target = answers["target"]
    if target and (len(target) > LONGEST_COLUMN or "\n" in target):
        raise _bad("Column to predict", f"is one line of at most {LONGEST_COLUMN} characters")
    description = " ".join((answers["description"] or "").split())
    if not 0 < len(description) <= LONGEST_DESCRIPTION or not description.isprintable():
        problem = f"needs a sentence of at most {LONGEST_DESCRIPTION} characters"
        raise _bad(LABELS["description"], problem)
    return Wish(name, language, owner, answers["dataset"], target, description)


def _answers(body: str) -> dict[str, str | None]:
    """Key → answer. What looks like a heading inside the last answer is a part of it."""
    rest = body.replace("\r\n", "\n") if len(body) <= LONGEST_BODY else ""
    labels = list(LABELS.items())
    found: dict[str, str | None] = {}
    for position, (key, label) in enumerate(labels):
        heading, _, rest = rest.partition(f"### {label}\n")
        if not rest or (position == 0 and heading.strip()):
            raise MlopsError(
                "bad_form",
                f"The answer {label!r} of the form is not there; open an issue with the form "
                "'New model' and leave its headings as they are.",
            )
        following = labels[position + 1 : position + 2]
        mark = rf"^### {re.escape(following[0][1])}$" if following else r"\Z"
        end = re.search(mark, rest, re.MULTILINE)
        text = (rest[: end.start()] if end else rest).strip()
        found[key] = None if text in ("", EMPTY) else text
        rest = rest[end.start() :] if end else ""
    return found


def _bad(label: str, problem: str) -> MlopsError:
    return MlopsError(
        "bad_form", f"The answer {label!r} {problem}; edit this issue and correct it."
    )
