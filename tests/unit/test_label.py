"""`mlops label`: the least sure predictions go to people as a file, and come back as a dataset."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from bentos.bundle import Bundle
from bentos.columns import rows_frame
from bentos.frames import from_pandas
from bentos.records import Records
from ci.cli.run import run
from ci.contract.dataset import load_dataset
from ci.contract.model import ARTIFACT, load_model_contract
from ci.dataset.validate import validate
from ci.evaluate.candidate import Servable
from ci.repository import Repository
from ci.targets.launch import records_dir
from tests.e2e.test_documented_json import assert_documented
from tests.support.repositories import commit_all, git, new_repository, write_dataset, write_model

NAME, DATASET = "returns", "returns-labels"
INPUT: dict[str, Any] = {
    "price": {"type": "number", "nullable": True},
    "items": {"type": "integer", "minimum": 0},
    "note": {"type": "string", "nullable": True},
    "member": {"type": "boolean"},
    "email": {"type": "string", "pii": True, "nullable": True},
}
EVALUATION = {
    "holdout": "evaluation/holdout.csv",
    "target": "returned",
    "metric": "log_loss",
    "unit": "store",
    "baselines": {"mean": "mean_so_far"},
}
BINARY = {
    "task": "binary_classification",
    "input": INPUT,
    "output": {"probability": {"type": "number", "minimum": 0, "maximum": 1}},
    "evaluation": EVALUATION,
}
PROBABILITIES = [0.02, 0.97, 0.49, 0.7, 0.52, 0.1, 0.49]
NOTES = ["late", "ok", "=1+1", None, 'naïve, "quoted"', "ok", "=1+1"]


@dataclass
class Labelling:
    """A repository with a model that was asked here."""

    repository: Repository
    capture: pytest.CaptureFixture[str]

    @property
    def file(self) -> Path:
        return self.repository.root / "to-label.csv"

    def rows(self, numbers: range = range(7)) -> pd.DataFrame:
        """The last row is the third once more; the others differ in all they have."""
        return pd.DataFrame(
            {
                "price": [None if i == 1 else 9.5 + i % 4 for i in numbers],
                "items": [3 if i in (2, 6) else i for i in numbers],
                "note": [NOTES[i] for i in numbers],
                "member": [i % 2 == 0 for i in numbers],
                "email": ["grace@example.com" for _ in numbers],
                "probability": [PROBABILITIES[i] for i in numbers],
            }
        )

    def called(self) -> None:
        """One call with all rows."""
        contract = load_model_contract(self.repository, NAME).model_dump(mode="json")
        bundle = Bundle(Path(), contract, {"version": 1})
        recorder = Records(records_dir(self.repository, NAME), bundle)
        table = self.rows()
        table["price"] = table["price"].where(table.index != 6, table["price"][2])
        asked = json.loads(table[list(INPUT)].to_json(orient="records"))
        predictions = from_pandas(table[["probability"]])
        now = datetime(2026, 3, 9, tzinfo=UTC).timestamp()
        recorder.predicted(now, "call-1", rows_frame(asked, bundle.inputs), predictions)
        recorder.close()

    def mlops(self, *arguments: str) -> dict[str, Any]:
        code = run(["label", *arguments, "--json"])
        out, err = self.capture.readouterr()
        document: dict[str, Any] = json.loads(out)
        assert "Traceback" not in err
        assert code == ("error" in document)
        return document

    def offer(self, *options: str) -> list[dict[str, str]]:
        """The rows of the file that is written."""
        done = self.mlops("offer", NAME, "--output", str(self.file), *options)
        assert "error" not in done, done
        lines = self.lines()
        assert done["rows"] == len(lines)
        return lines

    def lines(self) -> list[dict[str, str]]:
        with self.file.open(newline="", encoding="utf-8-sig") as file:
            return list(csv.DictReader(file))

    def fill(self, labels: list[str], **changes: str) -> None:
        """Write ``labels`` into the file as a spreadsheet would; the rest stays without."""
        lines = self.lines()
        for line, label in zip(lines, labels, strict=False):
            line.update(returned=label, **changes)
        self.write(lines)

    def write(self, lines: list[dict[str, str]], delimiter: str = ",") -> None:
        with self.file.open("w", newline="", encoding="utf-8-sig") as file:
            writer = csv.DictWriter(file, list(lines[0]), delimiter=delimiter)
            writer.writeheader()
            writer.writerows(lines)

    def take(self) -> dict[str, Any]:
        return self.mlops("take", NAME, str(self.file))

    def refused(self) -> str:
        """What is said where nothing is written."""
        before = self.state()
        error = self.take()["error"]
        assert self.state() == before
        assert error["code"] in ("bad_labels", "bad_table"), error
        message: str = error["message"]
        assert "\n" not in message
        return message

    def state(self) -> str:
        return git(self.repository.root, "status", "--porcelain", "--ignored", "data", "models")

    def dataset(self) -> list[dict[str, str]]:
        with (self.repository.data_dir / DATASET / "tables/labels.csv").open(newline="") as file:
            return list(csv.DictReader(file))


def labelling(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capture: pytest.CaptureFixture[str],
    **contract: Any,
) -> Labelling:
    repository = new_repository(tmp_path / "repository")
    write_dataset(repository, "sales")
    folder = write_model(repository, NAME, **contract)
    commit_all(repository.root)

    def champion(repository: Repository, name: str) -> Servable:
        rules = load_model_contract(repository, name)
        return Servable(folder / "predict.py", folder / ARTIFACT, rules, 1, "1" * 40)

    monkeypatch.setattr("ci.registry.champion.champion", champion)
    monkeypatch.chdir(repository.root)
    return Labelling(repository, capture)


@pytest.fixture
def labels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Labelling:
    made = labelling(tmp_path, monkeypatch, capsys, **BINARY)
    made.called()
    return made


def test_the_least_sure_rows_are_offered_once_each(labels: Labelling) -> None:
    asked = ("offer", NAME, "--output", str(labels.file), "--rows", "3")
    assert_documented("label offer", labels.mlops(*asked))
    lines = labels.lines()
    assert [line["predicted"] for line in lines] == ["0.49", "0.52", "0.7"]
    assert list(lines[0]) == [
        *("row_id", "price", "items", "note", "member"),
        *("predicted", "returned"),
    ], "personal data stays where it is"
    assert lines[0]["note"] == "'=1+1", "a spreadsheet runs no formula of a caller"
    assert (lines[0]["price"], lines[0]["items"], lines[0]["member"]) == ("11.5", "3", "true")
    assert {line["returned"] for line in lines} == {""}
    assert labels.file.read_bytes().startswith(b"\xef\xbb\xbf")


def test_another_threshold_makes_others_unsure(labels: Labelling) -> None:
    assert labels.offer("--rows", "1", "--threshold", "0.1")[0]["predicted"] == "0.1"


def test_labelled_rows_are_a_version_of_a_dataset_that_keeps_its_contract(
    labels: Labelling,
) -> None:
    labels.offer()
    labels.fill(["1", "0"], items="999", note="changed by hand")
    done = labels.take()
    assert_documented("label take", done)
    assert (done["added"], done["rows"], done["unlabelled"], done["first"]) == (2, 2, 4, True)
    rows = labels.dataset()
    assert [row["returned"] for row in rows] == ["1", "0"]
    assert [row["items"] for row in rows] == ["3", "4"], "the inputs are those that were asked"
    assert [row["note"] for row in rows] == ["=1+1", 'naïve, "quoted"']
    folder = labels.repository.data_dir / DATASET
    assert validate(load_dataset(labels.repository, DATASET), folder) == []
    tracked = yaml.safe_load((folder / "tables/labels.csv.dvc").read_text())
    first = tracked["outs"][0]["md5"]
    commit_all(labels.repository.root)

    labels.file.unlink()
    assert len(labels.offer()) == 4, "what is labelled is not offered again"
    labels.fill(["1,0", "0"])
    labels.write(labels.lines(), delimiter=";")
    again = labels.take()
    assert (again["added"], again["rows"], again["first"]) == (2, 4, False)
    assert git(labels.repository.root, "status", "--porcelain", "data").split() == [
        "M",
        f"data/{DATASET}/tables/labels.csv.dvc",
    ]
    tracked = yaml.safe_load((folder / "tables/labels.csv.dvc").read_text())
    assert tracked["outs"][0]["md5"] != first
    assert labels.take()["added"] == 0, "the same file once more changes nothing"
    assert len(labels.dataset()) == 4


@pytest.mark.parametrize(
    ("label", "said"),
    [
        ("yes", "line 2: returned is 'yes', not a whole number"),
        ("0.5", "line 2: returned is '0.5', not a whole number"),
        ("2", "line 2: returned is '2'"),
        ("", "no row has a label; write the right answer into returned"),
    ],
)
def test_a_label_that_is_none_is_refused(labels: Labelling, label: str, said: str) -> None:
    labels.offer()
    labels.fill([label])
    assert said in labels.refused()


def test_rows_that_are_not_those_that_were_offered_are_refused(labels: Labelling) -> None:
    lines = labels.offer()
    labels.write([{**lines[0], "returned": "1"}, {**lines[0], "returned": "1"}])
    assert "is there twice" in labels.refused()
    labels.write([{**lines[0], "returned": "1", "row_id": "r-0123456789abcdef"}])
    assert "was not offered by this checkout" in labels.refused()
    labels.write([{**lines[0], "returned": "1"}, dict.fromkeys(lines[0], "")])
    assert labels.take()["added"] == 1, "a spreadsheet leaves empty rows below the others"
    labels.write([{**lines[0], "returned": "1", "row_id": ""}])
    assert "line 2 has no row_id" in labels.refused()
    labels.write([{"row_id": lines[0]["row_id"], "answer": "1"}])
    assert "has no column returned" in labels.refused()
    labels.write([{"returned": "1"}])
    assert "has no column row_id" in labels.refused()
    labels.file.write_bytes(b"PK\x03\x04 a spreadsheet")
    labels.refused()
    labels.file.unlink()
    assert "There is no file" in labels.refused()


def test_a_row_has_one_label(labels: Labelling) -> None:
    labels.offer()
    labels.fill(["1"])
    labels.take()
    commit_all(labels.repository.root)
    labels.fill(["0"])
    assert "has the label 0, and was labelled 1 before" in labels.refused()


def test_a_file_that_somebody_works_on_is_not_written_over(labels: Labelling) -> None:
    labels.offer()
    labels.fill(["1"])
    before = labels.file.read_bytes()
    error = labels.mlops("offer", NAME, "--output", str(labels.file))["error"]
    assert error["code"] == "file_exists"
    assert labels.file.read_bytes() == before


def test_with_everything_labelled_there_is_nothing_to_offer(labels: Labelling) -> None:
    labels.offer()
    labels.fill(["1"] * 6)
    labels.take()
    labels.file.unlink()
    error = labels.mlops("offer", NAME, "--output", str(labels.file))["error"]
    assert error["code"] == "nothing_to_label"
    assert not labels.file.exists()


def test_a_table_of_predictions_is_as_good_as_calls(labels: Labelling, tmp_path: Path) -> None:
    table = labels.rows(range(6))
    table.loc[5, "items"] = -1
    scored = tmp_path / "scored.csv"
    table.to_csv(scored, index=False)
    lines = labels.offer("--scored", str(scored), "--rows", "9")
    assert [line["predicted"] for line in lines] == ["0.49", "0.52", "0.7", "0.97", "0.02"], (
        "a row that the contract forbids is none to learn from"
    )
    labels.fill(["0"])
    assert labels.take()["added"] == 1


TASKS: dict[str, dict[str, Any]] = {
    "regression": {
        "task": "regression",
        "output": {"units": {"type": "number", "minimum": 0}},
        "evaluation": {**EVALUATION, "metric": "mae"},
    },
    "multiclass_classification": {
        "task": "multiclass_classification",
        "output": {"shelf": {"type": "string", "categories": ["top", "middle"]}},
        "evaluation": {**EVALUATION, "metric": "accuracy"},
    },
    "segmentation": {
        "task": "segmentation",
        "output": {"segment": {"type": "string"}},
        "evaluation": {**EVALUATION, "metric": "spend_explained"},
    },
}


@pytest.mark.parametrize(
    ("task", "predicted", "label", "wrong"),
    [
        ("regression", [3.0, 5.0], "4.5", "-1"),
        ("multiclass_classification", ["top", "middle"], "top", "bottom"),
    ],
)
def test_what_does_not_say_how_sure_it_is_needs_a_column_that_does(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    task: str,
    predicted: list[Any],
    label: str,
    wrong: str,
) -> None:
    made = labelling(tmp_path, monkeypatch, capsys, **{**BINARY, **TASKS[task]})
    scored = tmp_path / "scored.csv"
    output = next(iter(TASKS[task]["output"]))
    table = made.rows(range(2)).assign(**{output: predicted, "spread": [0.1, 7.0]})
    table.to_csv(scored, index=False)
    asked = ("offer", NAME, "--output", str(made.file), "--scored", str(scored))
    error = made.mlops(*asked)["error"]
    assert error["code"] == "no_uncertainty"
    assert "--uncertainty COLUMN" in error["message"]
    assert made.mlops(*asked, "--uncertainty", "spred")["error"]["code"] == "no_uncertainty"
    lines = made.offer("--scored", str(scored), "--uncertainty", "spread")
    assert [line["predicted"] for line in lines] == [str(each) for each in predicted[::-1]]
    made.fill([wrong])
    assert "line 2: returned is" in made.refused()
    made.fill([label])
    assert made.take()["added"] == 1
    assert [row["returned"] for row in made.dataset()] == [label]


def test_a_task_without_a_right_answer_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made = labelling(tmp_path, monkeypatch, capsys, **{**BINARY, **TASKS["segmentation"]})
    error = made.mlops("offer", NAME, "--output", str(made.file))["error"]
    assert error["code"] == "no_label"
    assert not made.file.exists()


def test_of_several_classes_the_row_is_unsure_whose_best_two_are_close(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    chance = {"type": "number", "minimum": 0, "maximum": 1}
    shelves = ["top", "middle", "low"]
    many = TASKS["multiclass_classification"]
    columns = {f"p_{name}": {**chance, "probability_of": name} for name in shelves}
    output = {"shelf": {"type": "string", "categories": shelves}, **columns}
    made = labelling(tmp_path, monkeypatch, capsys, **{**BINARY, **many, "output": output})
    table = made.rows(range(3)).assign(
        shelf=["top", "middle", "low"],
        p_top=[0.9, 0.34, 0.05],
        p_middle=[0.1, 0.36, 0.45],
        p_low=[0.0, 0.3, 0.5],
    )
    scored = tmp_path / "scored.csv"
    table.to_csv(scored, index=False)
    lines = made.offer("--scored", str(scored))
    assert [line["predicted"] for line in lines] == ["middle", "low", "top"]
    table.drop(columns="p_low").to_csv(scored, index=False)
    made.file.unlink()
    asked = ("offer", NAME, "--output", str(made.file), "--scored", str(scored))
    assert made.mlops(*asked)["error"]["code"] == "no_uncertainty"
