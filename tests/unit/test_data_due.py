"""Which sources are read now: late, dropped and failed readings are caught up."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from ci.contract.dataset import load_dataset
from ci.dataset import due
from ci.dataset.due import due_datasets
from ci.errors import MlopsError
from ci.github.client import GitHub
from ci.repository import Repository
from tests.support.repositories import new_repository
from tests.workflows.standin.hub import Hub
from tests.workflows.standin.job import job_client
from tests.workflows.template import DATASET

NOW = datetime(2026, 11, 16, 3, 23, tzinfo=UTC)  # a Monday
MONDAYS = "17 2 * * 1"


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    made = new_repository(tmp_path / "repository")
    for name in ("orders", "sales"):
        (made.data_dir / name).mkdir()
        contract = yaml.safe_dump({**DATASET, "name": name})
        (made.data_dir / name / "dataset.yaml").write_text(contract)
    return made


@pytest.fixture
def github(tmp_path: Path) -> GitHub:
    return job_client(Hub(tmp_path), "token", tmp_path)


def refreshed(repository: Repository, name: str, **rules: object) -> None:
    path = repository.data_dir / name / "dataset.yaml"
    contract = yaml.safe_load(path.read_text())
    source = {"http": "https://shop.example/sales.csv"}
    path.write_text(yaml.safe_dump({**contract, "refresh": {"source": source, **rules}}))


def runs(monkeypatch: pytest.MonkeyPatch, *found: tuple[str, str | None]) -> None:
    """GitHub knows these runs by the clock, newest first: when each began, and how it ended."""
    listed = [{"created_at": begun, "conclusion": end} for begun, end in found]
    monkeypatch.setattr(due, "runs_of_workflow", lambda *_: listed)


def test_a_dataset_without_a_source_is_not_read(repository: Repository, github: GitHub) -> None:
    assert load_dataset(repository, "sales").refresh is None
    with pytest.raises(MlopsError, match=r"data/sales/dataset.yaml has no key refresh"):
        due_datasets(repository, github, NOW, "sales")


@pytest.mark.parametrize(
    ("found", "go"),
    [
        ([], True),
        ([("2026-11-16T02:40:00Z", "success")], False),
        ([("2026-11-16T02:10:00Z", "success")], True),
        ([("2026-11-16T02:40:00Z", "failure"), ("2026-11-15T03:40:00Z", "success")], True),
        ([("2026-11-16T03:20:00Z", None), ("2026-11-16T02:40:00Z", "success")], False),
    ],
)
def test_it_is_due_until_a_run_by_the_clock_has_read_everything(
    repository: Repository,
    github: GitHub,
    monkeypatch: pytest.MonkeyPatch,
    found: list[tuple[str, str | None]],
    go: bool,
) -> None:
    refreshed(repository, "sales", schedule=MONDAYS)
    refreshed(repository, "orders")
    runs(monkeypatch, *found)
    orders, sales = due_datasets(repository, github, NOW)
    assert (orders.go, orders.reason) == (True, "it is read every day")
    assert sales.go is go
    assert "since 2026-11-16 02:17 UTC" in sales.reason
    (asked,) = due_datasets(repository, github, NOW, "sales")
    assert asked.go


def test_a_push_reads_what_lies_in_the_repository(
    repository: Repository, github: GitHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs(monkeypatch)
    refreshed(repository, "orders")
    folder = "data/sales/incoming"
    refreshed(repository, "sales", source={"folder": folder}, schedule="17 2 1 1 *")
    pushed = GitHub(replace(github.context, event_name="push"))
    answers = [(each.go, each.reason) for each in due_datasets(repository, pushed, NOW)]
    assert answers == [(False, "its source is elsewhere"), (False, f"nothing lies in {folder}")]
    (repository.root / folder).mkdir()
    (repository.root / folder / ".gitkeep").touch()
    assert not due_datasets(repository, github, NOW)[1].go
    (repository.root / folder / "march.csv").write_text("a\n1\n")
    answers = [(each.go, each.reason) for each in due_datasets(repository, pushed, NOW)]
    assert answers[1] == (True, "files were uploaded")


def test_a_broken_contract_holds_up_no_other(
    repository: Repository, github: GitHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs(monkeypatch)
    refreshed(repository, "orders", schedule="61 2 * * *")
    refreshed(repository, "sales")
    orders, sales = due_datasets(repository, github, NOW)
    assert not orders.go
    assert "data/orders/dataset.yaml" in orders.reason
    assert "refresh.schedule" in orders.reason
    assert sales.go
