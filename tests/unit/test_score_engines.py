"""Who scores: what is refused before anything is scored, and what a cluster may say."""

from __future__ import annotations

import importlib.util
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import ray

from ci.dataset.tabular import open_table
from ci.errors import MlopsError
from ci.score import score_with
from ci.score.engine import Job, Pending, Queue, engine_named, on_this_machine
from ci.score.job import make_plan
from ci.score.piece import Done
from ci.score.ray_engine import Cluster, OnNode
from ci.score.ray_node import Answer, Errand, score_piece, versions
from tests.support.scoring import rows, write_servable


@pytest.mark.parametrize(
    ("engine", "address", "words"),
    [("dask", None, "no engine 'dask'; write --engine local or"), ("local", "auto", "--address")],
)
def test_what_is_no_engine_is_refused(engine: str, address: str | None, words: str) -> None:
    with pytest.raises(MlopsError, match=words) as caught:
        engine_named(engine, address)
    assert caught.value.code == "bad_usage"


def test_without_ray_it_says_what_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(MlopsError, match="type: make setup") as caught:
        engine_named("ray", None)
    assert caught.value.code == "no_ray"


@pytest.mark.parametrize("address", ["ray://127.0.0.1:10001", "cluster", "127.0.0.1:{closed}"])
@pytest.mark.parametrize("by_variable", [False, True])
def test_where_no_cluster_answers_is_said_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str, by_variable: bool
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = address.format(closed=taken.getsockname()[1])
        if by_variable:
            monkeypatch.setenv("RAY_ADDRESS", address)
        engine = engine_named("ray", None if by_variable else address)
        rows(10).to_csv(tmp_path / "in.csv", index=False)
        servable = write_servable(tmp_path)
        with pytest.raises(MlopsError, match="HOST:PORT of one that") as caught:
            score_with(
                servable,
                tmp_path / "in.csv",
                tmp_path / "out.csv",
                tmp_path / "state",
                engine=engine,
            )
    assert caught.value.code == "no_cluster"
    assert address in caught.value.message
    assert not (tmp_path / "out.csv").exists()


def test_what_nobody_wants_any_more_is_cancelled_before_the_engine_ends(tmp_path: Path) -> None:
    """Ray would begin anew when it is asked to cancel after its end."""
    heard: list[str] = []

    @contextmanager
    def engine(job: Job) -> Iterator[Queue]:
        try:
            with on_this_machine(job) as queue:
                yield Queue(
                    lambda table, first: Told(queue.submit(table, first), heard), queue.most
                )
        finally:
            heard.append("ended")

    table = rows(200_000)
    table.loc[7, "x"] = -1.0
    table.to_csv(tmp_path / "in.csv", index=False)
    with pytest.raises(MlopsError) as caught:
        score_with(
            write_servable(tmp_path),
            tmp_path / "in.csv",
            tmp_path / "out.csv",
            tmp_path / "state",
            engine=engine,
        )
    assert caught.value.code == "bad_rows"
    assert heard[-1] == "ended"
    assert "cancelled" in heard


@dataclass(frozen=True)
class Told:
    """A piece that notes in ``heard`` that it is cancelled."""

    pending: Pending
    heard: list[str]

    def result(self) -> Done:
        """Its own."""
        return self.pending.result()

    def cancel(self) -> None:
        """Note it."""
        self.heard.append("cancelled")
        self.pending.cancel()


class Nodes:
    """What stands for the module ray: ``nodes`` tells which machines there are."""

    def __init__(self, **cpus: float) -> None:
        self.cpus = cpus

    def nodes(self) -> list[dict[str, Any]]:
        return [
            {"Alive": count >= 0, "NodeManagerAddress": name, "Resources": {"CPU": count}}
            for name, count in self.cpus.items()
        ]


def test_a_cluster_tells_of_its_nodes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("ci.score.ray_engine.LOOK_SECONDS", -1.0)
    machines = Nodes(first=2.0, second=4.0)
    cluster = Cluster(machines)
    assert cluster.most() == 13
    machines.cpus = {"first": 2.0, "second": -1.0, "third": 1.0}
    assert cluster.most() == 7
    said = capsys.readouterr().err.splitlines()
    assert said[0] == "Scoring on Ray: 2 nodes, 6 CPUs"
    assert said[1].startswith("Ray lost the node second")
    assert said[2:] == ["Ray has a new node third"]


def test_who_waits_for_a_piece_is_told_of_a_lost_node(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    machines = Nodes(first=2.0, second=4.0)
    waits: list[float] = []

    def get(reference: object, timeout: float) -> Answer:
        assert reference == "piece"
        waits.append(timeout)
        if len(waits) > 1:
            return Answer(None, ("bad_rows", "Ray node second: answered."), b"")
        machines.cpus = {"first": 2.0}
        raise ray.exceptions.GetTimeoutError

    monkeypatch.setattr(ray, "get", get)
    piece = OnNode("piece", 1, job_in(tmp_path), Cluster(machines))
    with pytest.raises(MlopsError, match="answered"):
        piece.result()
    assert len(waits) == 2
    assert "Ray lost the node second" in capsys.readouterr().err


def test_a_cluster_without_a_cpu_is_refused() -> None:
    with pytest.raises(MlopsError, match="no CPU to give"):
        Cluster(Nodes(first=0.0))


def job_in(folder: Path) -> Job:
    """Ten rows for a model, both in ``folder``."""
    servable = write_servable(folder)
    rows(10).to_csv(folder / "in.csv", index=False)
    file = open_table(folder / "in.csv")
    plan = make_plan(servable, file, folder / "out.csv", "in.csv", replace=False)
    return Job(servable, plan, file.numbers, 10, folder / "log")


def test_a_node_of_other_versions_is_refused(tmp_path: Path) -> None:
    job = job_in(tmp_path)
    theirs = {**versions("python"), "numpy": "0.1", "absent": "1"}
    errand = Errand(job.plan, job.numbers, None, "predict.py", "artifact", "log", theirs)
    answer = score_piece(errand, b"", 1)
    assert answer.problem is not None
    code, said = answer.problem
    assert code == "other_versions"
    assert re.match(r"Ray node [0-9.]+: numpy is \S+ here and 0\.1 where you typed, ", said)
