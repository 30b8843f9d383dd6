"""Rows and what a version answered to them when it was released, kept to be asked again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ci.contract.base import Contract
from ci.files import read_json, write_json

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from ci.contract.model import ModelContract
    from ci.repository import Repository

ROWS = 200
FILE = "sample.json"


class Sample(Contract):
    """Column → values of the rows, and output column → values that were answered."""

    rows: dict[str, list[Any]]
    answers: dict[str, list[Any]]


def sample_path(repository: Repository, model: str, digest: str) -> Path:
    """Where the sample of the Bento ``digest`` lies on this machine."""
    return repository.state_dir / "samples" / model / f"{digest}.json"


def read_sample(path: Path) -> Sample | None:
    """The sample in ``path``, or None."""
    found = read_json(path)
    return Sample.model_validate(found) if found else None


def keep_sample(repository: Repository, contract: ModelContract, bento: Path, path: Path) -> None:
    """Ask the Bento for rows from all over the holdout and write both to ``path``.

    Raises:
        MlopsError: as `ci.evaluate.predict`.
    """
    from ci.evaluate.table import read_table, values

    holdout = repository.model_dir(contract.name) / contract.evaluation.holdout
    table = spread(read_table(holdout, repository.relative(holdout)))
    rows = {name: list(values(table[name], column.type)) for name, column in contract.input.items()}
    answers = ask(repository, contract, bento, table)
    write_json(path, Sample(rows=rows, answers=answers).model_dump(mode="json"))


def spread(table: pd.DataFrame) -> pd.DataFrame:
    """At most `ROWS` rows of ``table``, the same distance apart."""
    return table.iloc[:: max(1, -(-len(table) // ROWS))]


def ask(
    repository: Repository, contract: ModelContract, bento: Path, table: pd.DataFrame
) -> dict[str, list[Any]]:
    """What the code in the folder ``bento`` answers to ``table``."""
    import shutil
    import tempfile
    from pathlib import Path

    from bentos.bundle import read_bundle
    from ci.evaluate.candidate import Servable
    from ci.evaluate.predict import predict

    log = repository.state_dir / "logs" / f"reproduce-{contract.name}.log"
    with tempfile.TemporaryDirectory(prefix="mlops-ask-") as directory:
        # A copy: what the model's code writes beside itself is no part of the Bento.
        source = Path(shutil.copytree(bento / "src", Path(directory) / "src"))
        bundle = read_bundle(source)
        servable = Servable(bundle.predict_file, bundle.artifact, contract, None, "")
        found = predict(servable, table, "the sample", log)
        return {name: list(answers) for name, answers in found.items()}
