"""`mlops data add`: anyone's file becomes a dataset, whole or not at all."""

from __future__ import annotations

import shutil
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ci.busy import only_one
from ci.console import step
from ci.contract.access import AccessPolicy
from ci.contract.dataset import Dataset, Table
from ci.contract.policy import load_policy
from ci.dataset.dates import as_iso
from ci.dataset.dialect import refuse
from ci.dataset.infer import ColumnProfile
from ci.dataset.tabular import open_table
from ci.dataset.validate import validate
from ci.dataset.values import as_type
from ci.dataset.writing import contract_yaml, write_csv
from ci.errors import MlopsError
from ci.files import write_whole
from ci.pipeline.dvc import environment
from ci.repository import check_name

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pyarrow as pa

    from ci.dataset.table_file import TableFile
    from ci.repository import Repository

ROWS_PER_CHUNK = 100_000


@dataclass(frozen=True)
class Added:
    """A new dataset: ``path`` is its folder, from the root of the repository."""

    name: str
    path: str
    rows: int
    columns: list[str]
    notes: list[str]


def add_dataset(repository: Repository, file: Path, name: str, owner: str) -> Added:
    """Bring the CSV or Parquet ``file`` in as the dataset ``name``, tracked by DVC.

    The folder appears in data/ by one rename, when all in it is done.

    Raises:
        MlopsError: ``bad_name``, ``unknown_team``, ``dataset_exists``, ``bad_table`` or
            ``dvc_failed``.
        ProblemsError: ``bad_policy``.
    """
    check_name(name, "dataset")
    load_policy(repository, AccessPolicy).team(owner)
    target = repository.data_dir / name
    _refuse_existing(repository, target)
    source = open_table(file)
    with incoming(repository, name) as folder, step(f"Reading {file.name}"):
        (folder / "tables").mkdir()
        csv_path = folder / "tables" / f"{name}.csv"
        profiles = _copy(source, csv_path)
        dataset = _contract(name, owner, file, profiles)
        _check_copy(dataset, folder, file)
        write_whole(folder / "dataset.yaml", contract_yaml(dataset))
        dvc_tracked(repository, folder, csv_path)
        _refuse_existing(repository, target)
        target.parent.mkdir(exist_ok=True)
        folder.rename(target)
    return Added(
        name, repository.relative(target), profiles[0].rows, source.columns, source.notes
    )  # fmt: skip


def _refuse_existing(repository: Repository, target: Path) -> None:
    if target.exists():
        raise MlopsError(
            "dataset_exists",
            f"There is already a dataset {repository.relative(target)}; choose another --name, or "
            "delete that folder first.",
        )


@contextmanager
def incoming(repository: Repository, name: str) -> Iterator[Path]:
    """A folder outside data/ that is gone afterwards, unless it was renamed."""
    outer = repository.state_dir / "incoming" / name
    with only_one(repository, "data add", name):
        shutil.rmtree(outer, ignore_errors=True)  # what a killed command left
        try:
            folder = outer / name
            folder.mkdir(parents=True)
            yield folder
        finally:
            shutil.rmtree(outer, ignore_errors=True)


def _copy(source: TableFile, path: Path) -> list[ColumnProfile]:
    profiles = [ColumnProfile(column) for column in source.columns]
    for table in write_csv(_dated(source), path):
        for profile, column in zip(profiles, table.combine_chunks().columns, strict=True):
            for chunk in column.chunks:
                profile.add(chunk)
    return profiles


def _dated(source: TableFile) -> Iterator[pa.Table]:
    """The rows, with ISO dates in the columns whose texts all are dates."""
    import pyarrow as pa

    first = 1
    for table in source.tables(ROWS_PER_CHUNK):
        columns = dict(zip(table.column_names, table.columns, strict=True))
        for name, written in source.dates.items():
            columns[name] = as_iso(columns[name].combine_chunks(), written)
            _require_dates(columns[name], name, source.path, first)
        yield pa.table(columns)
        first += table.num_rows


def _require_dates(texts: pa.Array, name: str, file: Path, first: int) -> None:
    import pyarrow.compute as pc

    bad = as_type(texts, "timestamp")[1]
    if bad is not None:
        place = pc.index(bad, True).as_py()
        raise refuse(
            file, f"column {name} holds {texts[place]} in row {first + place:,}, which is no day"
        )


def _contract(name: str, owner: str, file: Path, profiles: list[ColumnProfile]) -> Dataset:
    columns = {profile.name: profile.contract() for profile in profiles}
    personal = any(rules.pii for rules in columns.values())
    return Dataset(
        name=name,
        description=f"The table {file.name}, as it was brought in; say here what a row is.",
        owner=owner,
        source=f"The file {file.name}; say here who made it and when.",
        licence="Unknown; say here who may use it and what for.",
        pii="direct" if personal else "none",
        retention="Undecided; say here when it is to be deleted.",
        tables={name: Table(file=f"tables/{name}.csv", columns=columns)},
    )


def _check_copy(dataset: Dataset, folder: Path, file: Path) -> None:
    """The copy must keep the contract that was read from it; else it was not read rightly."""
    violations = validate(dataset, folder)
    if violations:
        raise MlopsError(
            "bad_table",
            f"{file.name} can't be brought in: {violations[0].sentence()} Correct the file and "
            "try again.",
        )


def dvc_tracked(repository: Repository, folder: Path, csv_path: Path) -> None:
    """Let DVC track the table into this repository's cache.

    DVC runs in a small repository of its own around the incoming folder, so that data/ never
    holds a table that DVC does not know.
    """
    cache = _dvc(repository.root, "cache", "dir")
    inner = folder.parent / ".dvc"
    write_whole(inner / "config", f"[core]\n    no_scm = true\n[cache]\n    dir = {cache}\n")
    _dvc(folder, "add", str(csv_path.relative_to(folder)))
    write_whole(csv_path.parent / ".gitignore", f"/{csv_path.name}\n")


def put_version(made: Path, target: Path) -> None:
    """Put the table ``made``, which DVC tracks, with its record in the place of ``target``.

    The record comes last: until then, a run that is killed has changed no version.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    ignored = target.with_name(".gitignore")
    lines = ignored.read_text(encoding="utf-8").splitlines() if ignored.exists() else []
    if f"/{target.name}" not in lines:
        write_whole(ignored, "".join(f"{line}\n" for line in [*lines, f"/{target.name}"]))
    for name in (target.name, f"{target.name}.dvc"):
        made.with_name(name).replace(target.with_name(name))


def _dvc(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "dvc", *arguments],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        said = [
            line for line in (done.stdout + done.stderr).splitlines() if line.startswith("ERROR: ")
        ]
        reason = said[0].removeprefix("ERROR: ") if said else f"exit code {done.returncode}"
        raise MlopsError(
            "dvc_failed",
            f"DVC could not track the data ({reason}); nothing was changed. Put that right and "
            "try again.",
        )
    return done.stdout.strip()


__all__ = ["Added", "add_dataset", "dvc_tracked", "incoming"]
