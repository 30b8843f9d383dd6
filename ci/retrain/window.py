"""The window of a model's training, moved to where the data ends now."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from ci.contract.dataset import dataset_dir, load_dataset
from ci.contract.model import load_model_contract
from ci.errors import MlopsError
from ci.files import write_whole
from ci.params import read_values, with_values

if TYPE_CHECKING:
    from pathlib import Path

    from ci.contract.columns import Scalar
    from ci.contract.model import ModelContract
    from ci.contract.retraining import Window
    from ci.repository import Repository

PIECE_ROWS = 1_000_000


@dataclass(frozen=True)
class Moved:
    """``newest`` is the newest value of ``column`` in the data.

    ``changes`` maps a key to its old and new value; ``path`` is the params.yaml, from the root.
    """

    column: str
    newest: int | date
    changes: dict[str, tuple[Scalar, Scalar]]
    path: str


def retraining_of(contract: ModelContract) -> Window:
    """The window that the contract declares.

    Raises:
        MlopsError: ``no_retraining``.
    """
    if contract.retraining is None:
        raise MlopsError(
            "no_retraining",
            f"models/{contract.name}/model.yaml has no key retraining; say there with window: "
            "which parameters move with the data.",
        )
    return contract.retraining.window


def move(repository: Repository, name: str) -> Moved:
    """Write the window of today's data into params.yaml; nothing is written where it is there.

    Raises:
        MlopsError: ``unknown_model``, ``bad_contract``, ``no_retraining``, ``unknown_dataset``,
            ``bad_window``, ``no_data``, ``no_parameter`` or ``bad_yaml``.
    """
    contract = load_model_contract(repository, name)
    window = retraining_of(contract)
    path = repository.model_dir(name) / "params.yaml"
    shown = repository.relative(path)
    now = read_values(path, shown, window.parameters)
    newest = newest_value(repository, window, f"models/{name}/model.yaml")
    wanted = {key: _placed(newest, offset) for key, offset in window.parameters.items()}
    changes = {key: (now[key], new) for key, new in wanted.items() if str(now[key]) != str(new)}
    _keep_in_range(contract, changes)
    if changes:
        text = path.read_text(encoding="utf-8")
        write_whole(path, with_values(text, {key: new for key, (_, new) in changes.items()}))
    return Moved(window.column, newest, changes, shown)


def _placed(newest: int | date, offset: int) -> Scalar:
    if isinstance(newest, date):
        return (newest + timedelta(days=offset)).isoformat()
    return newest + offset


def _keep_in_range(contract: ModelContract, changes: dict[str, tuple[Scalar, Scalar]]) -> None:
    for key, (_, new) in changes.items():
        declared = contract.parameters.get(key)
        if declared and (problem := declared.problem_of(new)):
            raise MlopsError(
                "bad_window",
                f"models/{contract.name}/model.yaml: retraining.window would set {key} to {new!r}, "
                f"which `parameters` forbids: {problem}.",
            )


def newest_value(repository: Repository, window: Window, contract: str) -> int | date:
    """The newest value of the window's column, missing ones left out.

    Raises:
        MlopsError: ``unknown_dataset``, ``bad_window``, ``no_data``.
    """
    dataset = load_dataset(repository, window.dataset)
    table = dataset.tables.get(window.table)
    if table is None or window.column not in table.columns:
        known = ", ".join(sorted(table.columns if table else dataset.tables))
        what = f"column {window.column!r}" if table else f"table {window.table!r}"
        raise MlopsError(
            "bad_window",
            f"{contract}: retraining.window: data/{window.dataset} has no {what}; there are: "
            f"{known}.",
        )
    path = dataset_dir(repository, window.dataset) / table.file
    if not path.is_file():
        raise MlopsError(
            "no_data",
            f"{repository.relative(path)} is not here; `mlops train` of a model that reads it "
            "brings it.",
        )
    found = _newest(path, window.column)
    if found is None:
        raise MlopsError(
            "bad_window",
            f"{repository.relative(path)}: the column {window.column} holds neither whole numbers "
            "nor ISO dates; name another under retraining.window.",
        )
    return found


def _newest(path: Path, column: str) -> int | date | None:
    """Read piece by piece: a table of any size takes the same memory."""
    import pandas as pd

    pieces: Any
    if path.suffix == ".parquet":
        pieces = [pd.read_parquet(path, columns=[column])]
    else:
        pieces = pd.read_csv(path, usecols=[column], dtype=str, chunksize=PIECE_ROWS)
    best: int | date | None = None
    for piece in pieces:
        values = piece[column].dropna()
        if values.empty:
            continue
        top = _whole(values) if _is_whole(values) else _day(values)
        if top is None or type(top) is not type(best or top):
            return None
        best = top if best is None else max(best, top)
    return best


def _is_whole(values: Any) -> bool:
    return bool(values.astype(str).str.fullmatch(r"-?\d{1,9}(\.0)?").all())


def _whole(values: Any) -> int:
    return int(values.astype(float).max())


def _day(values: Any) -> date | None:
    texts = values.astype(str).str.slice(0, 10)
    if not texts.str.fullmatch(r"\d{4}-\d\d-\d\d").all():
        return None
    try:
        return date.fromisoformat(texts.max())
    except ValueError:
        return None
