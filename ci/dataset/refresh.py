"""`mlops data refresh`: new rows from where the dataset says become its next version, whole."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from ci.assets.objects import file_md5
from ci.clock.inputs import bring_dataset, ensure_dataset
from ci.console import step
from ci.contract.dataset import dataset_dir, load_dataset
from ci.dataset.add import dvc_tracked, incoming, put_version
from ci.dataset.changes import Change, compare, in_words
from ci.dataset.cleaning import Cleaner
from ci.dataset.dates import PROVED, SAID
from ci.dataset.forms import forms_of
from ci.dataset.tabular import open_table
from ci.dataset.validate import validate
from ci.dataset.writing import write_csv
from ci.errors import MlopsError
from ci.fingerprint import recorded_digest
from ci.report.markdown import plain
from ci.storage.fetch import as_said_of, fetch, shown

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pyarrow as pa

    from ci.contract.dataset import Dataset, Table
    from ci.contract.refresh import Refresh
    from ci.dataset.table_file import TableFile
    from ci.repository import Repository

PIECE_ROWS = 100_000


@dataclass(frozen=True)
class Refreshed:
    """What became of a dataset; with ``new`` false the source holds what is here already.

    ``notes`` say how the source was read, where that is not as it is written here.
    """

    name: str
    table: str
    source: str
    new: bool
    rows_before: int
    rows: int
    notes: list[str]
    cleaned: dict[str, int]
    changes: list[Change]

    def as_json(self) -> dict[str, Any]:
        """The answer of the command."""
        return asdict(self)

    def words(self) -> str:
        """What changed, as Markdown for the reviewer of a pull request."""
        if not self.new:
            return f"data/{self.name}: {self.source} holds what is here already."
        lines = [
            f"`{self.table}` of `data/{self.name}`, read from `{self.source}`: "
            f"{self.rows:,} rows, {self._since()}.",
            "",
            *(f"- {plain(note)}" for note in self.notes),
            *(f"- {plain(what)}: {number:,}" for what, number in self.cleaned.items()),
        ]
        if self.rows_before:
            unmoved = ["- No range, share of missing values or value shifted."]
            lines += in_words(self.changes) or unmoved
        return "\n".join(lines)

    def _since(self) -> str:
        if not self.rows_before:
            return "the first version"
        return f"{self.rows - self.rows_before:+,} since the version before"


def refresh_dataset(repository: Repository, name: str, waiting: Path | None = None) -> Refreshed:
    """Read the declared source, clean it, hold it against the contract, and make it the version.

    ``waiting`` is a table that an earlier reading made of the version here, and that nobody has
    merged yet: rows are added to it. Whatever is refused leaves the dataset as it was.

    Raises:
        MlopsError: ``no_refresh``, ``bad_source``, ``bad_table``, ``bad_data``, ``dvc_failed``.
    """
    dataset = load_dataset(repository, name)
    rules, called, table = declared(repository, dataset)
    target = dataset_dir(repository, name) / table.file
    recorded = recorded_digest(repository.root, repository.relative(target))
    there = recorded or target.is_file()
    # Rows that are replaced may lack what the contract asks of the next ones.
    current_of = ensure_dataset if rules.mode == "append" else bring_dataset
    current = current_of(repository, name, called) if there else None
    source = shown(rules.source)
    with incoming(repository, name) as folder, step(f"{name}: reading {source}"):
        verbatim = _texts(table, "string", "timestamp")
        fetched, notes = fetch(rules.source, repository.root, folder / "fetched", verbatim)
        made = folder / table.file
        made.parent.mkdir(parents=True, exist_ok=True)
        old = (waiting or current) if rules.mode == "append" else None
        with as_said_of(rules.source):
            new_rows = open_table(fetched, verbatim)
            cleaner = Cleaner(table, rules.clean, _dates(dataset, table, rules, new_rows))
            for _ in write_csv(_pieces(table, cleaner, old, new_rows), made):
                pass
        _require_valid(dataset, called, table, folder)
        dropped = _dropped(table, rules, current) if current and rules.mode == "append" else None
        found = compare(table, current, made, dropped)
        known = current is not None and file_md5(current) == recorded
        new = not (found.same and known)
        if new:
            dvc_tracked(repository, folder, made)
            put_version(made, target)
    return Refreshed(
        name,
        called,
        source,
        new,
        found.rows_before,
        found.rows,
        [*notes, *new_rows.notes],
        cleaner.counts,
        found.changes,
    )


def declared(repository: Repository, dataset: Dataset) -> tuple[Refresh, str, Table]:
    """What `dataset.yaml` says of new rows, and the name and rules of the table that they go to.

    Raises:
        MlopsError: ``no_refresh``: it says nothing, or a stage makes the tables.
    """
    where = f"data/{dataset.name}/dataset.yaml"
    rules = dataset.refresh
    if rules is None:
        raise MlopsError("no_refresh", f"{where} has no key refresh; say there where rows are.")
    if (dataset_dir(repository, dataset.name) / "dvc.yaml").is_file():
        raise MlopsError(
            "no_refresh",
            f"data/{dataset.name}/dvc.yaml makes its tables: let its stage read the source, and "
            "leave refresh out.",
        )
    return rules, *dataset.refreshed_table(rules)


def _dates(dataset: Dataset, table: Table, rules: Refresh, file: TableFile) -> dict[str, str]:
    """How the columns of times are written: as declared, else as the column proves by itself."""
    forms = forms_of(file.batches(), _texts(table, "timestamp"))
    for name, found in forms.items():
        if found.seen.keys() - {"marker"} == {"either_first"} and name not in rules.clean.dates:
            row, text = found.seen["either_first"]
            raise MlopsError(
                "bad_data",
                f"The new rows were refused: {text} in row {row:,}, column {name}, may be one of "
                f"two days; say under refresh.clean in data/{dataset.name}/dataset.yaml which: "
                f"dates: {{{name}: day_first}}, or month_first. Nothing was changed.",
            )
    said = {name: way for name, way in rules.clean.dates.items() if name in forms}
    proved = {name: found.kind for name, found in forms.items()}
    plain = {name: kind for name, kind in proved.items() if kind in SAID and kind not in PROVED}
    return {**proved, **said, **plain}


def _texts(table: Table, *kinds: str) -> list[str]:
    return [name for name, rules in table.columns.items() if rules.type in kinds]


def _pieces(table: Table, cleaner: Cleaner, old: Path | None, new: TableFile) -> Iterator[pa.Table]:
    """The rows of the next version, in the order of the contract's columns."""
    if old is not None:
        for piece in open_table(old, _texts(table, "string")).tables(PIECE_ROWS):
            yield _in_order(cleaner.old_rows(piece), table)
    for piece in new.tables(PIECE_ROWS):
        yield _in_order(cleaner.clean(piece), table)


def _dropped(table: Table, rules: Refresh, current: Path) -> int:
    """How many rows of the version here its next one leaves out, since they repeat others."""
    if rules.clean.duplicates != "drop" or table.key:  # a key says that none do
        return 0
    file, cleaner = open_table(current, _texts(table, "string")), Cleaner(table, rules.clean)
    kept: int = sum(cleaner.old_rows(piece).num_rows for piece in file.tables(PIECE_ROWS))
    return file.rows - kept


def _in_order(piece: pa.Table, table: Table) -> pa.Table:
    """Columns in the contract's order, as text; what is missing or unknown is left to be seen."""
    import pyarrow as pa
    import pyarrow.compute as pc

    known = [name for name in table.columns if name in piece.column_names]
    others = [name for name in piece.column_names if name not in table.columns]
    texts = {name: piece.column(name).cast(pa.string()) for name in [*known, *others]}
    for name in known:
        # Old rows may have true and new ones True, and R takes a column of both for text.
        if table.columns[name].type == "boolean":
            texts[name] = pc.utf8_lower(texts[name])
    return pa.table(texts)


def _require_valid(dataset: Dataset, called: str, table: Table, folder: Path) -> None:
    alone = dataset.model_copy(update={"tables": {called: table}})
    violations = validate(alone, folder)
    if violations:
        more = f" Other rules are broken, too: {len(violations) - 1}." if violations[1:] else ""
        raise MlopsError(
            "bad_data",
            f"The new rows were refused: {violations[0].sentence()}{more} Nothing was changed; "
            f"correct the source, or data/{dataset.name}/dataset.yaml where the rows are right.",
        )


__all__ = ["Refreshed", "declared", "refresh_dataset"]
