"""What a packaged candidate must keep before it is handed over: a short part of the suite.

The whole suite (`tests/conformance`) trains twice and serves over HTTP; it runs in `make test`.
"""

from __future__ import annotations

import math
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ci.errors import MlopsError

if TYPE_CHECKING:
    import pandas as pd

    from ci.contract.model import ModelContract
    from ci.evaluate.answers import Predictions

ROWS = 20
TOLERANCE = 1e-9


def conform(
    bento: Path, contract: ModelContract, table: pd.DataFrame, answers: Predictions, log: Path
) -> None:
    """Let the code in the Bento answer some rows of ``table`` one by one, and the example row.

    Args:
        bento: folder of the built Bento.
        contract: of the candidate.
        table: the holdout.
        answers: what the candidate answered to the whole table at once.
        log: where the model's own output goes.

    Raises:
        MlopsError: ``not_conformant`` where an answer differs, or as ``ci.evaluate.predict``.
    """
    import pandas as pd

    rows = sorted({round(step * (len(table) - 1) / (ROWS - 1)) for step in range(ROWS)})
    inputs = table.iloc[rows][list(contract.input)]
    asked = pd.concat([inputs, pd.DataFrame([contract.example_row()])], ignore_index=True)
    with tempfile.TemporaryDirectory() as directory:
        # A copy: what the model's code writes beside itself is no part of the Bento.
        source = Path(shutil.copytree(bento / "src", Path(directory) / "src"))
        single = _alone(source, contract, asked, log)
    for place, row in enumerate(rows):
        for name, values in answers.items():
            if not _same(values[row], single[name][place]):
                raise MlopsError(
                    "not_conformant",
                    f"{contract.predict_file} answers {name} = {single[name][place]!r} to row "
                    f"{row + 1} of the holdout alone and {values[row]!r} among all rows; let each "
                    "answer depend on its own row only.",
                )


def _alone(
    source: Path, contract: ModelContract, table: pd.DataFrame, log: Path
) -> dict[str, list[Any]]:
    """The answers of the packaged code to each row on its own."""
    from bentos.bundle import read_bundle
    from ci.evaluate.candidate import Servable
    from ci.evaluate.predict import predict

    bundle = read_bundle(source)
    serving = contract.serving.model_copy(update={"max_rows": 1})
    one_by_one = contract.model_copy(update={"serving": serving})
    servable = Servable(bundle.predict_file, bundle.artifact, one_by_one, None, "")
    return {name: list(found) for name, found in predict(servable, table, "a row", log).items()}


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
    return bool(one == other)
