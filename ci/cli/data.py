"""`mlops data`: bring tables in, and hold them to their contracts."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from ci.cli.options import Json
from ci.cli.output import emit

Dataset = Annotated[str, typer.Argument(metavar="NAME", help="Name of a folder in data/.")]


def register(app: typer.Typer) -> None:
    """Add this room's commands to ``app``."""
    data = typer.Typer(
        help="Bring data in, and hold it to its contract.",
        no_args_is_help=True,
        rich_markup_mode=None,
    )
    data.command()(add)
    data.command()(validate)
    data.command()(refresh)
    data.command()(push)
    app.add_typer(data, name="data")


def add(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A CSV or Parquet file.")],
    name: Annotated[str, typer.Option(metavar="NAME", help="What to call the dataset.")],
    owner: Annotated[str, typer.Option(metavar="TEAM", help="The team that answers for it.")] = (
        "unassigned"
    ),
    json: Json = False,
) -> None:
    """Make any CSV or Parquet file a dataset: contract inferred, data tracked by DVC."""
    from ci.codeowners import keep_codeowners
    from ci.dataset.add import add_dataset
    from ci.repository import Repository

    repository = Repository.find()
    added = add_dataset(repository, file, name, owner)
    keep_codeowners(repository)
    text = "\n".join(
        [
            *added.notes,
            f"data/{name}: {added.rows:,} rows, columns {', '.join(added.columns)}.",
            f"Its contract was inferred: read and correct {added.path}/dataset.yaml, then commit "
            f"the folder, and share the data: mlops data push {name}",
        ]
    )
    result = {"name": name, "path": added.path, "rows": added.rows, "columns": added.columns}
    emit({**result, "notes": added.notes}, text, json)


def validate(name: Dataset, json: Json = False) -> None:
    """Check that the data keeps the promises of its dataset.yaml."""
    from ci.contract.dataset import dataset_dir, load_dataset
    from ci.dataset.validate import validate as violations_of
    from ci.repository import Repository

    repository = Repository.find()
    violations = violations_of(load_dataset(repository, name), dataset_dir(repository, name))
    good = f"data/{name} keeps its contract."
    text = "\n".join([violation.sentence() for violation in violations] or [good])
    emit([asdict(violation) for violation in violations], text, json)
    if violations:
        raise typer.Exit(1)


def refresh(name: Dataset, json: Json = False) -> None:
    """Read new rows from where dataset.yaml says; clean, check, and make them the next version."""
    from ci.dataset.refresh import refresh_dataset
    from ci.repository import Repository

    done = refresh_dataset(Repository.find(), name)
    share = f"Commit data/{name}, and share the data: mlops data push {name}"
    emit(done.as_json(), f"{done.words()}\n\n{share}" if done.new else done.words(), json)


def push(name: Dataset, json: Json = False) -> None:
    """Store a dataset's files in a release on GitHub, where pull requests and releases find them.

    GITHUB_TOKEN holds a token that may write to the repository's contents.
    """
    from ci.assets.github import github_of
    from ci.assets.keep import push_data
    from ci.repository import Repository

    repository = Repository.find()
    added = push_data(repository, github_of(repository), name)
    emit({"stored": added}, f"Stored {len(added)} files; what was there already stays.", json)
