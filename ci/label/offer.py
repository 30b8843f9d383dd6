"""`mlops label offer`: the rows that a model was least sure of, as a file for people."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ci.contract.model import load_model_contract
from ci.errors import MlopsError
from ci.files import write_whole
from ci.label.known import labelled
from ci.label.shape import Shape, as_text, row_id
from ci.label.unsure import require_labels, sureness

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from ci.contract.model import ModelContract
    from ci.repository import Repository

FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True)
class Offered:
    """What was written: ``rows`` of them to ``file``; ``looked_at`` many there were to choose."""

    model: str
    file: str
    rows: int
    looked_at: int
    label: str


@dataclass(frozen=True)
class Choice:
    """How many rows at most, and what makes one unsure."""

    rows: int
    threshold: float = 0.5
    uncertainty: str | None = None


def offer(
    repository: Repository, name: str, choice: Choice, output: Path, scored: Path | None = None
) -> Offered:
    """Write the rows that ``name`` was least sure of: of its calls here, or of ``scored``.

    Of rows with the same inputs one is offered, and none where one is labelled already.

    Raises:
        MlopsError: ``unknown_model``, ``bad_contract``, ``no_label``, ``no_uncertainty``,
            ``not_deployed``, ``bad_table``, ``file_exists`` or ``nothing_to_label``.
    """
    contract = load_model_contract(repository, name)
    require_labels(contract)
    if output.exists():
        raise MlopsError(
            "file_exists",
            f"{output} exists, and somebody may have written labels into it; give another "
            "--output.",
        )
    shape = Shape(contract)
    table, ids = _scored(contract, scored) if scored else _logged(repository, contract)
    table = table.assign(**{shape.row: ids})
    table["_sure"] = sureness(contract, table, choice.threshold, choice.uncertainty)
    table["_inputs"] = _inputs(shape, table)
    known = {tuple(line[k] for k in shape.inputs) for line in labelled(repository, shape).values()}
    left = table[table["_sure"].notna() & ~table["_inputs"].isin(known)]
    left = left.sort_values("_sure", kind="stable").drop_duplicates("_inputs")
    if left.empty:
        raise MlopsError(
            "nothing_to_label",
            f"Of {len(table):,} predictions of {name} none is left to label; try again once there "
            "are more.",
        )
    chosen = left.head(choice.rows)
    _remember(repository, shape, chosen)
    write_whole(output, _for_people(shape, chosen))
    return Offered(name, str(output), len(chosen), len(table), shape.label)


def offered_file(repository: Repository, model: str) -> Path:
    """All rows that were ever offered here, as they are to come to the dataset."""
    return repository.state_dir / "label" / f"{model}.csv"


def read_offered(repository: Repository, shape: Shape) -> dict[str, dict[str, str]]:
    """Row's name to its inputs as text, of all rows that were offered here."""
    path = offered_file(repository, shape.contract.name)
    if not path.is_file():
        return {}
    with path.open(newline="", encoding="utf-8") as file:
        return {line.pop(shape.row): line for line in csv.DictReader(file)}


def _logged(repository: Repository, contract: ModelContract) -> tuple[pd.DataFrame, list[str]]:
    """What callers asked of the version in production here."""
    from ci.monitor.logged import REQUEST, ROW, all_logged
    from ci.registry.champion import champion
    from ci.release.operate import not_deployed
    from ci.targets.launch import records_dir

    live = champion(repository, contract.name)
    if live is None:
        raise not_deployed(contract.name)
    table = all_logged(live, records_dir(repository, contract.name))
    pairs = zip(table[REQUEST], table[ROW], strict=True)
    return table, [row_id(live.version, *pair) for pair in pairs]


def _scored(contract: ModelContract, path: Path) -> tuple[pd.DataFrame, list[str]]:
    """A table of predictions without rows that the contract forbids.

    A row is known by where it stands in this very file.
    """
    import pandas as pd

    from ci.evaluate.table import read_table, values
    from ci.files import file_digest

    table = read_table(path, str(path))
    missing = [name for name in [*contract.input, contract.answer] if name not in table]
    if missing:
        raise MlopsError(
            "bad_table", f"{path} has no column {missing[0]}, which {contract.name} asks for."
        )
    digest = file_digest(path)
    good = pd.Series(True, index=table.index)
    for name, column in contract.input.items():
        table[name] = pd.Series(values(table[name], column.type), dtype=object)
        good &= table[name].map(lambda value, of=column: of.problem_of(value) is None)
    ids = [row_id(digest, number) for number in table.index[good]]
    return table[good].reset_index(drop=True), ids


def _inputs(shape: Shape, table: pd.DataFrame) -> list[tuple[str, ...]]:
    """What is asked in each row, as text: the same question is asked of people once."""
    cells = table[shape.inputs].astype(object).itertuples(index=False)
    return [tuple(shape.texts(line)) for line in cells]


def _remember(repository: Repository, shape: Shape, chosen: pd.DataFrame) -> None:
    known = read_offered(repository, shape)
    for row, inputs in zip(chosen[shape.row], chosen["_inputs"], strict=True):
        known[row] = dict(zip(shape.inputs, inputs, strict=True))
    columns = [shape.row, *shape.inputs]
    rows = [[row, *(line[name] for name in shape.inputs)] for row, line in known.items()]
    write_whole(offered_file(repository, shape.contract.name), _csv([columns, *rows]))


def _for_people(shape: Shape, chosen: pd.DataFrame) -> str:
    """With the mark that lets spreadsheets read UTF-8, and no text that they take for a formula."""
    output = shape.contract.answer
    header = [shape.row, *shape.inputs, shape.predicted, shape.label]
    kind, rows = shape.contract.output[output].type, [header]
    for row, inputs, answer in zip(
        chosen[shape.row], chosen["_inputs"], chosen[output], strict=True
    ):
        rows.append([row, *map(_harmless, [*inputs, as_text(kind, answer)]), ""])
    return "\ufeff" + _csv(rows)


def _harmless(text: str) -> str:
    return f"'{text}" if text.startswith(FORMULA) and not _is_number(text) else text


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _csv(rows: list[list[str]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()
