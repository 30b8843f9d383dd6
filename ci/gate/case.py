"""What a rule looks at, and what it finds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ci.contract.model import ModelContract
    from ci.contract.promotion import Limits
    from ci.evaluate.outcome import Evaluation


@dataclass(frozen=True)
class Case:
    """What the gate decides on.

    ``current`` says whether ``evaluation`` is of today's candidate against today's champion;
    ``champion_contract`` is None where nothing is in production; ``params`` is params.yaml.
    ``champion_rows`` and ``champion_slices`` are digests of the rows that the champion was judged
    on, None where that was not recorded; ``same_data`` says whether the candidate was trained on
    the champion's data.
    """

    contract: ModelContract
    evaluation: Evaluation | None
    current: bool
    champion_contract: ModelContract | None
    params: dict[str, Any]
    champion_rows: str | None = None
    champion_slices: str | None = None
    same_data: bool = False


@dataclass(frozen=True)
class Result:
    """Whether a rule holds, and why in one sentence."""

    holds: bool
    detail: str


@dataclass(frozen=True)
class Judged:
    """A case whose evaluation is there: what most rules need."""

    contract: ModelContract
    evaluation: Evaluation
    limits: Limits
