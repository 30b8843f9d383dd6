"""The reference and the analysis period, with the model's predictions, as NannyML wants them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ci.errors import MlopsError
from ci.monitor.measures import TARGET, TIME, chunk_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pandas as pd

    from ci.contract.model import ModelContract, Monitoring
    from ci.evaluate.candidate import Servable

LEAST_REFERENCE_ROWS = 100
LEAST_REFERENCE_CHUNKS = 3
LEAST_ANALYSIS_ROWS = 10


@dataclass(frozen=True)
class Periods:
    """Both periods: input columns, TIME, output columns, and TARGET where the file has it."""

    reference: pd.DataFrame
    analysis: pd.DataFrame


def read_reference(servable: Servable, rules: Monitoring, folder: Path, log: Path) -> pd.DataFrame:
    """Read the reference of the model in ``folder`` and let the model predict it.

    Raises:
        MlopsError: ``bad_period`` with file and column.
    """
    reference = _read(servable, rules, folder / rules.reference, log)
    _require_rows(servable.contract, rules.reference, reference, LEAST_REFERENCE_ROWS)
    _require_thresholds(servable.contract, rules, reference)
    return reference


def read_analysis(servable: Servable, rules: Monitoring, folder: Path, log: Path) -> pd.DataFrame:
    """As `read_reference`, for the file of the analysis period."""
    analysis = _read(servable, rules, folder / rules.analysis, log)
    _require_rows(servable.contract, rules.analysis, analysis, LEAST_ANALYSIS_ROWS)
    return analysis


def _require_rows(contract: ModelContract, file: str, table: pd.DataFrame, least: int) -> None:
    if len(table) < least:
        raise _bad(contract, file, f"has {len(table)} rows; it needs at least {least}")


def _require_thresholds(
    contract: ModelContract, rules: Monitoring, reference: pd.DataFrame
) -> None:
    """Refuse a reference from which nothing tells what is usual."""
    chunks = len(set(chunk_of(rules, reference)))
    if chunks < LEAST_REFERENCE_CHUNKS:
        problem = (
            f"has {chunks} of the chunks that monitoring.chunk asks for ({rules.chunk}), and what "
            f"is usual needs at least {LEAST_REFERENCE_CHUNKS}"
        )
        raise _bad(contract, rules.reference, problem)
    if rules.target and (TARGET not in reference or reference[TARGET].isna().all()):
        problem = f"has no value in {rules.target}, which model.yaml names as monitoring.target"
        raise _bad(contract, rules.reference, problem)


def _read(servable: Servable, rules: Monitoring, path: Path, log: Path) -> pd.DataFrame:
    import pandas as pd

    from ci.evaluate.predict import predict
    from ci.evaluate.table import read_table

    contract = servable.contract
    shown = f"models/{contract.name}/{path.parent.name}/{path.name}"
    if not path.is_file():
        problem = f"is missing; type: mlops train {contract.name}"
        raise MlopsError("bad_period", f"{shown} {problem}")
    table = read_table(path, shown)
    wanted = [*contract.input, rules.timestamp]
    absent = [name for name in wanted if name not in table.columns]
    if absent:
        raise _bad(contract, path.name, f"has no column {absent[0]}, which model.yaml names")
    answers = predict(servable, table, shown, log)
    frame = pd.DataFrame({name: as_column(table[name], contract, name) for name in contract.input})
    frame[TIME] = _times(table[rules.timestamp], contract, path.name)
    for name, values in answers.items():
        frame[name] = as_output(values, contract, name)
    if rules.target and rules.target in table.columns:
        frame[TARGET] = table[rules.target].to_numpy()
    return frame.sort_values(TIME, kind="stable").reset_index(drop=True)


def as_column(column: pd.Series[Any], contract: ModelContract, name: str) -> pd.Series[Any]:
    """Numbers as float64, the rest as plain objects: NannyML fails on pandas' string columns.

    The same value is the same object, whether a file or the log wrote it.
    """
    import pandas as pd

    from ci.evaluate.table import values

    if contract.input[name].type in ("number", "integer"):
        return pd.to_numeric(column).astype("float64")
    plain = values(column, contract.input[name].type)
    return pd.Series(plain, index=column.index, dtype=object)


def as_output(values: Sequence[Any], contract: ModelContract, name: str) -> pd.Series[Any]:
    """The predictions of the output ``name``, as `as_column` for inputs."""
    import pandas as pd

    text = contract.output[name].type == "string"
    return pd.Series(values, dtype=object if text else "float64")


def _times(column: pd.Series[Any], contract: ModelContract, file: str) -> pd.Series[Any]:
    import pandas as pd

    try:
        times = pd.to_datetime(column, format="ISO8601")
    except ValueError:
        times = pd.Series([pd.NaT])
    if times.isna().any():
        problem = f"has a value in {column.name} that is no ISO date such as 2017-11-06"
        raise _bad(contract, file, problem)
    return times


def _bad(contract: ModelContract, file: str, problem: str) -> MlopsError:
    return MlopsError(
        "bad_period",
        f"models/{contract.name}: {file} {problem}; mend the script that writes it and type: "
        f"mlops train {contract.name}",
    )
