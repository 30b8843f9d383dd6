"""The models of a report side by side, and as much of each as there is room for."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from ci.report.markdown import plain, table
from ci.report.sections import Block, Subject, blocks, short

if TYPE_CHECKING:
    from collections.abc import Sequence

LISTED = 100
NAMES_LIMIT = 20_000
PASS_LATER = 3
Word = Literal["fail", "not judged", "pass"]
WORDS: tuple[Word, ...] = ("fail", "not judged", "pass")


@dataclass(frozen=True)
class Unjudged:
    """A model that could not be judged, and why."""

    name: str
    reason: str


@dataclass(frozen=True)
class Part:
    """One model in a report: its verdict in a word and in a sentence, and all that is said."""

    name: str
    word: Word
    short: str
    blocks: list[Block]


def part(subject: Subject | Unjudged) -> Part:
    """A model's part; what stands in the way of a merge is kept before what does not."""
    if isinstance(subject, Unjudged):
        text = f"## {plain(subject.name)}\n\n**Not judged.** {plain(subject.reason, 600)}"
        return Part(
            subject.name, "not judged", plain(subject.reason, 200), [Block("verdict", 0, text)]
        )
    word = subject.judgement.verdict.verdict
    later = PASS_LATER if word == "pass" else 0
    return Part(
        subject.judgement.contract.name,
        word,
        short(subject.judgement),
        [replace(block, rank=block.rank + later) for block in blocks(subject)],
    )


def in_order(parts: Sequence[Part]) -> list[Part]:
    """Those that stand in the way of a merge first."""
    return sorted(parts, key=lambda each: WORDS.index(each.word))


def fit(parts: Sequence[Part], room: int) -> tuple[list[list[str]], str]:
    """The blocks of each part that fit into ``room`` characters, and what was left out.

    The second is the begin of a sentence in italics, or empty.
    """
    places = [(index, block) for index, each in enumerate(parts) for block in each.blocks]
    kept: set[int] = set()
    for place in sorted(range(len(places)), key=lambda i: places[i][1].rank):
        size = len(places[place][1].text) + 2
        if size <= room:
            room -= size
            kept.add(place)
    texts: list[list[str]] = [[] for _ in parts]
    for place in sorted(kept):
        texts[places[place][0]].append(places[place][1].text)
    return texts, _left_out([block for i, (_, block) in enumerate(places) if i not in kept])


def opening(parts: Sequence[Part]) -> str:
    """Every model's verdict: a table, or lists of names where a table would take all the room."""
    counts = Counter(each.word for each in parts)
    words = ", ".join(f"{counts[word]:,} {word}" for word in WORDS if counts[word])
    return f"# {len(parts):,} models: {words}\n\n{listing(parts)}"


def listing(parts: Sequence[Part]) -> str:
    """The verdicts alone."""
    if len(parts) <= LISTED:
        rows = [[plain(each.name), f"**{each.word}**", each.short] for each in parts]
        return table(["model", "verdict", "how it does"], rows)
    names = {word: [plain(each.name) for each in parts if each.word == word] for word in WORDS}
    return "\n".join(f"- **{word}**: {_names(found)}" for word, found in names.items() if found)


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
    return f"_Left out to keep this short: {what}."
