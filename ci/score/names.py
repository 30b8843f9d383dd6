"""What a run is called, in files, tables and the ledger alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import date


def run_name(model: str, day: date, version: int, digest: str) -> str:
    """The name of the run of ``model`` for ``day`` by ``version``, on the input with ``digest``.

    Whatever makes it another run is in the name.
    """
    return f"{model}-{day}-v{version}-{digest[:12]}"
