"""What a model's process sees of the machine: the same wherever it runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bentos.runners import RunnerPool

SOURCE = """
import json, os, tempfile, time
from pathlib import Path

def load_model(directory):
    found = {
        "environment": dict(os.environ),
        "hour": time.localtime(0).tm_hour,
        "folder": tempfile.mkdtemp(),
        "here": os.getcwd(),
    }
    (Path(directory) / "found.json").write_text(json.dumps(found))

def predict(model, rows):
    return rows["x"]
"""


def found_by_a_model(tmp_path: Path) -> dict[str, object]:
    (tmp_path / "artifact").mkdir()
    (tmp_path / "predict.py").write_text(SOURCE)
    with RunnerPool("python", tmp_path / "predict.py", tmp_path / "artifact", [("y", "number")]):
        pass
    found: dict[str, object] = json.loads((tmp_path / "artifact" / "found.json").read_text())
    return found


def test_locale_time_zone_and_threads_are_ours_whatever_the_machine_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "America/New_York")
    monkeypatch.setenv("LC_ALL", "tr_TR.UTF-8")
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    found = found_by_a_model(tmp_path)
    environment = found["environment"]
    assert isinstance(environment, dict)
    assert (environment["LC_ALL"], environment["TZ"], found["hour"]) == ("C.UTF-8", "UTC", 0)
    assert environment["OMP_NUM_THREADS"] == "1"
    assert environment["OPENBLAS_NUM_THREADS"] == "1"
    assert environment["MKL_NUM_THREADS"] == "1"
    assert found["here"] == str(tmp_path)
    assert not Path(str(found["folder"])).exists(), "what it wrote for a while is removed"


def test_who_sets_the_number_of_threads_is_heard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    environment = found_by_a_model(tmp_path)["environment"]
    assert isinstance(environment, dict)
    assert environment["OMP_NUM_THREADS"] == "3"


def test_a_bento_that_is_used_stays_as_it_was_built(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    found_by_a_model(tmp_path)
    files = sorted(path.name for path in tmp_path.rglob("*"))
    assert files == ["artifact", "found.json", "predict.py"]
