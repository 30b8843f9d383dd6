"""What must stand above the numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

SHOWN = 40


def notices_block(notices: Sequence[str]) -> str:
    """What a reviewer must know before the numbers, as a quotation; empty without notices."""
    shown = [f"> - {notice}" for notice in notices[:SHOWN]]
    if len(notices) > len(shown):
        shown.append(f"> - And {len(notices) - len(shown):,} more of the kind.")
    return "\n".join(["> **Look at this first**", ">", *shown]) if shown else ""
