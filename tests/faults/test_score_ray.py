"""Batch scoring on a Ray of this machine alone: as on its cores, said in the same sentences."""

from __future__ import annotations

import json
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from ci.evaluate.candidate import Servable
from ci.score import score_with
from tests.support.scoring import calls, rows, start, write_servable

ROWS = 250_000  # two parts
PARTS = "score/*/*/[0-9]*.json"
DIES = """\
import os


def load_model(directory):
    return 2.0


def predict(model, rows):
    if rows["x"].max() > 1e6:
        os._exit(3)
    return rows["x"] * model / 3
"""


@pytest.fixture(autouse=True)
def temporary(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder for temporary files, whose path is short: Ray has sockets in it."""
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    with tempfile.TemporaryDirectory(prefix="r", dir="/tmp") as folder:
        monkeypatch.setenv("TMPDIR", folder)
        yield Path(folder)


def test_it_scores_as_the_cores_do_on_this_machine_only_and_loses_nothing_with_a_process(
    tmp_path: Path,
) -> None:
    servable = write_servable(tmp_path, max_bad_rows=2, id_columns=["id"])
    slow_down(servable, 0.2)
    table = rows(ROWS)
    table.loc[[7, 249_999], "x"] = -1.0
    table.to_csv(tmp_path / "in.csv", index=False)
    score_with(servable, tmp_path / "in.csv", tmp_path / "here.parquet", tmp_path / "here")
    process = start(tmp_path, tmp_path / "in.csv", tmp_path / "out.parquet", engine="ray")
    family, working = at_work(process, tmp_path / "state" / "logs" / "score-two-thirds.log")
    heard = {address for each in family for address in addresses(each)}
    working.kill()
    output, said = process.communicate()
    assert process.returncode == 0, said
    assert "Scoring on Ray: 1 node, " in said
    assert json.loads(output)["rows"] == ROWS - 2
    assert heard
    assert heard <= {"127.0.0.1", "::ffff:127.0.0.1", "::1"}
    assert (tmp_path / "out.parquet").read_bytes() == (tmp_path / "here.parquet").read_bytes()
    quarantine = (tmp_path / "out.quarantine.csv").read_bytes()
    assert quarantine == (tmp_path / "here.quarantine.csv").read_bytes()
    assert "score_piece failed" in (tmp_path / "state" / "logs" / "ray.log").read_text()


def slow_down(servable: Servable, seconds: float) -> None:
    """Have each piece take so long, that something can happen meanwhile."""
    code = servable.predict_file.read_text()
    slow = code.replace("    print", f"    time.sleep({seconds})\n    print")
    servable.predict_file.write_text(f"import time\n\n\n{slow}")


def hold_after_a_part(servable: Servable, state: Path) -> Path:
    """Have no piece go on once a part is written, as long as the file that is returned exists."""
    held = servable.predict_file.parent / "held"
    held.touch()
    code = servable.predict_file.read_text()
    wait = f"""\
    parts, held = pathlib.Path({str(state)!r}), pathlib.Path({str(held)!r})
    while held.exists() and list(parts.glob({PARTS!r})):
        time.sleep(0.05)
    print"""
    servable.predict_file.write_text(f"import pathlib, time\n\n\n{code.replace('    print', wait)}")
    return held


def at_work(
    process: subprocess.Popen[str], log: Path
) -> tuple[list[psutil.Process], psutil.Process]:
    """What ``process`` started, and one of them that scores, once something is scored."""
    while True:
        assert process.poll() is None, process.communicate()
        family = psutil.Process(process.pid).children(recursive=True)
        for each in family if log.exists() else ():
            with suppress(psutil.NoSuchProcess):
                if each.name().startswith("ray::score_piece"):
                    return family, each
        time.sleep(0.02)


def addresses(process: psutil.Process) -> set[str]:
    """Where it listens."""
    try:
        found = process.net_connections("inet")
    except psutil.NoSuchProcess:
        return set()
    return {one.laddr.ip for one in found if one.status == psutil.CONN_LISTEN}


def test_a_model_that_dies_is_said_in_the_same_sentence(tmp_path: Path) -> None:
    servable = write_servable(tmp_path)
    servable.predict_file.write_text(DIES)
    table = rows(30_000)
    table.loc[20_001, "x"] = 2e6
    table.to_csv(tmp_path / "in.csv", index=False)
    said = []
    for engine in ("local", "ray"):
        process = start(tmp_path, tmp_path / "in.csv", tmp_path / "out.csv", engine=engine)
        said.append(process.communicate()[1].splitlines()[-1])
        assert process.returncode == 1
    assert said[0] == said[1]
    assert "score-two-thirds.log" in said[0]
    assert not (tmp_path / "out.csv").exists()


def test_interrupted_it_leaves_nothing_and_the_cores_go_on(tmp_path: Path, temporary: Path) -> None:
    servable = write_servable(tmp_path)
    held = hold_after_a_part(servable, tmp_path / "state")
    rows(ROWS * 2).to_csv(tmp_path / "in.csv", index=False)
    process = start(tmp_path, tmp_path / "in.csv", tmp_path / "out.csv", engine="ray")
    while not list((tmp_path / "state").glob(PARTS)):
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    family = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGINT)
    process.communicate()
    assert process.returncode != 0
    gone, alive = psutil.wait_procs(family, timeout=60)
    assert gone
    assert not alive
    assert list(temporary.iterdir()) == []
    held.unlink()
    asked = calls(tmp_path)
    score_with(servable, tmp_path / "in.csv", tmp_path / "out.csv", tmp_path / "state")
    # The first part, of twenty pieces, was done.
    assert calls(tmp_path) <= asked + ROWS * 2 // 10_000 - 20
    score_with(servable, tmp_path / "in.csv", tmp_path / "again.csv", tmp_path / "again")
    assert (tmp_path / "out.csv").read_bytes() == (tmp_path / "again.csv").read_bytes()


def test_what_a_killed_one_leaves_is_removed_by_the_next(tmp_path: Path, temporary: Path) -> None:
    servable = write_servable(tmp_path)
    slow_down(servable, 0.2)
    rows(ROWS).to_csv(tmp_path / "in.csv", index=False)
    process = start(tmp_path, tmp_path / "in.csv", tmp_path / "out.csv", engine="ray")
    at_work(process, tmp_path / "state" / "logs" / "score-two-thirds.log")
    process.kill()
    process.communicate()
    assert list(temporary.iterdir())
    again = start(tmp_path, tmp_path / "in.csv", tmp_path / "out.csv", engine="ray")
    _, said = again.communicate()
    assert again.returncode == 0, said
    assert list(temporary.iterdir()) == []
