"""`mlops drift` on periods that are small, odd or empty: a finding or a sentence, never neither."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from ci.cli.run import run
from ci.contract.model import ARTIFACT, load_model_contract
from ci.evaluate.candidate import Servable
from ci.monitor.measures import TOGETHER
from ci.repository import Repository
from tests.support.repositories import new_repository, write_dataset, write_model

PREDICT = """
def load_model(directory):
    return 2.0

def predict(model, rows):
    return model * rows["price"].fillna(0)
"""
INPUT = {
    "price": {"type": "number", "nullable": True},
    "shelf": {"type": "string", "nullable": True},
    "promoted": {"type": "boolean"},
}
DAYS = 30


@dataclass
class Checks:
    """A repository with a model whose periods a test writes."""

    repository: Repository
    capture: pytest.CaptureFixture[str]

    def rules(self, **monitoring: Any) -> None:
        """Change the part `monitoring` of model.yaml."""
        path = self.repository.model_dir("small") / "model.yaml"
        contract = yaml.safe_load(path.read_text())
        contract["monitoring"] |= monitoring
        path.write_text(yaml.safe_dump(contract, sort_keys=False))

    def drift(self, reference: pd.DataFrame, analysis: pd.DataFrame) -> dict[str, Any]:
        """What `mlops drift small --json` prints; a refusal is one sentence and exit code 1."""
        folder = self.repository.model_dir("small") / "evaluation"
        folder.mkdir(exist_ok=True)
        reference.to_csv(folder / "reference.csv", index=False)
        analysis.to_csv(folder / "analysis.csv", index=False)
        code = run(["drift", "small", "--json"])
        out, err = self.capture.readouterr()
        document: dict[str, Any] = json.loads(out)
        assert "Traceback" not in err
        assert code == ("error" in document)
        if code:
            assert document["error"]["code"] != "internal_error", document
            assert "\n" not in document["error"]["message"]
        else:
            assert Path(document["report"]).is_file()
        return document


@pytest.fixture
def checks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Checks:
    repository = new_repository(tmp_path / "repository")
    write_dataset(repository, "sales")
    periods = {kind: f"evaluation/{kind}.csv" for kind in ("reference", "analysis")}
    monitoring = {"timestamp": "day", "chunk": "week", "target": "actual", **periods}
    write_model(repository, "small", input=INPUT, monitoring=monitoring)
    folder = repository.model_dir("small")
    (folder / "predict.py").write_text(PREDICT)
    (folder / ARTIFACT).mkdir()

    def servable(repository: Repository, contract: Any) -> Servable:
        rules = load_model_contract(repository, "small")
        return Servable(folder / "predict.py", folder / ARTIFACT, rules, None, "1" * 40)

    monkeypatch.setattr("ci.monitor.drift._servable", servable)
    monkeypatch.chdir(repository.root)
    return Checks(repository, capsys)


def period(start: str, days: int, rows: int = 20, seed: int = 0, **columns: Any) -> pd.DataFrame:
    """``rows`` of each day; ``columns`` replace what is drawn."""
    draw, size = np.random.default_rng(seed), days * rows
    price = draw.lognormal(1, 0.5, size)
    table = pd.DataFrame(
        {
            "price": price,
            "shelf": draw.choice(["top", "low"], size),
            "promoted": draw.random(size) < 0.3,
            "day": np.repeat(pd.date_range(start, periods=days).strftime("%Y-%m-%d"), rows),
            "actual": price * 2 + draw.normal(0, 0.5, size),
        }
    )
    return table.assign(**columns)


def reference(**columns: Any) -> pd.DataFrame:
    return period("2026-01-05", 42, seed=3, **columns)


def analysis(days: int = 21, /, **columns: Any) -> pd.DataFrame:
    return period("2026-02-16", days, seed=1, **columns)


def of(checked: dict[str, Any], name: str, method: str) -> dict[str, Any]:
    [found] = [f for f in checked["features"] if (f["name"], f["method"]) == (name, method)]
    return dict(found)


def alerts(checked: dict[str, Any]) -> set[str]:
    return {feature["name"] for feature in checked["features"] if feature["alert"]}


def left_out(checked: dict[str, Any]) -> dict[str, str]:
    return {each["name"]: each["reason"] for each in checked["unmeasured"]}


REFUSED: dict[str, tuple[Callable[[], pd.DataFrame], Callable[[], pd.DataFrame], str]] = {
    "an empty analysis": (reference, lambda: analysis().head(0), "analysis.csv: it has no rows"),
    "an analysis of one row": (reference, lambda: analysis().head(1), "needs at least 10"),
    "an empty reference": (lambda: reference().head(0), analysis, "reference.csv: it has no rows"),
    "a short reference": (lambda: reference().head(50), analysis, "needs at least 100"),
    "a reference of two chunks": (
        lambda: period("2026-01-05", 14),
        analysis,
        "has 2 of the chunks that monitoring.chunk asks for (week)",
    ),
    "text for targets": (
        lambda: reference(actual="many"),
        lambda: analysis(actual="many"),
        "target actual has a value that is no number",
    ),
    "text for new targets": (
        reference,
        lambda: analysis(actual="many"),
        "target actual has a value that is no number",
    ),
    "a reference without targets": (
        lambda: reference(actual=None),
        analysis,
        "no value in actual, which model.yaml names",
    ),
    "a reference without the column": (
        lambda: reference().drop(columns="actual"),
        analysis,
        "no value in actual, which model.yaml names",
    ),
    "no date": (reference, lambda: analysis(day="soon"), "no ISO date"),
    "no dates at all": (reference, lambda: analysis(day=None), "no ISO date"),
    "a missing column": (
        reference,
        lambda: analysis().drop(columns="shelf"),
        "analysis.csv has no column shelf",
    ),
    "a date that lies in the future": (
        reference,
        lambda: analysis(day=["2099-01-01", *["2026-02-16"] * 419]),
        "has 2099-01-01 in day, which lies in the future",
    ),
    "a reference that breaks the contract": (
        lambda: reference(price="cheap"),
        analysis,
        "reference.csv: the column price must be a number",
    ),
}


@pytest.mark.parametrize("case", list(REFUSED))
def test_periods_that_nothing_can_be_said_of_are_refused_by_name(checks: Checks, case: str) -> None:
    before, now, said = REFUSED[case]
    message = checks.drift(before(), now())["error"]["message"]
    assert said in message
    assert "small" in message
    assert "holdout" not in message


def test_rows_in_any_order_give_the_same(checks: Checks) -> None:
    ordered = checks.drift(reference(), analysis(price=lambda t: t["price"] * 1.5))
    mixed = checks.drift(
        reference().sample(frac=1, random_state=1),
        analysis(price=lambda t: t["price"] * 1.5).sample(frac=1, random_state=1),
    )
    assert alerts(ordered) - {TOGETHER} == {"price", "y"}
    for other, one in zip(mixed["features"], ordered["features"], strict=True):
        assert other == one | {key: pytest.approx(one[key]) for key in ("value", "threshold")}
    assert mixed["headline"] == ordered["headline"]


def test_one_chunk_that_is_far_out_is_an_alert(checks: Checks) -> None:
    """Two of three chunks in a row can't be asked of a period that has one."""
    drifted = checks.drift(reference(), analysis(7, price=lambda t: t["price"] * 3))
    assert drifted["alert"] is True
    assert {"price", "y"} <= alerts(drifted)
    quiet = checks.drift(reference(), reference().tail(140))
    assert quiet["alert"] is False
    assert len(quiet["performance"]["realised"]) == 1


def test_what_was_over_only_for_a_while_is_said_without_an_alert(checks: Checks) -> None:
    before, now = period("2026-01-05", 42, 100), period("2026-02-16", 21, 100, seed=1)
    now.loc[:699, "shelf"] = "top"
    checked = checks.drift(before, now)
    assert checked["alert"] is False
    assert "shelf over the threshold, but not in 2 of 3 chunks in a row" in checked["headline"]


def test_an_archive_that_was_cut_off_is_refused(checks: Checks) -> None:
    checks.drift(reference(), analysis().head(1))
    folder = checks.repository.model_dir("small") / "evaluation"
    checks.rules(analysis="evaluation/analysis.csv.gz")
    whole = gzip.compress(analysis().to_csv(index=False).encode())
    for size in (len(whole) // 2, 5):
        (folder / "analysis.csv.gz").write_bytes(whole[:size])
        error = checks.drift(reference(), analysis())["error"]
        assert error["code"] == "bad_table"
        assert "analysis.csv.gz: it can't be read" in error["message"]


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("columns", [60, 500])
def test_many_columns_are_measured_and_the_one_that_drifts_is_named(
    checks: Checks, columns: int
) -> None:
    names = [f"x{number:03}" for number in range(columns)]
    path = checks.repository.model_dir("small") / "model.yaml"
    contract = yaml.safe_load(path.read_text())
    contract["input"] |= {name: {"type": "number"} for name in names}
    path.write_text(yaml.safe_dump(contract, sort_keys=False))

    def wide(table: pd.DataFrame, seed: int) -> pd.DataFrame:
        drawn = np.random.default_rng(seed).normal(size=(len(table), len(names)))
        more = pd.DataFrame(drawn, columns=names, index=table.index)
        return pd.concat([table, more.assign(x042=more["x042"] + (seed == 2) * 0.8)], axis=1)

    quiet = checks.drift(wide(reference(), 1), wide(analysis(), 3))
    assert not quiet["alert"], quiet["headline"]
    assert left_out(quiet) == {TOGETHER: "the reference has fewer than 20 rows for each column"}
    found = checks.drift(wide(reference(), 1), wide(analysis(), 2))
    assert alerts(found) == {"x042"}
    assert len(found["features"]) > columns
    assert "quieter rows are in the table only" in Path(found["report"]).read_text()


@pytest.mark.parametrize("suffix", [".csv.gz", ".parquet"])
def test_large_tables_are_drawn_from_and_the_report_says_so(
    checks: Checks, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ci.monitor.sample.MOST_ROWS", 600)
    monkeypatch.setattr("ci.monitor.sample.BLOCK_ROWS", 300)
    before, now = reference(), period("2026-02-16", 21, rows=200, seed=1)
    checks.rules(analysis=f"evaluation/large{suffix}")
    path = checks.repository.model_dir("small") / "evaluation" / f"large{suffix}"
    path.parent.mkdir()
    now.to_parquet(path) if suffix == ".parquet" else now.to_csv(path, index=False)
    found = checks.drift(before, now)
    rows, of = re.findall(r"^([\d,]+) of ([\d,]+) rows, drawn at random of ", found["period"])[0]
    assert 450 < int(rows) < 750
    assert of == "4,200"
    assert found["period"] in Path(found["report"]).read_text()
    assert not found["alert"]
    [note] = found["notes"]
    assert re.match(r"models/small/evaluation/reference.csv: \d+ of 840 rows, drawn", note)


def test_a_new_category_in_40_per_cent_of_the_rows_is_an_alert(checks: Checks) -> None:
    now = analysis()
    now.loc[now.sample(frac=0.4, random_state=1).index, "shelf"] = "ceiling"
    found = checks.drift(reference(), now)
    unseen = of(found, "shelf", "unseen_values")
    assert unseen["value"] == pytest.approx(0.4, abs=0.08)
    assert unseen["alert"]
    assert of(found, "shelf", "jensen_shannon")["alert"]


def test_a_policy_says_which_columns_matter(checks: Checks) -> None:
    path = checks.repository.policies_dir / "monitoring.yaml"
    shipped = yaml.safe_load(path.read_text())

    def important(**models: list[str]) -> dict[str, Any]:
        path.write_text(yaml.safe_dump(shipped | {"important": models}))
        # Dearer, and predicted as well as before: realised performance always matters.
        dearer = analysis(price=lambda table: table["price"] * 2)
        return checks.drift(reference(), dearer.assign(actual=dearer["actual"] + dearer["price"]))

    quiet = important(small=["shelf", "promoted"])
    assert quiet["alert"] is False
    assert len(of(quiet, "price", "kolmogorov_smirnov")["chunks_over"]) == 3
    assert alerts(quiet) == set()
    assert "price, y" in quiet["headline"]
    assert "over the threshold, but not important by the policy" in quiet["headline"]
    assert alerts(important(small=["price"])) == {"price"}
    said = important(small=["prise"])["error"]["message"]
    assert "policies/monitoring.yaml:" in said
    assert "small has no column 'prise'; did you mean 'price'?" in said
    assert "there is no model 'large'" in important(large=["price"])["error"]["message"]


def test_chunks_of_one_row_claim_nothing_about_numbers(checks: Checks) -> None:
    checks.rules(chunk="day")
    checked = checks.drift(
        period("2026-01-05", 120, rows=1), period("2026-06-01", 30, rows=1, seed=3)
    )
    [(names, reason)] = left_out(checked).items()
    assert {"price", "y"} <= set(names.split(", "))
    assert reason.startswith("chunks are so small")
    assert f"none of its {4 - len(names.split(', '))} measured columns" in checked["headline"]


@pytest.mark.parametrize("column", ["price", "shelf"])
def test_a_column_that_became_empty_is_an_alert(checks: Checks, column: str) -> None:
    checked = checks.drift(reference(), analysis(**{column: None}))
    assert of(checked, column, "missing_values")["value"] == 1
    assert column in alerts(checked)
    assert left_out(checked)[column] == "has no values in one of the periods"
    assert set(left_out(checked)) == {column, TOGETHER}, "two columns are left"


def test_a_column_that_was_always_empty_is_named_and_quiet(checks: Checks) -> None:
    checked = checks.drift(reference(shelf=None), analysis(shelf=None))
    assert "shelf" not in alerts(checked)
    assert left_out(checked)["shelf"] == "has no values in one of the periods"
    assert set(left_out(checked)) == {"shelf", TOGETHER}, "two columns are left"


CONSTANT = {"price": 3.0, "shelf": "top", "promoted": True}
OTHER = {"price": 4.0, "shelf": "low", "promoted": False}


@pytest.mark.parametrize("column", list(CONSTANT))
def test_a_constant_column_is_quiet_until_it_changes(checks: Checks, column: str) -> None:
    same = checks.drift(
        reference(**{column: CONSTANT[column]}), analysis(**{column: CONSTANT[column]})
    )
    assert column not in alerts(same)
    assert set(left_out(same)) == {TOGETHER}, "two columns are left"
    other = checks.drift(
        reference(**{column: CONSTANT[column]}), analysis(**{column: OTHER[column]})
    )
    assert column in alerts(other)


@pytest.mark.parametrize("values", [7, 60, 150])
def test_many_categories_get_a_value_and_the_same_ones_get_zero(
    checks: Checks, values: int
) -> None:
    """Where each comes equally often in each week, rounding must not make it no value at all."""
    shelves = [f"shelf {number:03}" for number in range(values)] * 5
    days = pd.date_range("2026-01-05", periods=9, freq="7D").strftime("%Y-%m-%d")
    table = pd.concat(
        [period(day, 1, rows=len(shelves), seed=n, shelf=shelves) for n, day in enumerate(days)]
    )
    before, now = table[table["day"] < days[6]], table[table["day"] >= days[6]]
    same = checks.drift(before, now)
    assert of(same, "shelf", "jensen_shannon")["value"] == 0
    assert "shelf" not in alerts(same)
    assert left_out(same) == {}
    half = now.assign(shelf=now["shelf"].where(now["shelf"] > shelves[values // 2], shelves[0]))
    drifted = checks.drift(before, half)
    assert of(drifted, "shelf", "jensen_shannon")["value"] > 0.3
    assert "shelf" in alerts(drifted)


def test_rows_for_chunks_are_named_as_rows_in_order(checks: Checks) -> None:
    checks.rules(chunk=40)
    checked = checks.drift(reference(), analysis(price=lambda t: t["price"] * 3))
    assert "between row 1 and row 420" in checked["headline"]
    page = Path(checked["report"]).read_text()
    assert page.index('"row 81"') < page.index('"row 121"') < page.index('"row 401"')


def test_a_target_may_have_the_name_of_the_output_and_the_time_that_of_an_input(
    checks: Checks,
) -> None:
    usual = checks.drift(reference(), analysis())
    checks.rules(target="y", timestamp="shelf")

    def renamed(table: pd.DataFrame) -> pd.DataFrame:
        return table.drop(columns="shelf").rename(columns={"actual": "y", "day": "shelf"})

    found = checks.drift(renamed(reference()), renamed(analysis()))
    assert found["performance"]["realised"] == usual["performance"]["realised"]
    assert found["performance"]["realised"][0]["value"] == pytest.approx(0.4, abs=0.1)
    assert of(found, "price", "kolmogorov_smirnov") == of(usual, "price", "kolmogorov_smirnov")


@pytest.fixture
def binary(checks: Checks) -> Checks:
    """The same for a model that answers with a probability."""
    folder = checks.repository.model_dir("small")
    contract = yaml.safe_load((folder / "model.yaml").read_text())
    contract["task"] = "binary_classification"
    contract["evaluation"]["metric"] = "log_loss"
    contract["output"] = {"y": {"type": "number", "minimum": 0, "maximum": 1}}
    (folder / "model.yaml").write_text(yaml.safe_dump(contract, sort_keys=False))
    predict = PREDICT.replace("model * rows", "1 / (1 + 2.7 ** (3 - rows")
    (folder / "predict.py").write_text(predict.replace(".fillna(0)", ".fillna(0)))"))
    return checks


def bought(table: pd.DataFrame, *words: Any) -> pd.DataFrame:
    """The target as ``words`` for no and yes."""
    draw = np.random.default_rng(5).normal(0, 1, len(table))
    return table.assign(actual=[words[int(each)] for each in table["price"] + draw > 3])


def test_yes_and_no_may_be_numbers_or_the_words_of_any_language(binary: Checks) -> None:
    found = binary.drift(bought(reference(), 0, 1), bought(analysis(), 0, 1))
    values = [each["value"] for each in found["performance"]["realised"]]
    assert len(values) == 3
    assert all(0.7 < value < 1 for value in values)
    words = binary.drift(bought(reference(), "false", "true"), bought(analysis(), "FALSE", "TRUE"))
    assert words["performance"] == found["performance"]


@pytest.mark.parametrize(
    ("before", "now", "said"),
    [
        (("no", "yes"), (0, 1), "has a value that is no number"),
        ((1, 2), (1, 2), "has a value that is not 0 or 1"),
        ((1, 1), (0, 1), "is always the same in the reference"),
    ],
)
def test_what_is_no_yes_or_no_is_refused(
    binary: Checks, before: tuple[Any, Any], now: tuple[Any, Any], said: str
) -> None:
    error = binary.drift(bought(reference(), *before), bought(analysis(), *now))["error"]
    assert error["code"] == "bad_period"
    assert said in error["message"]


def test_a_reference_with_a_single_yes_is_refused_before_nannyml_stumbles(binary: Checks) -> None:
    usual = reference(actual=0)
    usual.loc[7, "actual"] = 1
    error = binary.drift(usual, analysis(actual=None))["error"]
    assert error["code"] == "bad_period"
    assert "is 1 in a single row of the reference, where two are needed" in error["message"]


def inputs(checks: Checks, **columns: Any) -> None:
    """Let the model take these columns and no others."""
    path = checks.repository.model_dir("small") / "model.yaml"
    contract = yaml.safe_load(path.read_text())
    contract["input"] = columns
    path.write_text(yaml.safe_dump(contract, sort_keys=False))


def test_two_columns_that_a_pca_rebuilds_exactly_are_not_compared_by_the_rounding(
    checks: Checks,
) -> None:
    inputs(checks, price=INPUT["price"], shelf=INPUT["shelf"])
    found = checks.drift(reference(), analysis())
    said = "a PCA of so few columns rebuilds every row exactly, whatever changes"
    assert left_out(found)[TOGETHER] == said
    assert TOGETHER not in {each["name"] for each in found["features"]}


def test_two_columns_that_always_went_together_and_no_longer_do_are_an_alert(
    checks: Checks,
) -> None:
    inputs(checks, price=INPUT["price"], taxed=INPUT["price"])
    before, now = reference(), analysis()
    before["taxed"], now["taxed"] = before["price"] * 1.1, now["price"] * 1.1
    assert not alerts(checks.drift(before, now)), "rounding is no error"
    now["taxed"] = now["taxed"].sample(frac=1, random_state=1).to_numpy()
    assert alerts(checks.drift(before, now)) == {TOGETHER}


@pytest.mark.parametrize(
    ("column", "file", "tail"),
    [
        ("price", "reference.csv", 'leave it empty (na = ""); mend the script'),
        (
            "shelf",
            "analysis.csv",
            "or name NA under its categories in model.yaml if it is a value;",
        ),
        ("actual", "analysis.csv", 'leave it empty (na = ""); mend the script'),
    ],
)
def test_what_r_writes_for_a_missing_value_is_not_read_as_text(
    checks: Checks, column: str, file: str, tail: str
) -> None:
    before, now = reference(), analysis()
    table = now if file.startswith("analysis") else before
    table[column] = table[column].astype(object)
    table.loc[[3, 5], column] = "NA"
    error = checks.drift(before, now)["error"]
    assert error["code"] == "bad_table"
    assert error["message"].startswith(f"models/small/evaluation/{file}: the column {column} is NA")
    assert "in 2 rows, such as rows 4 and 6, as R writes what is missing: " in error["message"]
    assert tail in error["message"]


def test_na_that_the_contract_lists_is_a_value(checks: Checks) -> None:
    path = checks.repository.model_dir("small") / "model.yaml"
    contract = yaml.safe_load(path.read_text())
    contract["input"]["shelf"]["categories"] = ["top", "low", "NA"]
    path.write_text(yaml.safe_dump(contract, sort_keys=False))
    now = analysis()
    now.loc[now["shelf"] == "top", "shelf"] = "NA"
    assert of(checks.drift(reference(), now), "shelf", "jensen_shannon")["alert"]
