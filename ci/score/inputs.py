"""What is to be scored, as a file here: the one place that chooses by where it comes from."""

from __future__ import annotations

import hashlib
import shutil
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ci.console import say
from ci.contract.source import Source
from ci.errors import MlopsError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ci.contract.model import ModelContract
    from ci.repository import Repository

KEPT_SECONDS = 7 * 24 * 3600.0
# Then the input is at fault, and will be another when it has been put right.
AT_FAULT = ("bad_rows", "bad_table", "input_changed")
SCHEMES = {"s3": "s3", "http": "http", "https": "http"}


@dataclass(frozen=True)
class Input:
    """A table to score, and how reports and messages call it."""

    path: Path
    shown: str


@contextmanager
def declared_input(
    repository: Repository, contract: ModelContract, mark: str, *, fresh: bool
) -> Iterator[Input]:
    """The batch input that ``contract`` declares.

    What comes from elsewhere is copied once for all runs with one ``mark``: a run that was killed
    is gone on with on the same rows. With ``fresh`` the pipeline that writes it runs first.

    Raises:
        MlopsError: ``no_batch``, ``bad_source``, or what the pipeline says.
    """
    from ci.clock.inputs import ensure_dataset, ensure_tables

    if contract.batch is None:
        raise MlopsError(
            "no_batch",
            f"The released {contract.name} has no key batch; add one to model.yaml and release it, "
            "or name a file with --input and --output.",
        )
    source = contract.batch.input
    if source.file is not None:
        path = repository.model_dir(contract.name) / source.file
        if fresh or not path.is_file():
            ensure_tables(repository, contract.name, [source.file])
        yield Input(path, repository.relative(path))
    elif source.dataset is not None:
        path = ensure_dataset(repository, source.dataset, source.table)
        yield Input(path, repository.relative(path))
    else:
        with _copied(repository, contract, source, mark) as found:
            yield found


@contextmanager
def given_input(
    repository: Repository, contract: ModelContract, address: str, target: Path
) -> Iterator[Input]:
    """What somebody names: a file, a folder, or the address of a table.

    Raises:
        MlopsError: ``bad_source``.
    """
    source = _source(address)
    if source is None:
        yield Input(Path(address), address)
    else:
        with _copied(repository, contract, source, str(target.absolute())) as found:
            yield found


def _source(address: str) -> Source | None:
    """The place that ``address`` names; None for a file of this machine."""
    from pydantic import ValidationError

    scheme, separator, _ = address.partition("://")
    if not separator:
        folder = Path(address).absolute()
        return Source(folder=str(folder)) if folder.is_dir() else None
    if scheme not in SCHEMES:
        raise MlopsError(
            "bad_source",
            f"{scheme}:// can't be read by --input; name a file, a folder, s3:// or https://. A "
            "query to PostgreSQL stands in model.yaml, under batch.input.",
        )
    try:
        return Source.model_validate({SCHEMES[scheme]: address})
    except ValidationError as error:
        said = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise MlopsError("bad_source", f"--input: {said}.") from None


def copy_declared(repository: Repository, contract: ModelContract, mark: str) -> str | None:
    """Copy the declared input for the runs with ``mark``; says from where, None if it is here.

    Raises:
        MlopsError: ``bad_source``, ``bad_table``.
    """
    from ci.storage.fetch import shown

    source = contract.batch.input if contract.batch else None
    if source is None or source.file is not None or source.dataset is not None:
        return None
    _copy(repository, contract, source, mark)
    return f"copied {shown(source)}"


@contextmanager
def _copied(
    repository: Repository, contract: ModelContract, source: Source, mark: str
) -> Iterator[Input]:
    """A copy of what is elsewhere, which goes once it has been scored or has proved wrong."""
    from ci.storage.fetch import as_said_of, shown

    path = _copy(repository, contract, source, mark)
    try:
        with as_said_of(source):
            yield Input(path, shown(source))
    except MlopsError as error:
        if error.code in AT_FAULT:
            shutil.rmtree(path.parent, ignore_errors=True)
        raise
    shutil.rmtree(path.parent, ignore_errors=True)


def _copy(repository: Repository, contract: ModelContract, source: Source, mark: str) -> Path:
    from ci.score.job import id_columns
    from ci.storage.fetch import STEM, fetch, shown

    root = repository.state_dir / "score" / contract.name / "inputs"
    _forget_old(root)
    place = root / hashlib.sha256(f"{source.model_dump_json()} {mark}".encode()).hexdigest()[:16]
    there = sorted(place.glob(f"{STEM}.*"))
    if there:
        say(f"{shown(source)}: going on with the copy that is here already")
        return there[0]
    verbatim = [each for each in id_columns(contract) if each not in contract.input]
    return fetch(source, repository.root, place, verbatim).path


def _forget_old(root: Path) -> None:
    for place in root.glob("*"):
        if time.time() - place.stat().st_mtime > KEPT_SECONDS:
            shutil.rmtree(place, ignore_errors=True)
