"""The key `tune` of a contract, and values written into params.yaml."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ci.check import check
from ci.contract.columns import Parameter
from ci.contract.tuning import Dimension, Tuning, dimensions
from ci.params import with_values
from tests.support.repositories import new_repository, write_dataset, write_model

RIDGE = Parameter(type="number", owner="marketing", description="x", minimum=0.1, maximum=10)
TREES = Parameter(type="integer", owner="marketing", description="x", minimum=10, maximum=500)
KIND = Parameter(type="string", owner="marketing", description="x", categories=["a", "b"])
DECLARED = {"train.ridge": RIDGE, "train.trees": TREES, "train.kind": KIND}


def test_without_ranges_everything_declared_is_searched() -> None:
    assert dimensions(Tuning(), DECLARED) == [
        Dimension(key="train.ridge", low=0.1, high=10),
        Dimension(key="train.trees", whole=True, low=10, high=500),
        Dimension(key="train.kind", choices=("a", "b")),
    ]


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ({"train.ridge": {"minimum": 0.01}}, "forbids"),
        ({"train.ridge": {"type": "integer"}}, "declared as number"),
        ({"train.kind": {"choices": ["c"]}}, "forbids"),
        ({"train.depth": None}, "needs a type"),
        ({"train.depth": {"type": "integer", "minimum": 1}}, "needs a minimum and a maximum"),
        ({"train.depth": {"type": "string"}}, "needs choices"),
        ({"train.depth": {"type": "number", "minimum": 0, "maximum": 1, "log": True}}, "above 0"),
        ({"train.depth": {"type": "number", "minimum": 2, "maximum": 1}}, "above maximum"),
    ],
)
def test_a_range_that_can_not_be_searched_is_refused(
    tmp_path: Path, rules: dict[str, object], said: str
) -> None:
    repository = new_repository(tmp_path)
    write_dataset(repository, "sales")
    declared = {key: value.model_dump(exclude_none=True) for key, value in DECLARED.items()}
    folder = write_model(repository, "orders", parameters=declared, tune={"parameters": rules})
    (folder / "params.yaml").write_text("train: {ridge: 1, trees: 10, kind: a}\n")
    (problem,) = [each for each in check(repository, "orders") if "model.yaml" in each.file]
    assert said in problem.problem


def test_a_parameter_is_not_both_tried_and_fixed() -> None:
    tuning = Tuning(validation={"train.ridge": 1})
    with pytest.raises(ValueError, match="leave one out"):
        dimensions(tuning, DECLARED)


TEXT = """\
# The first line
train:            # how it learns
  ridge: 1.0      # drawn towards zero
  kinds:
    - a
  name: "x: y"
split: {last: 36, first: 2}
"""


@given(
    ridge=st.floats(allow_nan=False, allow_infinity=False),
    name=st.text(max_size=20),
    last=st.integers(-(2**31), 2**31),
)
def test_other_values_leave_the_rest_of_the_file_alone(ridge: float, name: str, last: int) -> None:
    new = with_values(TEXT, {"train.ridge": ridge, "train.name": name, "split.last": last})
    data = yaml.safe_load(new)
    assert data["train"] == {"ridge": ridge, "kinds": ["a"], "name": name}
    assert data["split"] == {"last": last, "first": 2}
    for kept in ("# The first line\n", "# how it learns\n", "      # drawn towards zero\n"):
        assert kept in new


def test_a_key_that_is_not_there_is_not_added() -> None:
    with pytest.raises(KeyError):
        with_values(TEXT, {"train.depth": 1})
