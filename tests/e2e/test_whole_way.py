"""From a CSV to an answered call and back, by the command line alone, in each language."""

from __future__ import annotations

import html
import json
import re
import socket
from pathlib import Path
from typing import Any

import httpx
import pandas as pd
import pytest

from tests.e2e.conftest import LANGUAGES, Make
from tests.support.command import mlops, result
from tests.support.linear import set_shrinkage


def post(url: str, *rows: dict[str, Any]) -> dict[str, Any]:
    """What the API answers to rows that it takes."""
    answer = httpx.post(f"{url}/predict", json={"rows": rows}, timeout=30)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_model_goes_the_whole_way(make: Make, language: str, tmp_path: Path) -> None:
    repository, name = make(language), f"sales-{language}"
    root = repository.root

    listed = {"name": name, "language": language, "owner": "marketing", "task": "regression"}
    assert result(root, "models") == [listed]
    assert result(root, "check") == []
    assert result(root, "plan", "--base", "HEAD") == {"models": []}

    trained = result(root, "train", name)
    assert trained["model"] == name
    assert len(trained["fingerprint"]) == 40
    assert trained["metrics"]["slope"] == pytest.approx(-3, abs=0.2)
    again = mlops(root, "train", name, "--json")
    assert again.json["run_id"] == trained["run_id"]
    assert "nothing has changed" in again.stderr

    evaluated = result(root, "evaluate", name)
    assert {"model", "metric", "candidate", "baseline", "slices"} <= set(evaluated)
    assert evaluated["champion"] is None
    assert evaluated["candidate"] < evaluated["baseline"]
    low, high = evaluated["interval"]
    assert 0 < low <= evaluated["difference"] <= high

    verdict = result(root, "gate", name)
    assert verdict["verdict"] == "pass"
    assert all(set(rule) >= {"rule", "result", "detail"} for rule in verdict["rules"])
    report = mlops(root, "report", name)
    assert (report.code, report.stdout[:1]) == (0, "#")
    assert name in report.stdout

    _package(root, name, trained["fingerprint"])

    deployed = result(root, "deploy", name)
    assert (deployed["model"], deployed["version"]) == (name, 1)
    assert re.fullmatch(rf"http://127\.0\.0\.1:\d+00/{name}", deployed["url"])
    _says_how_good_it_is(deployed["url"], evaluated)
    answer = post(deployed["url"], {"price": 10, "region": "north"}, {"price": 60})
    assert answer["predictions"] == pytest.approx([370, 220], abs=8)
    assert (answer["model"], answer["version"]) == (name, 1)
    live = json.loads((repository.state_dir / "live" / f"{name}.json").read_text())
    assert result(root, "deploy", name) == deployed
    assert json.loads((repository.state_dir / "live" / f"{name}.json").read_text()) == live
    [row] = result(root, "status")
    assert (row["model"], row["environment"], row["version"]) == (name, "production", 1)
    assert (row["url"], row["state"]) == (deployed["url"], "running")

    _score(root, name, tmp_path, deployed["url"])
    _drift(root, name)
    _drift_of_calls(root, name, deployed["url"])
    assert mlops(root, "check").code == 0, "registry, events and services agree"

    assert mlops(root, "rollback", name, "--json").error == "no_previous"
    assert post(deployed["url"], {"price": 10})["version"] == 1
    assert result(root, "stop", name) == {"stopped": [name]}
    assert result(root, "status")[0]["state"] == "stopped"
    with pytest.raises(httpx.ConnectError):
        post(deployed["url"], {"price": 10})
    assert result(root, "stop") == {"stopped": []}


def _says_how_good_it_is(url: str, evaluated: dict[str, Any]) -> None:
    judged = httpx.get(f"{url}/metadata").json()["release"]["evaluation"]
    assert judged["value"] == evaluated["candidate"]
    assert judged["interval"] == evaluated["interval"]
    assert (judged["against"], judged["verdict"]) == ("mean", "better")
    page = html.unescape(httpx.get(url, follow_redirects=True).text)
    assert judged["said"] in page
    assert f"Judged on {judged['at'][:10]}. On 600 rows kept apart for judging" in page


def _package(root: Path, name: str, fingerprint: str) -> None:
    store = root / ".mlops" / "bentoml" / "bentos"
    packaged = result(root, "package", name)
    assert packaged["bento"] == f"{name}:{fingerprint}"
    built = _files(store)
    assert result(root, "package", name) == packaged
    assert _files(store) == built


def _files(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*")}


def _score(root: Path, name: str, directory: Path, url: str) -> None:
    source = root / "models" / name / "evaluation" / "analysis.csv"
    for suffix in ("csv", "parquet"):
        table = pd.read_csv(source).drop(columns="units")
        given, target = directory / f"in.{suffix}", directory / f"out.{suffix}"
        table.to_csv(given, index=False) if suffix == "csv" else table.to_parquet(given)
        scored = result(root, "score", name, "--input", given, "--output", target)
        assert (scored["rows"], scored["version"]) == (len(table), 1)
        assert scored["seconds"] > 0
        found = pd.read_csv(target) if suffix == "csv" else pd.read_parquet(target)
        assert list(found.columns) == [*table.columns, "units"]
        first = post(url, {"price": float(found["price"][0])})["predictions"]
        assert first == pytest.approx([found["units"][0]], rel=1e-9)


def _drift(root: Path, name: str) -> None:
    """In the analysis period the prices are higher: an alert is a result, not a failure."""
    checked = result(root, "drift", name)
    assert checked["alert"] is True
    [price] = [each for each in checked["features"] if each["name"] == "price"]
    assert set(price) >= {"name", "method", "value", "threshold", "alert"}
    assert price["alert"] is True
    assert "performance" in checked
    assert Path(checked["report"]).is_file()


def _drift_of_calls(root: Path, name: str, url: str) -> None:
    """The same rows, asked by callers."""
    table = pd.read_csv(root / "models" / name / "evaluation" / "analysis.csv")
    rows: list[Any] = table[["price", "region"]].head(200).to_dict("records")
    for number in range(0, len(rows), 50):
        post(url, *rows[number : number + 50])
    checked = result(root, "drift", name, "--live")
    assert "logged rows of" in checked["period"]
    [price] = [each for each in checked["features"] if each["name"] == "price"]
    assert price["alert"] is True
    assert Path(checked["report"]).name == "drift-live.html"


def test_a_better_version_replaces_one_and_a_worse_one_is_refused(make: Make) -> None:
    repository, name = make("python"), "sales-python"
    root, folder = repository.root, repository.model_dir("sales-python")
    set_shrinkage(folder, 0.2)
    first = release(root, name)
    before = post(first["url"], {"price": 10})

    set_shrinkage(folder, 0.0)
    result(root, "train", name)
    evaluated = result(root, "evaluate", name)
    low, high = evaluated["interval"]
    assert evaluated["candidate"] < evaluated["champion"]
    assert evaluated["difference"] == pytest.approx(evaluated["champion"] - evaluated["candidate"])
    assert 0 < low <= evaluated["difference"] <= high
    second = result(root, "deploy", name)
    assert second == {**first, "version": 2, "shadow": second["shadow"]}
    assert (second["shadow"]["calls"], second["shadow"]["failed"]) == (1, 0)
    assert (second["shadow"]["against"], second["shadow"]["compared"]) == (1, 1)
    after = post(first["url"], {"price": 10})
    assert (after["version"], after["predictions"] != before["predictions"]) == (2, True)

    set_shrinkage(folder, 0.9)
    result(root, "train", name)
    gate = mlops(root, "gate", name, "--json")
    assert (gate.code, gate.json["verdict"]) == (1, "fail")
    assert "fail" in {rule["result"] for rule in gate.json["rules"]}
    assert mlops(root, "deploy", name, "--json").error == "refused"
    assert post(first["url"], {"price": 10}) == after

    assert result(root, "rollback", name) == {"model": name, "from": 2, "to": 1}
    assert post(first["url"], {"price": 10}) == before
    rows = result(root, "status")
    assert [(row["version"], row["state"]) for row in rows] == [(1, "running"), (2, "warm")]
    assert result(root, "rollback", name) == {"model": name, "from": 1, "to": 2}
    assert post(first["url"], {"price": 10}) == after


def test_a_port_in_use_is_said_and_is_left_alone(make: Make) -> None:
    root, name = make("python").root, "sales-python"
    url = release(root, name)["url"]
    result(root, "stop", name)
    port = httpx.URL(url).port
    with socket.create_server(("127.0.0.1", port)):
        done = mlops(root, "deploy", name, "--json")
        assert done.error == "port_in_use"
        assert str(port) in done.message
        assert result(root, "status")[0]["state"] == "stopped"
    assert result(root, "deploy", name)["url"] == url
    assert post(url, {"price": 10})["version"] == 1


def release(root: Path, name: str) -> dict[str, Any]:
    """Train and deploy a model; what `mlops deploy` answers."""
    result(root, "train", name)
    deployed: dict[str, Any] = result(root, "deploy", name)
    return deployed
