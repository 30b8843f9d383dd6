"""Predictions for evaluation, by the same runners that serve and score."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ci.errors import MlopsError
from ci.evaluate.pool import open_pool
from ci.evaluate.table import bad_table, rows_in_words, values

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import pandas as pd

    from bentos.frames import Frame
    from ci.contract.columns import Column
    from ci.contract.model import ModelContract
    from ci.evaluate.answers import Predictions
    from ci.evaluate.candidate import Servable

CHUNK_TIMEOUT_SECONDS = 60.0


def predict(servable: Servable, table: pd.DataFrame, shown: str, log: Path) -> Predictions:
    """The model's answers for all rows of ``table``, by output column, in the contract's chunks.

    Raises:
        MlopsError: ``bad_table`` where a row breaks the input contract, ``bad_predictions``
            where an answer breaks the output contract, or what the runner says.
    """
    frame = _frame(servable.contract.input, table, shown)
    answers = _run(servable, frame, log)
    _check_answers(servable.contract, answers, shown)
    return answers


def _frame(columns: Mapping[str, Column], table: pd.DataFrame, shown: str) -> Frame:
    from bentos.frames import Frame, column_from_values
    from bentos.rows import RowsError, check_columns

    rules = {name: column.model_dump() for name, column in columns.items()}
    found = {name: values(table[name], column.type) for name, column in columns.items()}
    try:
        tidy = check_columns(rules, found)
    except RowsError as error:
        raise bad_table(shown, _row_problem(error.problems)) from None
    return Frame(
        {
            name: column_from_values(tidy[name], column.type, nullable=column.nullable, name=name)
            for name, column in columns.items()
        }
    )


def _row_problem(problems: list[Any]) -> str:
    first = problems[0]
    same = [p.index for p in problems if (p.column, p.problem) == (first.column, first.problem)]
    return f"the column {first.column} {first.problem}, but does not in {rows_in_words(same)}"


def _run(servable: Servable, frame: Frame, log: Path) -> dict[str, list[Any]]:
    contract = servable.contract
    answers: dict[str, list[Any]] = {name: [] for name in contract.output}
    with open_pool(servable, log, CHUNK_TIMEOUT_SECONDS) as pool:
        for begin in range(0, frame.rows, contract.serving.max_rows):
            chunk = frame.slice(begin, min(begin + contract.serving.max_rows, frame.rows))
            for name, found in pool.predict(chunk).to_lists().items():
                answers[name] += found
    return answers


def _check_answers(contract: ModelContract, answers: Predictions, shown: str) -> None:
    for name, column in contract.output.items():
        rows = [row for row, value in enumerate(answers[name]) if column.problem_of(value)]
        if rows:
            value = answers[name][rows[0]]
            raise MlopsError(
                "bad_predictions",
                f"{contract.predict_file} predicted {name} = {value!r} in {rows_in_words(rows)} of "
                f"{shown}, but model.yaml says that it {column.problem_of(value)}; mend the model "
                "or the contract.",
            )
