"""What the review found, in words: one part a model, and what must stand above all."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from ci.report.markdown import GAP, LINKS, plain
from ci.report.parts import Part, Unjudged, fit, in_order, listing
from ci.report.parts import part as part_of_subject
from ci.report.sections import Block
from ci.review.notices import notices_block

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ci.handover import Failure
    from ci.review.judge import ModelReview

LIMIT = 55_000
FOLDED = " (press for numbers, charts and what merging will do)"
STEPS = {
    "check": "The contract is not valid",
    "train": "Training failed",
    "predict": "The model can't predict its holdout",
    "package": "The model can't be packaged",
    "conformance": "The packaged model answers otherwise than it should",
}


def parts_of(reviews: Sequence[ModelReview]) -> list[Part]:
    """A part for each model, those that stand in the way of a merge first."""
    return in_order([_part(review) for review in reviews])


def _part(review: ModelReview) -> Part:
    if review.subject:
        return part_of_subject(review.subject)
    if review.failure:
        return _failed(review.name, review.failure)
    return part_of_subject(Unjudged(review.name, review.problem or "Nothing is known of it."))


def _failed(name: str, failure: Failure) -> Part:
    place = _place(failure)
    said = plain(failure.message, 1_000)
    text = (
        f"## {plain(name)}\n\n**{STEPS[failure.step]}**{f' in {place}' if place else ''}:\n\n"
        f"> {said}\n\n**What to do:** {plain(failure.advice, 600)}"
    )
    short = f"{STEPS[failure.step]}{f' ({place})' if place else ''}: {plain(failure.message, 200)}"
    return Part(name, "not judged", short, [Block("verdict", 0, text)])


def _place(failure: Failure) -> str:
    if failure.file is None:
        return ""
    line = f", line {failure.line}" if failure.line else ""
    return f"{plain(failure.file, 200)}{line}"


def body(notices: Sequence[str], parts: Sequence[Part]) -> str:
    """The report below its heading, at most LIMIT characters however many models there are."""
    begin = [notices_block(notices), _opening(parts)]
    room = LIMIT - sum(map(len, begin)) - 250 * min(len(parts), 100)
    texts, left_out = fit(parts, room)
    folded = [_folded(each, kept) for each, kept in zip(parts, texts, strict=True) if kept]
    end = f"{left_out} The full report holds all._" if left_out else ""
    return "\n\n".join(filter(None, [*begin, *folded, end]))


def _opening(parts: Sequence[Part]) -> str:
    """What must be seen with every part folded."""
    if len(parts) > 1:
        return listing(parts)
    return "\n\n".join(each.short for each in parts if each.word == "pass")


def _folded(part: Part, texts: Sequence[str]) -> str:
    inside = "\n\n".join(texts)
    opened, hint = ("", FOLDED) if part.word == "pass" else (" open", "")
    return (
        f"<details{opened}><summary><b>{_html(part.name)}</b>: {part.word}{hint}</summary>\n\n"
        f"{inside}\n\n</details>"
    )


def _html(text: str) -> str:
    """Text for inside HTML, where Markdown's escapes would show."""
    shown = "".join(letter if letter.isprintable() else " " for letter in text)
    return LINKS.sub(rf"\1{GAP}", escape(shown[:100], quote=False))
