"""What docs/reference/cli.md says of each command's `--json` is what the command prints."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from ci.reference.answers import ANSWERS
from ci.reference.commands import all_commands
from tests.e2e.conftest import Make
from tests.e2e.test_whole_way import release
from tests.support.command import mlops, result
from tests.support.linear import set_shrinkage

REQUEST = "documented"
# What only a remote, a container engine or a person can answer; other tests hold them to it.
ELSEWHERE = {"label offer", "label take", "data push", "restore", "images lock", "release", "host"}


def places(value: Any, place: str = "") -> Iterator[str]:
    """Where the document holds something that is not a mapping or a list of mappings."""
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from places(inner, f"{place}.{key}" if place else key)
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        for inner in value:
            yield from places(inner, f"{place}[]")
    else:
        yield place


def matches(documented: str, place: str) -> bool:
    pattern = "".join(
        ".+" if part.startswith("<") else re.escape(part)
        for part in re.split(r"(<[^>]+>)", documented)
    )
    return re.fullmatch(pattern, place) is not None


def is_in(outer: str, place: str) -> bool:
    """Whether ``place`` lies in ``outer``: what is empty has nothing in it to be compared."""
    return place.startswith((f"{outer}.", f"{outer}["))


def assert_documented(command: str, document: Any) -> None:
    """Each place is documented, and each documented place is there."""
    documented, found = list(ANSWERS[command]), set(places(document))
    unknown = [f for f in found if not any(matches(d, f) for d in documented)]
    assert not unknown, f"{command} prints {unknown}, which nothing documents"
    absent = [
        d for d in documented if not any(matches(d, f) or is_in(f, d) or is_in(d, f) for f in found)
    ]
    assert not absent, f"{command} does not print {absent}"


def _call(url: str) -> None:
    headers = {"X-Request-ID": REQUEST, "traceparent": f"00-{'a' * 32}-{'b' * 16}-01"}
    answer = httpx.post(f"{url}/predict", json={"rows": [{"price": 10}]}, headers=headers)
    assert answer.status_code == 200


def _hold_new_data(data: Path, tmp_path: Path, hold: Callable[..., Any]) -> None:
    (tmp_path / "more.csv").write_text("a;b\n1,5;x\n2,5;y\n")
    hold("data add", tmp_path / "more.csv", "--name", "more")
    rules = data / "more" / "dataset.yaml"
    (tmp_path / "share").mkdir()
    (tmp_path / "more.csv").rename(tmp_path / "share" / "more.csv")
    clean = "clean: {units: {a: 2}}, mode: replace"
    source = f"source: {{folder: {tmp_path / 'share'}}}"
    rules.write_text(f"{rules.read_text()}refresh: {{{source}, {clean}}}\n")
    hold("data refresh", "more")


def _hold_keys(hold: Callable[..., Any]) -> None:
    hold("observe")
    hold("codeowners")
    made = hold("keys make", "platform")
    hold("keys rotate", made["id"])
    hold("keys revoke", made["id"])
    hold("keys list")


def test_every_command_with_json_is_documented() -> None:
    takes = {
        name
        for name, command in all_commands().items()
        if any("--json" in part.opts for part in command.params) and not name.startswith("ci ")
    }
    assert set(ANSWERS) == takes


def test_what_is_documented_is_what_is_printed(make: Make, tmp_path: Path) -> None:
    repository, name = make("python"), "sales-python"
    root, folder = repository.root, repository.model_dir("sales-python")
    seen = set(ELSEWHERE)

    def hold(command: str, *arguments: str | Path, code: int = 0) -> Any:
        done = mlops(root, *command.split(), *arguments, "--json")
        assert done.code == code, (command, done.stdout, done.stderr)
        assert_documented(command, done.json)
        seen.add(command)
        return done.json

    contract = folder / "model.yaml"
    text = contract.read_text()
    text = text.replace("  unit: store\n", "  unit: store\n  check_units: [day]\n")
    contract.write_text(text.replace("  chunk: day\n", "  chunk: day\n  target: units\n"))
    set_shrinkage(folder, 0.2)
    hold("models")
    hold("plan", "--base", "HEAD")
    for command, *more in (["train"], ["tune", "--trials", "1"]):
        hold(command, name, *more)
    release(root, name)
    set_shrinkage(folder, 0.0)
    result(root, "train", name)
    for command in ("evaluate", "gate", "package"):
        hold(command, name)
    deployed = hold("deploy", name)
    hold("status")
    hold("rollback", name)
    hold_audit(root, folder, hold)
    given = folder / "evaluation" / "holdout.csv"
    table = given.read_text().replace("units", "sold")
    (tmp_path / "in.csv").write_text(table)
    hold("score", name, "--input", tmp_path / "in.csv", "--output", tmp_path / "out.csv")
    shards: list[str | Path] = ["--output", tmp_path / "merged.csv"]
    for shard in ("1/2", "2/2"):
        result(root, "score", name, "--input", tmp_path / "in.csv", *shards, "--shard", shard)
    hold("score-merge", name, *shards)
    assert (tmp_path / "merged.csv").read_bytes() == (tmp_path / "out.csv").read_bytes()
    hold("drift", name)
    hold("drift-history", name)
    _call(deployed["url"])
    hold("logs", name, "--request", REQUEST)
    _hold_keys(hold)
    hold("stop", name)
    hold("doctor", code=1)
    hold("start", name)
    hold("new", "another", "--language", "python", "--dataset", "sales", "--target", "units")
    _hold_new_data(repository.data_dir, tmp_path, hold)
    sales = next((repository.data_dir / "sales" / "tables").glob("*.csv"))
    sales.chmod(0o644)
    sales.write_text(sales.read_text().replace("north", "west", 1))
    hold("data validate", "sales", code=1)
    hold_retrain(folder, hold)
    contract.write_text(contract.read_text().replace("task: regression", "task: guessing"))
    hold("check", code=1)
    assert seen == set(ANSWERS)


def hold_retrain(folder: Path, hold: Callable[..., Any]) -> None:
    """A window that follows the newest day of the data."""
    with (folder / "params.yaml").open("a") as params:
        params.write("split: {last_day: '2026-01-01'}\n")
    with (folder / "model.yaml").open("a") as contract:
        contract.write(
            "retraining: {window: {dataset: sales, table: sales, column: day, "
            "parameters: {split.last_day: -20}}}\n"
        )
    moved = hold("retrain", folder.name)
    assert moved["changes"] == {"split.last_day": {"before": "2026-01-01", "now": "2026-02-09"}}


def hold_audit(root: Path, folder: Path, hold: Callable[..., None]) -> None:
    """What the events tell, after a release, a rollback and a refusal."""
    name = folder.name
    hold("reproduce", name, "1", code=1)  # it was trained from what was never committed
    hold("audit make-key", "platform")
    set_shrinkage(folder, 0.9)
    result(root, "train", name)
    assert mlops(root, "deploy", name, "--json").error == "refused"
    for command in ("value", "registry rebuild"):
        hold(command)
    hold("history", name)
    events = root / ".mlops" / "events.jsonl"
    events.write_text(events.read_text().replace("registered", "Registered", 1))
    hold("audit verify", code=1)
    hold("audit begin-again", "--reason", "a test")
    result(root, "audit", "verify")


def test_the_comparison_finds_what_is_missing_and_what_is_more() -> None:
    with pytest.raises(AssertionError, match="does not print"):
        assert_documented("deploy", {"model": "x", "version": 1})
    with pytest.raises(AssertionError, match="nothing documents"):
        assert_documented("stop", {"stopped": [], "more": 1})
