"""`dataset.yaml`: what is accepted, and how it is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from ci.contract.dataset import load_dataset
from ci.errors import MlopsError
from ci.repository import Repository

VALID: dict[str, Any] = {
    "name": "sales",
    "description": "Sales.",
    "owner": "procurement",
    "source": "The tills.",
    "licence": "Ours.",
    "pii": "pseudonymous",
    "retention": "Two years.",
    "tables": {
        "sales": {
            "file": "tables/sales.csv",
            "key": ["id"],
            "columns": {
                "id": {"type": "integer", "minimum": 1},
                "who": {"type": "string", "pii": True},
            },
        }
    },
}


def load(root: Path, data: dict[str, object]) -> None:
    folder = root / "data" / "sales"
    folder.mkdir(parents=True)
    (folder / "dataset.yaml").write_text(yaml.safe_dump(data, sort_keys=False))
    load_dataset(Repository(root), "sales")


def column(**rules: object) -> dict[str, object]:
    tables = {"sales": {"file": "tables/sales.csv", "columns": {"id": rules}}}
    return {**VALID, "tables": tables}


def table(**changes: object) -> dict[str, object]:
    return {**VALID, "tables": {"sales": {**VALID["tables"]["sales"], **changes}}}


def test_a_valid_contract_is_read_with_its_defaults(tmp_path: Path) -> None:
    load(tmp_path, VALID)
    rules = load_dataset(Repository(tmp_path), "sales").tables["sales"].columns["who"]
    assert (rules.missing, rules.unique, rules.pii) == (0.0, False, True)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (column(type="integer", minimun=1), "did you mean 'minimum'?"),
        (column(type="int"), "columns.id.type"),
        (column(type="string", minimum=1), "minimum and maximum do not apply to a string column"),
        (column(type="number", minimum=2, maximum=1), "minimum 2 is above maximum 1"),
        (column(type="integer", categories=["a"]), "categories are for string columns"),
        (column(type="string", categories=["a", "a"]), "a category is written twice"),
        (column(type="string", missing=1.5), "columns.id.missing"),
        (table(file="../other/x.csv"), "stays inside it"),
        (table(file="x.xlsx"), "a .csv, .csv.gz or .parquet file"),
        (table(key=["idd"]), "did you mean 'id'?"),
        ({**VALID, "pii": "none"}, "the column sales.who is marked pii"),
        ({**VALID, "name": "other"}, "the name of its folder"),
        ({**VALID, "tables": {}}, "tables"),
        ({key: value for key, value in VALID.items() if key != "licence"}, "licence"),
        ({**VALID, "licens": "x"}, "did you mean 'licence'?"),
    ],
)
def test_a_wrong_contract_is_refused_naming_file_and_key(
    tmp_path: Path, data: dict[str, object], said: str
) -> None:
    with pytest.raises(MlopsError) as caught:
        load(tmp_path, data)
    assert caught.value.code == "bad_dataset"
    assert caught.value.message.startswith("data/sales/dataset.yaml:")
    assert said in caught.value.message


def test_an_unknown_dataset_names_the_nearest(tmp_path: Path) -> None:
    load(tmp_path, VALID)
    with pytest.raises(MlopsError, match="did you mean sales"):
        load_dataset(Repository(tmp_path), "sale")


@pytest.mark.parametrize("name", ["../sales", "sales/../sales", "/etc", ""])
def test_a_path_is_no_dataset(tmp_path: Path, name: str) -> None:
    load(tmp_path, VALID)
    with pytest.raises(MlopsError) as caught:
        load_dataset(Repository(tmp_path), name)
    assert caught.value.code == "unknown_dataset"


def test_the_shipped_datasets_have_valid_contracts() -> None:
    repository = Repository(Path(__file__).parents[2])
    names = repository.dataset_names()
    assert {"complete-journey", "household-spend"} <= set(names)
    for name in names:
        assert load_dataset(repository, name).name == name
