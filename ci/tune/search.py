"""The search itself: Optuna suggests, the workshop trains, the platform judges."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ci.console import say, step
from ci.errors import MlopsError
from ci.tune.judge import Judged, broken_floor, judge, same_rows
from ci.tune.outcome import Trial
from ci.tune.space import contains, distributions, values

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from ci.contract.columns import Scalar
    from ci.contract.model import ModelContract
    from ci.contract.tuning import Dimension
    from ci.tune.workshop import Workshop

SEED = 20
# So many suggestions in a row that were tried before, and there is nothing left to try.
REPEATS = 30
# A trial may take so many times as long as that of today's parameters, and ten minutes in any case.
SLOWER, LEAST_SECONDS = 10, 600.0


@dataclass(frozen=True)
class Budget:
    """Most trials, and the seconds after which none begins."""

    trials: int
    seconds: float


@dataclass
class Bench:
    """Where trials are trained and what they are judged on; ``fixed`` are the same in each.

    A training that takes ``longest`` seconds is ended: it hangs, or nobody wants to wait for it.
    """

    contract: ModelContract
    workshop: Workshop
    table: str
    fixed: Mapping[str, Scalar]
    logs: Path
    validation: bool
    first: Judged | None = None
    longest: float | None = None

    def run(self, number: int, tried: Mapping[str, Scalar]) -> Judged:
        """Train and judge one trial.

        Raises:
            MlopsError: whatever ends it, and ``other_rows`` where it can't be compared.
        """
        begin, log = time.monotonic(), f"trial-{number}.log"
        reported = self.workshop.train({**self.fixed, **tried}, log, self.longest)
        if self.longest is None:
            self.longest = max(LEAST_SECONDS, SLOWER * (time.monotonic() - begin))
        folder, said = self.workshop.folder, self.logs / f"predict-{number}.log"
        judged = judge(
            self.contract, folder, self.table, reported, said, validation=self.validation
        )
        if self.first is not None and not same_rows(self.contract, judged.table, self.first.table):
            raise MlopsError(
                "other_rows", "It changes the rows that it is judged on: not to be compared."
            )
        floor = broken_floor(self.contract, reported)
        if floor:
            raise MlopsError("below_floor", f"{floor}.")
        self.first = self.first or judged
        return judged


@dataclass
class Tries:
    """What was tried, and the best of it."""

    trials: list[Trial] = field(default_factory=list)
    best: Judged | None = None
    best_number: int | None = None


def search(
    bench: Bench,
    space: Sequence[Dimension],
    today: Mapping[str, Scalar],
    budget: Budget,
    record: Callable[[Trial, Judged | None], str],
) -> Tries:
    """Try the parameters of ``today`` first, and then what Optuna suggests, within ``budget``.

    ``record`` writes a trial down and returns its run.

    Raises:
        MlopsError: what ends the very first trial: nothing could be compared with it.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        direction="maximize", sampler=optuna.samplers.TPESampler(seed=SEED, n_startup_trials=8)
    )
    ranges, begin, found = distributions(space), time.monotonic(), Tries()
    first = _one(bench, found, dict(today), budget, begin, record)
    if isinstance(first, MlopsError):
        raise first
    if all(contains(each, today[each.key]) for each in space):
        study.add_trial(
            optuna.trial.create_trial(params=dict(today), distributions=ranges, value=first)
        )
    while len(found.trials) <= budget.trials and time.monotonic() - begin < budget.seconds:
        asked, tried = _new(study, ranges, space, found)
        if asked is None:
            say("Every value of the ranges was tried.")
            break
        quality = _one(bench, found, tried, budget, begin, record)
        if isinstance(quality, MlopsError):
            study.tell(asked, state=optuna.trial.TrialState.FAIL)
        else:
            study.tell(asked, quality)
    return found


def _new(
    study: Any, ranges: dict[str, Any], space: Sequence[Dimension], found: Tries
) -> tuple[Any, dict[str, Scalar]]:
    """A suggestion that was not tried yet; None where there seems to be none."""
    known = [trial.parameters for trial in found.trials]
    for _ in range(REPEATS):
        asked = study.ask(ranges)
        tried = values(space, asked.params)
        if tried not in known:
            return asked, tried
        study.tell(asked, state=_failed())
    return None, {}


def _failed() -> Any:
    from optuna.trial import TrialState

    return TrialState.FAIL


def _one(
    bench: Bench,
    found: Tries,
    tried: dict[str, Scalar],
    budget: Budget,
    begin: float,
    record: Callable[[Trial, Judged | None], str],
) -> float | MlopsError:
    """Run a trial and write it down; returns its quality, or what ended it."""
    number, start = len(found.trials), time.monotonic()
    judged: Judged | None = None
    failed: MlopsError | None = None
    with step(f"trial {number} of {budget.trials}: {shown(tried)}"):
        try:
            judged = bench.run(number, tried)
        except MlopsError as error:
            failed = error
    trial = Trial(
        number=number,
        parameters=tried,
        value=judged.value if judged else None,
        seconds=round(time.monotonic() - start, 1),
        problem=failed.message if failed else None,
        run_id="",
    )
    found.trials.append(trial.model_copy(update={"run_id": record(trial, judged)}))
    if judged and (found.best is None or judged.quality > found.best.quality):
        found.best, found.best_number = judged, number
    say(f"  {_told(bench.contract, found, budget, begin)}")
    return failed or (judged.quality if judged else 0.0)


def shown(tried: Mapping[str, Scalar]) -> str:
    """Parameters in a line."""
    return ", ".join(f"{key} {value}" for key, value in tried.items())


def _told(contract: ModelContract, found: Tries, budget: Budget, begin: float) -> str:
    last, metric = found.trials[-1], contract.evaluation.metric
    what = f"{metric} {last.value:.5g}" if last.value is not None else f"failed: {last.problem}"
    best = found.trials[found.best_number].value if found.best_number is not None else None
    known = f"; best {best:.5g} (trial {found.best_number})" if best is not None else ""
    spent, done = time.monotonic() - begin, len(found.trials)
    wanted = spent / done * (budget.trials + 1 - done)
    left = max(0.0, min(wanted, budget.seconds - spent))
    return f"{what}{known}; at most about {left / 60:.0f} min left"
