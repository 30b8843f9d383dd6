"""`mlops drift --live`: what callers asked, as the service's own recorder wrote it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from bentos.bundle import Bundle
from bentos.columns import rows_frame
from bentos.frames import from_pandas
from bentos.records import PREDICTIONS_FILE, Records
from ci.cli.run import run
from ci.contract.model import ARTIFACT, ModelContract, load_model_contract
from ci.contract.monitoring import Watch
from ci.evaluate.candidate import Servable
from ci.monitor.chunks import TARGET, TIME
from ci.monitor.logged import REQUEST, ROW, read_logged
from ci.monitor.measures import TOGETHER
from ci.monitor.watch import Watcher
from ci.repository import Repository
from ci.targets.launch import records_dir
from tests.support.repositories import new_repository, write_dataset, write_model
from tests.unit.test_drift_edges import PREDICT, alerts, left_out, period

INPUT = {
    "price": {"type": "number", "nullable": True},
    "shelf": {"type": "string", "nullable": True},
    "promoted": {"type": "boolean"},
    "email": {"type": "string", "pii": True, "nullable": True},
}
VERSION = 2
ROWS_A_DAY = 60


@dataclass
class Live:
    """A repository with a model that was served here, and its log."""

    repository: Repository
    capture: pytest.CaptureFixture[str]

    @property
    def records(self) -> Path:
        return records_dir(self.repository, "small")

    def contract(self) -> ModelContract:
        return load_model_contract(self.repository, "small")

    def called(self, table: pd.DataFrame, version: int = VERSION, rows: int = 5) -> None:
        """Calls of ``rows`` rows each at noon of their day."""
        contract = self.contract().model_dump(mode="json")
        bundle = Bundle(Path(), contract, {"version": version})
        recorder = Records(self.records, bundle)
        for number in range(0, len(table), rows):
            part = table.iloc[number : number + rows]
            day = datetime.fromisoformat(f"{part['day'].iloc[0]}T12:00:00").replace(tzinfo=UTC)
            asked = part[list(INPUT)].to_dict("records")
            frame = rows_frame(asked, bundle.inputs)
            [output] = bundle.outputs
            predictions = from_pandas(pd.DataFrame({output: 2 * part["price"]}))
            recorder.predicted(day.timestamp(), f"{version}-{number}", frame, predictions)
        recorder.close()

    def drift(self, *options: str) -> dict[str, Any]:
        code = run(["drift", "small", "--json", *options])
        out, err = self.capture.readouterr()
        document: dict[str, Any] = json.loads(out)
        assert "Traceback" not in err
        assert code == ("error" in document)
        return document

    def error(self) -> tuple[str, str]:
        error = self.drift("--live")["error"]
        return error["code"], error["message"]


def with_email(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(email=[f"p{number}@example.com" for number in range(len(table))])


def reference() -> pd.DataFrame:
    return with_email(period("2026-01-05", 42, ROWS_A_DAY, seed=3))


def asked(days: int = 21, **columns: Any) -> pd.DataFrame:
    return with_email(period("2026-02-16", days, ROWS_A_DAY, seed=1, **columns))


@pytest.fixture
def live(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Live:
    repository = new_repository(tmp_path / "repository")
    write_dataset(repository, "sales")
    periods = {kind: f"evaluation/{kind}.csv" for kind in ("reference", "analysis")}
    monitoring = {"timestamp": "day", "chunk": "week", "target": "actual", **periods}
    folder = write_model(repository, "small", input=INPUT, monitoring=monitoring)
    (folder / "predict.py").write_text(PREDICT)
    (folder / ARTIFACT).mkdir()
    (folder / "evaluation").mkdir()
    reference().to_csv(folder / "evaluation" / "reference.csv", index=False)

    def servable(repository: Repository, contract: Any) -> Servable:
        rules = load_model_contract(repository, "small")
        return Servable(folder / "predict.py", folder / ARTIFACT, rules, VERSION, "1" * 40)

    monkeypatch.setattr("ci.monitor.drift._servable", servable)
    monkeypatch.chdir(repository.root)
    return Live(repository, capsys)


def test_calls_as_usual_are_no_alert_and_what_is_not_known_is_named(live: Live) -> None:
    live.called(asked())
    checked = live.drift("--live")
    assert not checked["alert"], checked["features"]
    assert {feature["name"] for feature in checked["features"]} == {
        "price",
        "shelf",
        "promoted",
        "y",
        TOGETHER,
    }
    assert left_out(checked) == {"email": "personal data, which the prediction log leaves out"}
    said = "1,260 logged rows of 252 calls that version 2 answered, from 2026-02-16 to 2026-03-08"
    assert checked["period"].startswith(said)
    assert "what really happened is not known" in checked["period"]
    assert len(checked["performance"]["estimated"]) == 3
    assert checked["performance"]["realised"] == []
    assert Path(checked["report"]).name == "drift-live.html"
    assert said in Path(checked["report"]).read_text()


@pytest.mark.parametrize("column", ["price", "shelf", "promoted"])
def test_calls_unlike_the_reference_are_an_alert(live: Live, column: str) -> None:
    changed: dict[str, Any] = {"price": 100.0, "shelf": "top", "promoted": True}
    live.called(asked(**{column: changed[column]}))
    found = alerts(live.drift("--live")) - {TOGETHER}
    assert found == {column} | ({"y"} if column == "price" else set())


def test_the_logged_predictions_are_checked_and_not_new_ones(live: Live) -> None:
    live.called(asked())
    for path in live.records.iterdir():
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        changed = [{**each, "predictions": [900.0] * 5} for each in lines]
        path.write_text("".join(json.dumps(each) + "\n" for each in changed))
    assert alerts(live.drift("--live")) == {"y"}


def test_what_is_read_has_requests_and_times(live: Live) -> None:
    live.called(asked().sample(frac=1, random_state=1))
    contract = live.contract()
    assert contract.monitoring
    servable = Servable(Path(), Path(), contract, VERSION, "1" * 40)
    days = pd.to_datetime(reference()["day"])
    table = read_logged(
        servable, contract.monitoring, pd.DataFrame({TIME: days}), live.records
    ).table
    assert set(table) == {"price", "shelf", "promoted", "y", TIME, REQUEST, ROW}
    assert TARGET not in table
    assert table[REQUEST].nunique() == 252
    assert table[TIME].is_monotonic_increasing
    assert table[TIME].iloc[0] == pd.Timestamp("2026-02-16T12:00:00")
    assert table["price"].dtype == "float64"


def test_only_the_version_that_is_checked_counts(live: Live) -> None:
    live.called(asked(price=100.0), version=1)
    live.called(asked())
    checked = live.drift("--live")
    assert checked["period"].startswith("1,260 logged rows")
    assert not checked["alert"]


def test_too_few_calls_are_said(live: Live) -> None:
    code, message = live.error()
    assert code == "too_few_logged"
    assert "has no rows of version 2; " in message
    live.called(asked(), version=1)
    assert "(other versions: 1260)" in live.error()[1]
    live.called(asked().head(60))
    code, message = live.error()
    assert code == "too_few_logged"
    assert f"has 60 rows of version 2, and in no week the {ROWS_A_DAY * 7 // 2} that" in message


def test_a_week_with_few_calls_is_left_out(live: Live) -> None:
    live.called(asked(days=15))
    period = live.drift("--live")["period"]
    assert period.startswith("840 logged rows")
    assert "60 rows are left out, in weeks with fewer than 210" in period


def test_damaged_lines_are_left_out_and_counted_and_large_calls_are_named(live: Live) -> None:
    live.called(asked(days=14), rows=120)
    path = live.records / PREDICTIONS_FILE
    whole = json.loads(path.read_text().splitlines()[0])
    damaged = [
        {},
        {**whole, "time": "soon"},
        {**whole, "predictions": None},
        {**whole, "inputs": {}},
        {**whole, "predictions": whole["predictions"][:3]},
    ]
    with path.open("a") as file:
        file.write("".join(json.dumps(each) + "\n" for each in damaged))
        file.write('{"time": "2026')
    period = live.drift("--live")["period"]
    assert period.startswith("240 logged rows of 4 calls")
    assert "damaged lines of the log that are left out: 6" in period
    assert "of large calls some rows only were logged" in period


def test_storage_that_is_gone_in_the_middle_is_said_and_no_finding(live: Live) -> None:
    live.called(asked())
    reports = live.repository.state_dir / "reports"
    reports.write_text("no folder")
    code, message = live.error()
    assert code == "storage_failed"
    assert str(reports) in message
    assert "type: mlops drift small" in message
    reports.unlink()
    (live.records / PREDICTIONS_FILE).unlink()
    (live.records / PREDICTIONS_FILE).mkdir()
    assert live.error()[0] == "storage_failed"
    look = Watcher(live.repository, "small", Watch(rows=100)).look(datetime.now(UTC))
    assert "was cut off" in look.said
    assert not look.raised


def test_a_version_is_checked_as_it_was_released_and_what_changed_since_is_said(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    live.called(asked(7))
    folder = live.repository.model_dir("small")
    released = live.contract()
    assert live.drift("--live")["notes"] == []

    def version(*_: object) -> Servable:
        return Servable(folder / "predict.py", folder / ARTIFACT, released, VERSION, "1" * 40)

    monkeypatch.setattr("ci.monitor.drift._servable", version)
    text = (folder / "model.yaml").read_text()
    (folder / "model.yaml").write_text(text.replace("chunk: week", "chunk: 20"))
    found = live.drift("--live")
    assert {each["chunk"] for each in found["features"]} == {"2026-02-16/2026-02-22"}
    [note] = found["notes"]
    assert note.startswith("Version 2 is checked by its own `monitoring`, which is not that of ")


def test_the_log_of_a_model_that_was_never_deployed(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    def candidate(repository: Repository, contract: Any) -> Servable:
        return Servable(Path(), Path(), contract, None, "1" * 40)

    monkeypatch.setattr("ci.monitor.drift._servable", candidate)
    assert live.error()[0] == "not_deployed"
