"""`mlops new`: templates, filled in for one dataset, become a folder in one rename."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from importlib import resources
from typing import TYPE_CHECKING

from ci.contract.access import AccessPolicy
from ci.contract.dataset import dataset_dir, load_dataset
from ci.contract.model import read_model_contract
from ci.contract.policy import load_policy
from ci.errors import MlopsError
from ci.report.markdown import plain
from ci.repository import check_name
from ci.scaffold.columns import choose
from ci.scaffold.contract import Head, contract_text, names, suggested
from ci.scaffold.look import ANALYSIS_SHARE, holdout_share, look
from ci.scaffold.render import pairs, render, text, texts

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ci.contract.dataset import Dataset, Table
    from ci.repository import Repository
    from ci.scaffold.columns import Plan

DEFAULT_DATASET = "household-spend"
DEFAULT_TARGET = "next_spend"
EXTENSIONS = {"python": "py", "r": "R", "julia": "jl"}
COMMANDS = {"python": "python", "r": "Rscript", "julia": "julia --startup-file=no"}
LANGUAGE_NAMES = {"python": "Python", "r": "R", "julia": "Julia"}


def new_model(
    repository: Repository,
    name: str,
    language: str,
    dataset: str | None = None,
    target: str | None = None,
    owner: str | None = None,
    description: str | None = None,
) -> Path:
    """Make `models/NAME/` and return it; nothing is left behind where that fails.

    Without ``dataset`` it is household-spend and its next_spend; ``owner`` is by default the
    team that owns the data. ``description`` is one sentence that anybody may have written.

    Raises:
        MlopsError: ``bad_name``, ``model_exists``, ``unknown_dataset``, ``several_tables``,
            ``unreadable_table``, ``no_target``, ``unknown_target``, ``unsupported_target``,
            ``no_inputs`` or ``unknown_team``.
        ProblemsError: ``bad_dataset`` or ``bad_policy``.
    """
    check_name(name, "model")
    folder = repository.models_dir / name
    _refuse_existing(repository, folder)
    if dataset is None:
        dataset, target = DEFAULT_DATASET, target or DEFAULT_TARGET
    data = load_dataset(repository, dataset)
    table = _only_table(data, language)
    seen = look(dataset_dir(repository, dataset) / table.file, table)
    plan = choose(table, target, seen, dataset)
    owner = owner or data.owner
    load_policy(repository, AccessPolicy).team(owner)
    said = description or suggested(plan)
    head = Head(name, owner, language, dataset, said)
    contract = contract_text(head, plan, table.columns[plan.target], seen)
    with _incoming(repository) as made:
        held = holdout_share(seen.rows, dated=plan.time is not None)
        _fill(made, language, _words(head, data, table, plan, held), plan)
        (made / "model.yaml").write_text(contract, encoding="utf-8", newline="\n")
        read_model_contract(made / "model.yaml", f"models/{name}/model.yaml")
        _refuse_existing(repository, folder)
        repository.models_dir.mkdir(exist_ok=True)
        made.rename(folder)
    return folder


def _refuse_existing(repository: Repository, folder: Path) -> None:
    if folder.exists():
        raise MlopsError(
            "model_exists",
            f"There is already a {repository.relative(folder)}; choose another name, or delete "
            "that folder first.",
        )


def _only_table(dataset: Dataset, language: str) -> Table:
    if len(dataset.tables) > 1:
        raise MlopsError(
            "several_tables",
            f"data/{dataset.name} has several tables ({', '.join(dataset.tables)}), and a new "
            "model reads one; join them to one file and type: mlops data add FILE --name NAME",
        )
    table = next(iter(dataset.tables.values()))
    compressed = table.file.endswith(".csv.gz") and language == "julia"
    if compressed or (table.file.endswith(".parquet") and language != "python"):
        raise MlopsError(
            "unreadable_table",
            f"A new model in {LANGUAGE_NAMES[language]} can't read "
            f"data/{dataset.name}/{table.file}; bring the file in as plain CSV with: "
            "mlops data add FILE --name NAME",
        )
    return table


@contextmanager
def _incoming(repository: Repository) -> Iterator[Path]:
    """An empty folder outside models/ that is gone afterwards, unless it was renamed."""
    outer = repository.state_dir / "incoming"
    outer.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=outer, prefix="new-") as directory:
        made = outer / directory / "model"
        made.mkdir()
        yield made


def _fill(folder: Path, language: str, words: dict[str, str], plan: Plan) -> None:
    sections = {"regression" if plan.yes is None else "classification"}
    sections.add("time" if plan.time else "random")
    if plan.unit is None:
        sections.add("row_id")
    if language != "python":
        sections.add("table_file")
    templates = resources.files("ci.scaffold") / "templates"
    for source in ("common", language):
        for template in (templates / source).iterdir():
            if not template.is_file():
                continue
            content = render(template.read_text(encoding="utf-8"), words, sections)
            # A file of this name would hide templates from Git.
            file = ".gitignore" if template.name == "gitignore" else template.name
            (folder / file).write_text(content, encoding="utf-8", newline="\n")


def _words(head: Head, dataset: Dataset, table: Table, plan: Plan, held: float) -> dict[str, str]:
    language = head.language
    train = 1 - held - ANALYSIS_SHARE
    named = names(plan)
    columns = {each.name: each.header for each in plan.inputs}
    for word, header in (("unit", plan.unit), ("time", plan.time), ("actual", plan.target)):
        if header is not None:
            columns[named[word]] = header

    def of(*kinds: str) -> str:
        return texts(language, [each.name for each in plan.inputs if each.kind in kinds])

    left_out = ", ".join(f"{header} ({reason})" for header, reason in plan.left_out.items())
    return {
        **named,
        "name": head.name,
        "owner": head.owner,
        "language_name": LANGUAGE_NAMES[language],
        "description": plain(head.description),
        "dataset": dataset.name,
        "table": f"../../data/{dataset.name}/{table.file}",
        "target_header": plan.target,
        "left_out": f"Not used: {left_out}." if left_out else "All its columns are used.",
        "run": COMMANDS[language],
        "ext": EXTENSIONS[language],
        "columns": pairs(language, columns),
        "numbers": of("number", "integer"),
        "booleans": of("boolean"),
        "categories": of("string"),
        "positive": plan.yes or "",
        "yes": text(language, plan.yes or ""),
        "answer": "The probability" if plan.yes else "The prediction",
        "baseline_words": "share of yes" if plan.yes else "mean",
        "train_share": f"{train:.2g}",
        "train_percent": f"{train:.0%}".replace("%", " %"),
        "holdout_share": f"{held:.2g}",
        "holdout_percent": f"{held:.0%}".replace("%", " %"),
    }


__all__ = ["new_model"]
