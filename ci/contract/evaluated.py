"""How well a version did when it was judged, in short: what people who call it are shown."""

from __future__ import annotations

from typing import Literal

from ci.contract.base import Contract


class Evaluated(Contract):
    """The primary metric on the holdout, against the rival that decided.

    ``against`` is ``version N`` or the name of a baseline. ``difference`` and its 95 % ``interval``
    are signed so that positive is better. ``at`` is the time in UTC, ``said`` all of it in words.
    ``rows_digest`` is that of the rows, ``slices_digest`` that of the rows and their slices, None
    where it was not kept.
    """

    metric: str
    value: float | None
    against: str
    rival: float | None
    difference: float | None
    interval: tuple[float, float] | None
    verdict: Literal["better", "no clear difference", "worse", "unknown"]
    rows: int
    at: str
    said: str
    rows_digest: str | None = None
    slices_digest: str | None = None
