"""The whole review as one HTML file that needs nothing else: no script, style sheet or image."""

from __future__ import annotations

import re
from html import escape
from typing import TYPE_CHECKING

from ci.report.charts import drawn
from ci.report.markdown import GAP
from ci.report.parts import listing
from ci.report.svg import svg
from ci.review.notices import notices_block

if TYPE_CHECKING:
    from collections.abc import Sequence

    from markdown_it import MarkdownIt

    from ci.report.parts import Part
    from ci.review.judge import ModelReview

FOLDED = re.compile(r"<details><summary>(.*?)</summary>\n\n(.*)\n\n</details>", re.DOTALL)
STYLE = """
body{font:16px/1.5 system-ui,sans-serif;color:#24292f;margin:0 auto;max-width:56rem;padding:1.5rem;
overflow-wrap:break-word}
h1{margin:0 0 .25rem}h2{border-top:2px solid #d0d7de;padding-top:1rem;margin-top:2.5rem}
table{border-collapse:collapse;display:block;overflow-x:auto;font-size:.92rem;margin:.5rem 0}
th,td{border:1px solid #d0d7de;padding:.35rem .6rem;text-align:left;vertical-align:top}
th{background:#f6f8fa}
blockquote{margin:1rem 0;padding:.5rem 1rem;background:#fff8e5;
border-left:4px solid #d4a72c}.pass{color:#1a7f37}.fail{color:#cf222e}.about{color:#57606a}
figure{margin:1rem 0}figcaption{color:#57606a;font-size:.9rem}
@media print{details{display:block}body{max-width:none}}
"""


def page(
    headline: str,
    about: str,
    passes: bool,
    notices: Sequence[str],
    parts: Sequence[Part],
    reviews: Sequence[ModelReview],
) -> str:
    """The page.

    Args:
        headline: the verdict, plain text.
        about: commit and time, plain text.
        passes: whether the verdict is a pass.
        notices: sentences of Markdown for the top.
        parts: of the models, in the order in which they are shown.
        reviews: of the same models, for the charts.
    """
    subjects = {review.name: review.subject for review in reviews if review.subject}
    sections = []
    for part in parts:
        texts = [_block(block.text) for block in part.blocks if block.name != "charts"]
        subject = subjects.get(part.name)
        charts = (
            [_figure(svg(chart), words) for chart, words in drawn(subject.judgement)]
            if (subject)
            else []
        )
        sections.append("\n".join([*texts[:2], *charts, *texts[2:]]))
    every = _markdown(listing(parts)) if len(parts) > 1 else ""
    word = "pass" if passes else "fail"
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
        "style-src 'unsafe-inline'\">"
        f"<title>{escape(headline)}</title><style>{STYLE}</style></head><body>"
        f'<h1 class="{word}">{escape(headline)}</h1><p class="about">{escape(about)}</p>'
        f"{_markdown(notices_block(notices))}{every}{''.join(sections)}</body></html>\n"
    )


def _block(text: str) -> str:
    folded = FOLDED.fullmatch(text)
    if folded is None:
        return _markdown(text)
    return f"<details><summary>{_inline(folded[1])}</summary>{_markdown(folded[2])}</details>"


def _figure(drawing: str, words: str) -> str:
    return f"<figure>{drawing}<figcaption>{_inline(words)}</figcaption></figure>"


def _markdown(text: str) -> str:
    return str(_renderer().render(text.replace(GAP, "")))


def _inline(text: str) -> str:
    return str(_renderer().renderInline(text.replace(GAP, "")))


def _renderer() -> MarkdownIt:
    """Markdown as the blocks use it; HTML in a text stays text, and nothing becomes a link."""
    from markdown_it import MarkdownIt

    return MarkdownIt("zero", {"html": False, "linkify": False}).enable(
        ["table", "heading", "list", "blockquote", "emphasis", "escape", "entity", "backticks"]
    )
