"""`mlops new`: folders that hold for every language and task, and refusals that leave nothing."""

from __future__ import annotations

import ast
import csv
import json
import re
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from ci.check import check
from ci.contract.model import load_model_contract
from ci.errors import MlopsError
from ci.repository import Repository
from ci.scaffold import new_model
from ci.scaffold.columns import clean
from tests.support.repositories import new_repository

LANGUAGES = ("python", "r", "julia")
COLUMNS = {
    "Day": {"type": "timestamp"},
    "store id": {"type": "integer", "minimum": 0, "maximum": 1000},
    "product category": {
        "type": "string",
        "categories": ["$nacks", 'Milk "fresh"', "Käse, mild"],
        "missing": 0.1,
    },
    "price": {"type": "number", "minimum": 0, "maximum": 20, "missing": 0.1, "unit": "EUR"},
    "promo": {"type": "boolean"},
    "barcode": {"type": "integer", "minimum": 0, "maximum": 9_000_000_000_000},
    "note": {"type": "string", "missing": 0.5},
    "size": {"type": "string", "categories": ["large", "small"]},
    "age": {"type": "integer", "minimum": 0, "maximum": 120, "pii": True},
    "units sold": {"type": "integer", "minimum": 0, "maximum": 100},
    "returned": {"type": "boolean"},
}


def write_dataset(
    repository: Repository, name: str, columns: dict[str, Any], **changes: object
) -> None:
    table = {"file": f"tables/{name}.csv", "columns": columns}
    data = {
        "name": name,
        "description": "For tests.",
        "owner": "procurement",
        "source": "Made up.",
        "licence": "Free.",
        "pii": "direct",
        "retention": "None.",
        "tables": {"rows": table},
        **changes,
    }
    folder = repository.data_dir / name
    (folder / "tables").mkdir(parents=True)
    (folder / "dataset.yaml").write_text(yaml.safe_dump(data, sort_keys=False), encoding="utf-8")


def write_rows(repository: Repository, name: str, rows: list[dict[str, object]]) -> None:
    path = repository.data_dir / name / "tables" / f"{name}.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def a_row(number: int) -> dict[str, object]:
    units = (number % 20) * 2 + (number % 3) * 5 + 3
    return {
        "Day": f"2024-{number % 12 + 1:02}-{number % 28 + 1:02}",
        "store id": number % 90,
        "product category": ["$nacks", 'Milk "fresh"', "Käse, mild", ""][number % 4],
        "price": "" if number % 9 == 0 else number % 20,
        "promo": "true" if number % 3 else "false",
        "barcode": 4_000_000_000_000 + number * 977,
        "note": "",
        "size": "large" if number % 2 else "small",
        "age": number % 70,
        "units sold": units,
        "returned": "true" if units > 25 else "false",
    }


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    made = new_repository(tmp_path / "repository")
    write_dataset(made, "sales", COLUMNS)
    return made


def left_behind(repository: Repository) -> list[Path]:
    """What lies in models/ or half-made beside it."""
    incoming = repository.state_dir / "incoming"
    made = list(incoming.iterdir()) if incoming.is_dir() else []
    return [*repository.models_dir.iterdir(), *made]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("target", ["units sold", "returned"])
def test_a_new_model_passes_every_check(repository: Repository, language: str, target: str) -> None:
    folder = new_model(repository, "fresh", language, "sales", target)
    contract = load_model_contract(repository, "fresh")
    assert check(repository, "fresh") == []
    assert contract.language == language
    assert contract.owner == "procurement"
    assert contract.evaluation.unit == "store_id"
    assert contract.monitoring is not None
    assert contract.monitoring.timestamp == "Day"
    for file in folder.iterdir():
        assert "{{" not in file.read_text(encoding="utf-8"), file.name
    assert left_behind(repository) == [folder]


def test_the_inputs_are_the_usable_columns_with_their_rules(repository: Repository) -> None:
    folder = new_model(repository, "fresh", "python", "sales", "units sold")
    contract = load_model_contract(repository, "fresh")
    names = ["product_category", "price", "promo", "barcode", "size", "age", "returned"]
    assert list(contract.input) == names
    assert contract.input["product_category"].categories == ["$nacks", 'Milk "fresh"', "Käse, mild"]
    price, barcode, age = (contract.input[name] for name in ("price", "barcode", "age"))
    assert (price.nullable, price.minimum, price.maximum, price.unit) == (True, 0, 20, "EUR")
    assert barcode.type == "number"  # an integer of 32 bits can't hold it
    assert age.pii
    assert contract.output["units_sold"].maximum == 100
    text = (folder / "model.yaml").read_text(encoding="utf-8")
    assert "#   store id" not in text  # it is the unit
    assert "#   note: free text" in text


def test_why_a_text_on_persons_is_left_out(repository: Repository) -> None:
    columns = {**COLUMNS, "cashier": {"type": "string", "pii": True}}
    write_dataset(repository, "tills", columns)
    folder = new_model(repository, "fresh", "python", "tills", "units sold")
    text = (folder / "model.yaml").read_text(encoding="utf-8")
    assert "#   cashier: text on persons (pii in the dataset's contract)" in text


def test_an_example_comes_from_the_data_but_never_a_persons(repository: Repository) -> None:
    write_rows(repository, "sales", [a_row(number) for number in range(1, 400)])
    new_model(repository, "fresh", "python", "sales", "units sold")
    contract = load_model_contract(repository, "fresh")
    assert contract.input["price"].example is not None
    assert contract.input["age"].example is None


@pytest.mark.parametrize(
    ("target", "output", "metric"),
    [
        ("returned", "returned_probability", "log_loss"),
        ("size", "size_probability", "log_loss"),
        ("price", "price", "mae"),
    ],
)
def test_the_target_decides_the_task(
    repository: Repository, target: str, output: str, metric: str
) -> None:
    new_model(repository, "fresh", "python", "sales", target)
    contract = load_model_contract(repository, "fresh")
    assert list(contract.output) == [output]
    assert contract.evaluation.metric == metric
    task = "regression" if metric == "mae" else "binary_classification"
    assert contract.task == task


def test_without_a_date_the_split_is_by_unit_and_nothing_is_monitored(
    repository: Repository,
) -> None:
    columns = {key: rules for key, rules in COLUMNS.items() if key != "Day"}
    write_dataset(repository, "undated", columns)
    folder = new_model(repository, "fresh", "r", "undated", "units sold")
    assert load_model_contract(repository, "fresh").monitoring is None
    params = yaml.safe_load((folder / "params.yaml").read_text())
    assert params["split"] == {"holdout_share": 0.25, "seed": 1}


@pytest.mark.parametrize("rows", [300, 450, 1200])
@pytest.mark.parametrize("dated", [True, False])
def test_the_holdout_of_a_small_table_is_enough_for_the_policy(
    repository: Repository, rows: int, dated: bool
) -> None:
    columns = {key: rules for key, rules in COLUMNS.items() if dated or key != "Day"}
    write_dataset(repository, "small", columns)
    own = [a_row(number) for number in range(rows)]
    write_rows(repository, "small", [{key: each[key] for key in columns} for each in own])
    folder = new_model(repository, "fresh", "python", "small", "units sold")
    split = yaml.safe_load((folder / "params.yaml").read_text())["split"]
    assert 110 <= rows * split["holdout_share"] <= 0.4 * 1200
    assert split.get("train_share", 0.4) >= 0.4
    subprocess.run(
        [sys.executable, "prepare.py", *map(str, split.values())], cwd=folder, check=True
    )
    with (folder / "evaluation" / "holdout.csv").open(encoding="utf-8") as file:
        assert len(list(csv.DictReader(file))) >= 100


@pytest.mark.parametrize("header", ["Konto Nr.", "KontoNr", "Kundennummer", "order_id", "Nr"])
def test_numbers_that_name_things_are_no_inputs(repository: Repository, header: str) -> None:
    write_dataset(repository, "named", {**COLUMNS, header: {"type": "integer"}})
    new_model(repository, "fresh", "r", "named", "units sold")
    assert clean(header, set()) not in load_model_contract(repository, "fresh").input


def test_few_values_of_an_identifier_are_no_units(repository: Repository) -> None:
    rows = [{**a_row(number), "store id": number % 5} for number in range(400)]
    write_rows(repository, "sales", rows)
    new_model(repository, "fresh", "julia", "sales", "units sold")
    assert load_model_contract(repository, "fresh").evaluation.unit == "row_id"


def test_a_date_that_cannot_divide_the_rows_is_left_out(repository: Repository) -> None:
    rows = [{**a_row(number), "Day": f"2024-01-0{number % 3 + 1}"} for number in range(400)]
    write_rows(repository, "sales", rows)
    folder = new_model(repository, "fresh", "julia", "sales", "units sold")
    assert load_model_contract(repository, "fresh").monitoring is None
    assert "#   Day: a date" in (folder / "model.yaml").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("days_between", "rows_a_day", "chunk"), [(28, 300, 80), (1, 8, "week"), (1, 1, 30)]
)
def test_chunks_have_enough_rows_and_are_no_shorter_than_the_pauses(
    repository: Repository, days_between: int, rows_a_day: int, chunk: str | int
) -> None:
    first = date(2023, 1, 2)
    days = [first + timedelta(days=each) for each in range(0, 365, days_between)]
    rows = [
        {**a_row(number), "Day": day.isoformat()} for day in days for number in range(rows_a_day)
    ]
    write_rows(repository, "sales", rows)
    new_model(repository, "fresh", "r", "sales", "units sold")
    monitoring = load_model_contract(repository, "fresh").monitoring
    assert monitoring is not None
    assert monitoring.chunk == chunk


@pytest.mark.parametrize(("target", "dated"), [("units sold", True), ("returned", False)])
def test_the_python_model_learns(repository: Repository, target: str, dated: bool) -> None:
    columns = {key: rules for key, rules in COLUMNS.items() if dated or key != "Day"}
    write_dataset(repository, "learned", columns)
    rows = [a_row(number) for number in range(600)]
    write_rows(repository, "learned", [{key: row[key] for key in columns} for row in rows])
    folder = new_model(repository, "fresh", "python", "learned", target)
    shares = ["0.6", "0.2"] if dated else ["0.25", "1"]
    for script in (["prepare.py", *shares], ["train.py", "1.0"]):
        done = subprocess.run(
            [sys.executable, *script], cwd=folder, check=False, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
    metrics = json.loads((folder / "metrics.json").read_text())
    name = "mae" if target == "units sold" else "log_loss"
    baseline = "training_mean" if name == "mae" else "base_rate"
    assert metrics[name] < 0.9 * metrics[f"{name}_{baseline}"]
    if target == "returned":
        with (folder / "evaluation" / "holdout.csv").open(encoding="utf-8") as file:
            outcomes = {
                (float(row["units_sold"]) > 25, row["actual_returned"])
                for row in csv.DictReader(file)
            }
        assert outcomes == {(True, "1"), (False, "0")}
    parts = {
        part: {row["store_id"] for row in csv.DictReader((folder / part).open(encoding="utf-8"))}
        for part in ("prepared/train.csv", "evaluation/holdout.csv")
    }
    shared = set.intersection(*parts.values())
    assert bool(shared) is dated  # by unit where nothing else divides them


def test_every_template_in_python_is_python(repository: Repository) -> None:
    for target in ("units sold", "returned"):
        name = re.sub("[^a-z]", "", target)
        folder = new_model(repository, name, "python", "sales", target)
        for file in folder.glob("*.py"):
            ast.parse(file.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ({"name": "../up"}, "bad_name", "demand-forecast"),
        ({"name": "Big"}, "bad_name", "lower-case"),
        ({"owner": "The Team"}, "unknown_team", "there are: marketing"),
        ({"owner": "procurment"}, "unknown_team", "did you mean 'procurement'?"),
        ({"dataset": "sale"}, "unknown_dataset", "did you mean sales?"),
        ({"dataset": None}, "unknown_dataset", "mlops data add"),
        ({"target": None}, "no_target", "units sold"),
        ({"target": "unit sold"}, "unknown_target", "units sold"),
        ({"target": "note"}, "unsupported_target", "units sold"),
        ({"target": "product category"}, "unsupported_target", "two categories"),
        ({"target": "Day"}, "unsupported_target", "returned"),
    ],
)
def test_a_refusal_says_what_to_type_and_leaves_nothing(
    repository: Repository, arguments: dict[str, str], code: str, said: str
) -> None:
    wanted = {"name": "fresh", "language": "r", "dataset": "sales", "target": "price", **arguments}
    with pytest.raises(MlopsError) as caught:
        new_model(repository, **wanted)
    assert caught.value.code == code
    assert said in caught.value.message
    assert left_behind(repository) == []


def test_an_existing_model_stays_as_it_is(repository: Repository) -> None:
    folder = new_model(repository, "fresh", "r", "sales", "price")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(MlopsError) as caught:
        new_model(repository, "fresh", "python", "sales", "price")
    assert caught.value.code == "model_exists"
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_tables_that_a_template_cannot_read_are_refused(repository: Repository) -> None:
    table = {"file": "tables/a.csv", "columns": {"x": {"type": "number"}}}
    write_dataset(repository, "two", {}, tables={"left": table, "right": table})
    write_dataset(repository, "packed", {}, tables={"a": {**table, "file": "tables/a.parquet"}})
    with pytest.raises(MlopsError, match="left, right"):
        new_model(repository, "fresh", "python", "two", "x")
    with pytest.raises(MlopsError, match=r"a\.parquet"):
        new_model(repository, "fresh", "julia", "packed", "x")
    assert left_behind(repository) == []


def test_a_dataset_without_a_usable_column_is_refused(repository: Repository) -> None:
    columns = {name: COLUMNS[name] for name in ("note", "price")}
    write_dataset(repository, "poor", columns)
    with pytest.raises(MlopsError, match="note is free text") as caught:
        new_model(repository, "fresh", "python", "poor", "price")
    assert caught.value.code == "no_inputs"


def test_the_command_answers_in_json_and_refuses_other_languages(repository: Repository) -> None:
    command = [sys.executable, "-c", "from ci.cli import main; main()", "new", "fresh", "--json"]
    options = ["--dataset", "sales", "--target", "price"]
    bad = subprocess.run(
        [*command, *options, "--language", "perl"],
        cwd=repository.root,
        check=False,
        capture_output=True,
        text=True,
    )
    assert bad.returncode == 2
    assert json.loads(bad.stdout)["error"]["code"] == "usage"
    assert left_behind(repository) == []
    good = subprocess.run(
        [*command, *options, "--language", "r"],
        cwd=repository.root,
        check=False,
        capture_output=True,
        text=True,
    )
    assert json.loads(good.stdout) == {"path": "models/fresh"}


def test_headers_of_any_letters_become_columns(repository: Repository) -> None:
    columns = {"if": COLUMNS["price"], "2nd Straße": COLUMNS["size"], "Menü": COLUMNS["units sold"]}
    write_dataset(repository, "odd", columns)
    folder = new_model(repository, "fresh", "r", "odd", "Menü")
    assert list(load_model_contract(repository, "fresh").input) == ["if", "column_2nd_Strasse"]
    assert (folder / "columns.R").read_text(encoding="utf-8").isascii()  # R's locale may be C
