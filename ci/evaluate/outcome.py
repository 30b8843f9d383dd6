"""What an evaluation found, as it is written to `evaluation.json`; undefined numbers are null."""

from __future__ import annotations

from typing import Literal

from ci.contract.base import Contract

Finding = Literal["better", "no clear difference", "worse", "unknown"]


class Difference(Contract):
    """Candidate minus a rival on one metric, signed so that positive is better.

    ``against`` is ``champion`` or the name of a baseline; ``interval`` is 95 %, and ``note`` says
    why there is none or what is doubtful about it.
    """

    kind: Literal["champion", "baseline"]
    against: str
    value: float | None
    difference: float | None
    interval: tuple[float, float] | None
    note: str | None
    verdict: Finding


class MetricResult(Contract):
    """One metric over the whole holdout."""

    metric: str
    candidate: float | None
    differences: list[Difference]


class Check(Contract):
    """The primary metric with another bootstrap unit: same values, other intervals."""

    unit: str
    units: int
    differences: list[Difference]


class Slice(Contract):
    """The primary metric on the rows where ``column`` is ``value``, against the same rival."""

    column: str
    value: str
    rows: int
    units: int
    candidate: float | None
    against: str
    rival: float | None
    difference: float | None
    interval: tuple[float, float] | None
    note: str | None
    verdict: Finding


class Origin(Contract):
    """What was compared: ``outputs`` are the candidate's digests, the holdout's among them.

    ``champion_problem`` says why a version that is in production could not be compared.
    """

    fingerprint: str
    outputs: dict[str, str]
    holdout_digest: str
    champion_version: int | None = None
    champion_fingerprint: str | None = None
    champion_problem: str | None = None


class Evaluation(Contract):
    """A candidate judged on its holdout.

    The first block is the primary metric in short: ``against`` is the rival that ``difference``
    and ``interval`` are about (the champion, or the best baseline where there is none);
    ``baseline`` is the value of ``best_baseline``. ``metrics`` begins with the primary one.
    ``rows_digest`` is that of each row's target and unit, in any order, ``slices_digest`` that of
    each row's slices beside them.
    """

    model: str
    metric: str
    candidate: float | None
    champion: float | None
    baseline: float | None
    best_baseline: str
    baselines: dict[str, float | None]
    against: str
    difference: float | None
    interval: tuple[float, float] | None
    note: str | None
    verdict: Finding

    origin: Origin
    rows: int
    rows_digest: str | None = None
    slices_digest: str | None = None
    unit: str
    units: int
    metrics: list[MetricResult]
    checks: list[Check]
    slices: list[Slice]
    slices_left_out: dict[str, int]
    reported: dict[str, float]
    seconds: float

    def rival(self, result: MetricResult | Check) -> Difference:
        """The difference of ``result`` against the rival that decides."""
        kind = "champion" if self.champion is not None else "baseline"
        return next(d for d in result.differences if (d.kind, d.against) == (kind, self.against))
