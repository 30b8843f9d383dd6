"""`mlops tune`: finds better parameters; the work tree stays as it is until they are written."""

from __future__ import annotations

import importlib.util
import time
from typing import TYPE_CHECKING

from ci.busy import only_one
from ci.console import say, step
from ci.contract.model import load_model_contract
from ci.contract.tuning import Tuning, dimensions
from ci.dataset.ready import ensure_valid
from ci.errors import MlopsError
from ci.evaluate.table import read_table
from ci.files import write_json, write_whole
from ci.params import read_values, with_values
from ci.toolchain import require
from ci.tune.judge import SHARED_ROWS, compare, shared_rows
from ci.tune.outcome import Search
from ci.tune.plot import write_plot
from ci.tune.record import Records
from ci.tune.search import Bench, Budget, Tries, search
from ci.tune.workshop import workshop

if TYPE_CHECKING:
    from pathlib import Path

    from ci.contract.model import ModelContract
    from ci.contract.tuning import Dimension
    from ci.repository import Repository
    from ci.tune.workshop import Workshop


def tune(
    repository: Repository, name: str, trials: int | None = None, minutes: float | None = None
) -> Search:
    """Search the ranges that the contract of ``name`` declares; writes the report, nothing else.

    Raises:
        MlopsError: ``unknown_model``, ``bad_contract``, ``nothing_to_tune``, ``no_parameter``,
            ``no_optuna``, ``missing_toolchain``, ``busy``, ``bad_data``, ``bad_validation``, or
            what ends a training with the parameters of today.
    """
    contract = load_model_contract(repository, name)
    rules, space = _rules(contract)
    _require_optuna()
    require(contract.language)
    params = repository.model_dir(name) / "params.yaml"
    keys = [each.key for each in space]
    if isinstance(rules.validation, dict):
        keys += rules.validation
    read_values(params, repository.relative(params), dict.fromkeys(keys))
    budget = Budget(trials or rules.trials, (minutes or rules.minutes) * 60)
    with only_one(repository, "tune", name):
        return _search(repository, contract, rules, space, budget)


def _rules(contract: ModelContract) -> tuple[Tuning, list[Dimension]]:
    rules = contract.tune or Tuning()
    try:
        space = dimensions(rules, contract.parameters)
    except ValueError as error:  # without a key tune nothing has checked `parameters` for this
        raise _nothing(contract.name, str(error)) from None
    if not space:
        raise _nothing(contract.name, "it declares no parameters")
    return rules, space


def _nothing(name: str, why: str) -> MlopsError:
    return MlopsError(
        "nothing_to_tune",
        f"models/{name}/model.yaml says nothing that could be searched ({why}); name parameters "
        "and their ranges under tune: parameters:.",
    )


def _require_optuna() -> None:
    if importlib.util.find_spec("optuna") is None:
        raise MlopsError(
            "no_optuna", "Optuna is not installed, which searches; type: make setup, and again."
        )


def _search(
    repository: Repository,
    contract: ModelContract,
    rules: Tuning,
    space: list[Dimension],
    budget: Budget,
) -> Search:
    name, begin = contract.name, time.monotonic()
    params = repository.model_dir(name) / "params.yaml"
    today = read_values(params, repository.relative(params), {each.key: 0 for each in space})
    logs = repository.state_dir / "logs" / f"tune-{name}"
    for dataset in contract.datasets:
        ensure_valid(repository, dataset)
    records = Records(repository, contract, "validation" if rules.validation else "holdout")
    with workshop(repository, contract, logs) as shop:
        bench = _bench(contract, rules, shop, logs)
        tries = search(bench, space, today, budget, records.add)
    found = _conclude(contract, tries, bench, records, time.monotonic() - begin)
    folder = repository.state_dir / "reports" / name
    write_plot(found, contract, folder / "tune.png")
    write_json(folder / "tune.json", found.model_dump(mode="json"))
    return found


def _bench(contract: ModelContract, rules: Tuning, shop: Workshop, logs: Path) -> Bench:
    """Where trials run; a validation is held against the holdout that the gate decides on."""
    holdout, validation = contract.evaluation.holdout, rules.validation
    if validation is None:
        say(
            f"{contract.name}: no validation is declared (tune: validation: in model.yaml), so "
            "that each trial looks at the holdout that the gate decides on."
        )
        return Bench(contract, shop, holdout, {}, logs, validation=False)
    with step(f"{contract.name}: the holdout of today, to keep trials off it"):
        shop.train({}, "holdout.log")
    table = read_table(shop.folder / holdout, f"models/{contract.name}/{holdout}")
    if isinstance(validation, str):
        bench = Bench(contract, shop, validation, {}, logs, validation=True)
    else:
        bench = Bench(contract, shop, holdout, validation, logs, validation=True)
        shop.train(validation, "validation.log")
    shown = f"models/{contract.name}/{bench.table}"
    judged_on = read_table(_there(shop.folder / bench.table, shown), shown)
    shared = shared_rows(contract, judged_on, table)
    if shared > SHARED_ROWS * len(judged_on):
        raise MlopsError(
            "bad_validation",
            f"models/{contract.name}/model.yaml: tune.validation: {shared:,} of its "
            f"{len(judged_on):,} rows are in the holdout that the gate decides on; declare rows "
            "that lie before it.",
        )
    return bench


def _there(path: Path, shown: str) -> Path:
    if not path.is_file():
        raise MlopsError(
            "bad_validation", f"The pipeline did not write {shown}, which tune.validation names."
        )
    return path


def _conclude(
    contract: ModelContract, tries: Tries, bench: Bench, records: Records, seconds: float
) -> Search:
    better = tries.best_number or None  # number 0 is what there is today
    against = (
        compare(contract, tries.best, bench.first)
        if better and tries.best and bench.first
        else None
    )
    judged = [trial for trial in tries.trials if trial.value is not None]
    on = "validation" if contract.tune and contract.tune.validation else "holdout"
    return Search(
        model=contract.name,
        metric=contract.evaluation.metric,
        judged_on="validation" if on == "validation" else "holdout",
        rows=len(bench.first.table) if bench.first else 0,
        trials=tries.trials,
        best=better,
        difference=against.difference if against else None,
        interval=against.interval if against else None,
        finding=against.verdict if against else None,
        seconds=round(seconds, 1),
        search=records.search,
        note=_note(on, len(judged), bench.first.left_out if bench.first else 0),
    )


def _note(on: str, looks: int, left_out: int) -> str:
    if on == "holdout":
        often = "once" if looks == 1 else f"{looks} times, once a trial"
        return (
            f"The holdout that the gate decides on was looked at {often}: what "
            "the gate says of the best is too kind. Declare tune: validation: in model.yaml."
        )
    without = f" ({left_out:,} that the contract does not allow left out)" if left_out else ""
    return (
        f"Judged on validation rows{without}, {looks} times; no trial was judged on the "
        "holdout that the gate decides on. The best of many is a little too good: the gate's "
        "number counts."
    )


def write_best(repository: Repository, found: Search) -> str:
    """Put the proposed values into params.yaml, whole or not at all; returns its path."""
    path = repository.model_dir(found.model) / "params.yaml"
    new = {key: value for key, (_, value) in found.changes().items()}
    write_whole(path, with_values(path.read_text(encoding="utf-8"), new))
    return repository.relative(path)
