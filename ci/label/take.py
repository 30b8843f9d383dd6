"""`mlops label take`: what people labelled becomes the next version of the model's dataset."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ci.codeowners import keep_codeowners
from ci.contract.dataset import load_dataset
from ci.contract.model import load_model_contract
from ci.dataset.add import dvc_tracked, incoming, put_version
from ci.dataset.tabular import open_table
from ci.dataset.validate import validate
from ci.dataset.writing import contract_yaml
from ci.errors import MlopsError
from ci.files import write_whole
from ci.label.known import labelled, labels_table
from ci.label.offer import read_offered
from ci.label.shape import TABLE, Shape, as_text
from ci.label.unsure import require_labels

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ci.repository import Repository

PIECE_ROWS = 100_000


@dataclass(frozen=True)
class Taken:
    """What became of the file: ``added`` rows came to ``dataset``, which has ``rows`` now."""

    model: str
    dataset: str
    added: int
    rows: int
    unlabelled: int
    first: bool


def take(repository: Repository, name: str, file: Path) -> Taken:
    """Add the labelled rows of ``file`` to the dataset of ``name``, all or none.

    The inputs are those that were offered, whatever a spreadsheet made of them since. Rows whose
    label is there already are passed over.

    Raises:
        MlopsError: ``unknown_model``, ``bad_contract``, ``no_label``, ``bad_table``,
            ``bad_labels``, ``bad_data``, ``busy`` or ``dvc_failed``; nothing is written.
    """
    contract = load_model_contract(repository, name)
    require_labels(contract)
    shape = Shape(contract)
    found, unlabelled = _read(shape, file)
    offered = read_offered(repository, shape)
    known = {row: line[shape.label] for row, line in labelled(repository, shape).items()}
    for row, label in found.items():
        if row not in offered:
            raise _bad(
                file,
                f"the row {row} was not offered by this checkout; label the file that `mlops label "
                f"offer {name}` wrote here",
            )
        if known.get(row, label) != label:
            raise _bad(
                file,
                f"the row {row} has the label {label}, and was labelled {known[row]} before; "
                f"correct one of them (data/{shape.dataset})",
            )
    new = {row: label for row, label in found.items() if row not in known}
    first = labels_table(repository, shape) is None
    if new:
        lines = [[row, *offered[row].values(), label] for row, label in new.items()]
        _next_version(repository, shape, lines)
    return Taken(name, shape.dataset, len(new), len(known) + len(new), unlabelled, first)


def _read(shape: Shape, file: Path) -> tuple[dict[str, str], int]:
    """Row's name to its label, and how many rows have none."""
    table = open_table(file, [shape.row])
    missing = [name for name in (shape.row, shape.label) if name not in table.columns]
    if missing:
        raise _bad(
            file, f"it has no column {missing[0]}; keep the columns that it was written with"
        )
    found: dict[str, str] = {}
    unlabelled = 0
    for line, (row, label) in enumerate(_cells(shape, table), start=2):
        if not row and label is None:
            continue
        if not row:
            raise _bad(file, f"line {line} has no {shape.row}; leave that column as it was")
        if row in found:
            raise _bad(file, f"the row {row} is there twice; keep one of them")
        if label is None:
            unlabelled += 1
            continue
        found[row] = _label(shape, file, line, label)
    if not found:
        raise _bad(file, f"no row has a label; write the right answer into {shape.label}")
    return found, unlabelled


def _cells(shape: Shape, table: Any) -> Iterator[tuple[str | None, str | None]]:
    import pyarrow as pa

    for piece in table.tables(PIECE_ROWS):
        rows, labels = (
            piece.column(name).cast(pa.string()).to_pylist() for name in (shape.row, shape.label)
        )
        yield from zip(rows, labels, strict=True)


def _label(shape: Shape, file: Path, line: int, text: str) -> str:
    """The label in the form of the dataset.

    Raises:
        MlopsError: ``bad_labels``.
    """
    rules = shape.answer
    try:
        value = _value(rules.type, text)
    except ValueError:
        wanted = {"integer": "whole number", "number": "number"}.get(rules.type, rules.type)
        raise _bad(file, f"line {line}: {shape.label} is {text!r}, not a {wanted}") from None
    problem = rules.problem_of(value)
    if problem:
        raise _bad(file, f"line {line}: {shape.label} is {text!r}: {problem}")
    return as_text(rules.type, value)


def _value(kind: str, text: str) -> float | int | str:
    if kind == "string":
        return text
    number = float(text)
    if kind == "number":
        return number
    if not number.is_integer():
        raise ValueError(text)
    return int(number)


def _next_version(repository: Repository, shape: Shape, lines: list[list[str]]) -> None:
    """The dataset with ``lines`` more, checked; appears by renames when all of it is done."""
    target = repository.data_dir / shape.dataset
    current = labels_table(repository, shape)
    dataset = load_dataset(repository, shape.dataset) if current else shape.contract_of_dataset()
    with incoming(repository, shape.dataset) as folder:
        made = folder / "tables" / f"{TABLE}.csv"
        made.parent.mkdir()
        old = current.read_text(encoding="utf-8") if current else None
        with made.open("w", newline="", encoding="utf-8") as file:
            file.write(old or "")
            writer = csv.writer(file, lineterminator="\n")
            if old is None:
                writer.writerow([shape.row, *shape.inputs, shape.label])
            writer.writerows(lines)
        violations = validate(dataset, folder)
        if violations:
            raise MlopsError(
                "bad_data",
                f"The labelled rows were refused: {violations[0].sentence()} Nothing was changed; "
                f"correct data/{shape.dataset}/dataset.yaml where they are right.",
            )
        if current is None:
            write_whole(folder / "dataset.yaml", contract_yaml(dataset))
        dvc_tracked(repository, folder, made)
        if current is None:
            target.parent.mkdir(exist_ok=True)
            folder.rename(target)
        else:
            put_version(made, current)
    keep_codeowners(repository)


def _bad(file: Path, problem: str) -> MlopsError:
    return MlopsError("bad_labels", f"{file.name}: {problem}. Nothing was written.")
