"""What earlier checks found: kept, told again, and the reason why nobody is woken twice."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from ci.cli.run import run as mlops
from ci.monitor.history import KEPT_RUNS, history_of, is_new, newest_metrics
from ci.monitor.measures import Measure
from ci.monitor.runs import Kind, Run, history_file, read_history
from ci.monitor.trend import MOST_LINES, trend
from ci.repository import Repository
from tests.support.repositories import new_repository, write_dataset, write_model
from tests.unit.test_drift_edges import Checks, alerts, analysis, checks, reference

__all__ = ["checks"]
NOW = datetime(2026, 3, 9, 12, tzinfo=UTC)
DAY = timedelta(hours=24)


def measured(name: str, week: int, value: float) -> Measure:
    chunk = f"2026-03-{week:02}/2026-03-{week + 6:02}"
    return Measure(name, "kolmogorov_smirnov", chunk, value, None, 0.2, 0.05, value > 0.2)


def found(hours: float = 0, kind: Kind = "drift", raised: bool = True, *columns: str) -> Run:
    names = list(columns) or ["price"]
    return Run(
        time=NOW + timedelta(hours=hours),
        kind=kind,
        version=1,
        alert=True,
        raised=raised,
        columns=names,
        headline="Alert.",
        metrics=newest_metrics([measured(name, 2, 0.3) for name in names]),
    )


def remember(repository: Repository, model: str, run: Run) -> list[Run]:
    with history_of(repository, model) as history:
        return history.remember(run)


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    repository = new_repository(tmp_path / "repository")
    write_dataset(repository, "sales")
    write_model(repository, "small")
    return repository


def test_the_newest_chunk_of_each_metric_is_what_is_kept() -> None:
    [price, shelf] = newest_metrics(
        [measured("price", 2, 0.5), measured("price", 9, 0.1), measured("shelf", 2, 0.3)]
    )
    assert (price.chunk[:10], price.value, price.over) == ("2026-03-09", 0.1, False)
    assert price.excess == pytest.approx(0.5)
    assert (shelf.value, shelf.threshold, shelf.over) == (0.3, 0.2, True)


def test_the_same_columns_wake_nobody_within_the_cooldown() -> None:
    runs = [found(), found(2, "drift", False, "shelf")]
    soon = NOW + timedelta(hours=23) - DAY
    assert not is_new(runs, ["price"], soon)
    assert is_new(runs, ["price", "shelf"], soon)
    assert is_new(runs, ["price"], NOW)
    assert is_new([], ["price"], soon)


def test_a_check_finds_the_checks_of_its_own_kind(repository: Repository) -> None:
    kinds: tuple[Kind, ...] = ("drift", "drift-live", "drift")
    for hours, kind in enumerate(kinds):
        remember(repository, "small", found(hours, kind))
    with history_of(repository, "small") as history:
        assert [run.time.hour for run in history.of("drift")] == [12, 14]
        assert [run.time.hour for run in history.of("drift-live")] == [13]


def test_no_check_writes_between_what_another_reads_and_writes(repository: Repository) -> None:
    done: list[int] = []

    def other() -> None:
        remember(repository, "small", found(1))
        done.append(len(read_history(history_file(repository, "small"))))

    thread = Thread(target=other)
    with history_of(repository, "small") as history:
        thread.start()
        thread.join(0.2)
        assert not done
        history.remember(found())
    thread.join(60)
    assert done == [2], "the other check found what this one wrote"


def test_runs_are_kept_in_order_and_only_the_newest(repository: Repository) -> None:
    remember(repository, "small", found(0.5, "drift-live"))
    for hour in range(KEPT_RUNS + 5):
        runs = remember(repository, "small", found(hour))
    assert len(runs) == KEPT_RUNS
    assert runs[0].time == NOW + timedelta(hours=5)
    kept = read_history(history_file(repository, "small"))
    assert [each.kind for each in kept].count("drift-live") == 1
    assert kept == sorted(kept, key=lambda each: each.time)


def test_a_watchers_looks_are_kept_once_an_hour_and_each_alert(repository: Repository) -> None:
    def look(minutes: int, raised: bool = False, *columns: str) -> int:
        return len(remember(repository, "small", found(minutes / 60, WATCH, raised, *columns)))

    kept = [look(minutes) for minutes in (0, 1, 30, 61)]
    assert kept == [1, 1, 1, 1]
    assert look(200) == 2
    assert look(201, True) == 3
    assert look(202) == 4
    assert look(203, False, "shelf") == 5


WATCH: Kind = "drift-watch"


def test_a_history_that_was_cut_off_or_changed_loses_those_lines_only(
    repository: Repository,
) -> None:
    remember(repository, "small", found())
    path = history_file(repository, "small")
    whole = path.read_text()
    path.write_text(f"{whole}[]\n{{}}\n{whole[:40]}")
    assert read_history(path) == [found()]
    assert len(remember(repository, "small", found(1))) == 2
    assert len(read_history(path)) == 2


def test_the_picture_has_the_metrics_that_lay_furthest_out() -> None:
    assert trend("small", [found()]) is None
    quiet = [measured(f"quiet {number}", 2, 0.01) for number in range(20)]
    run = found().model_copy(update={"metrics": newest_metrics([measured("loud", 2, 9.0), *quiet])})
    figure = trend("small", [found(-1), run])
    assert figure is not None
    names = [line.name for line in figure.data]
    assert names[:2] == ["loud: kolmogorov smirnov", "price: kolmogorov smirnov"]
    assert len(names) == MOST_LINES
    assert list(figure.data[0].y) == [None, 3.0]


def test_the_second_check_shows_the_first_and_raises_nothing_new(checks: Checks) -> None:
    def history() -> Any:
        assert mlops(["drift-history", "small", "--json"]) == 0
        return json.loads(checks.capture.readouterr().out)["runs"]

    assert history() == []
    assert mlops(["drift-history", "small"]) == 0
    assert "type: mlops drift small" in checks.capture.readouterr().out
    now = analysis(price=lambda table: table["price"] * 2)
    first = checks.drift(reference(), now)
    assert (first["alert"], first["raised"]) == (True, True)
    page = Path(first["report"])
    assert "checks<br>" not in page.read_text()
    second = checks.drift(reference(), now)
    assert (second["alert"], second["raised"]) == (True, False)
    assert "the newest chunk in each of 2 checks" in page.read_text()
    runs = history()
    assert [each["raised"] for each in runs] == [True, False]
    assert set(runs[1]["columns"]) >= alerts(second)
    kept = {(each["name"], each["method"]): each for each in runs[1]["metrics"]}
    assert kept["price", "kolmogorov_smirnov"]["over"]
    assert {"estimated", "realised"} <= {method for _, method in kept}
    assert mlops(["drift-history", "small"]) == 0
    assert first["headline"] in checks.capture.readouterr().out
    assert mlops(["drift", "small"]) == 0
    assert "Raised before" in checks.capture.readouterr().out
