"""`mlops new` in each language: what it writes goes the whole way as it is."""

from __future__ import annotations

from pathlib import Path

import httpx
import pandas as pd
import pytest

from tests.e2e.conftest import LANGUAGES, Make
from tests.support.command import mlops, result
from tests.support.repositories import commit_all


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_new_model_trains_passes_the_gate_and_answers(
    make: Make, language: str, tmp_path: Path
) -> None:
    root, name = make().root, f"new-{language}"
    target = ["--dataset", "sales", "--target", "units"]
    made = result(root, "new", name, "--language", language, *target)
    assert made["path"] == f"models/{name}"
    assert mlops(root, "new", name, "--language", language, *target, "--json").code == 1
    commit_all(root)
    assert result(root, "check", name) == []
    result(root, "train", name)
    assert result(root, "gate", name)["verdict"] == "pass"
    url = result(root, "deploy", name)["url"]
    document = httpx.get(f"{url}/docs.json").json()
    request = document["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"]
    answer = httpx.post(f"{url}/predict", json=request["example"], timeout=30)
    assert answer.status_code == 200, answer.text
    assert len(answer.json()["predictions"]) == len(request["example"]["rows"])

    rows = pd.read_csv(root / "models" / name / "evaluation" / "analysis.csv").head(50)
    inputs = [column for column in request["example"]["rows"][0] if column in rows]
    rows[inputs].to_csv(tmp_path / "in.csv", index=False)
    source, output = tmp_path / "in.csv", tmp_path / "out.csv"
    assert result(root, "score", name, "--input", source, "--output", output)["rows"] == len(rows)
    assert result(root, "stop", name) == {"stopped": [name]}
