"""Columns of inputs and predictions as NannyML wants them, from a file or from the log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from ci.contract.model import ModelContract


def as_column(column: pd.Series[Any], contract: ModelContract, name: str) -> pd.Series[Any]:
    """Numbers as float64, the rest as plain objects: NannyML fails on pandas' string columns.

    The same value is the same object, whether a file or the log wrote it. What is not finite is
    missing: no contract allows it, and one such value would leave nothing to compare.
    """
    import math

    import pandas as pd

    from ci.evaluate.table import values

    kind = contract.input[name].type
    if kind in ("number", "integer"):
        plain_numbers = pd.to_numeric(column, errors="coerce").astype("float64")
        return plain_numbers.replace([math.inf, -math.inf], math.nan)
    plain = values(column, kind)
    if kind == "boolean":
        plain = [value if isinstance(value, bool) else None for value in plain]
    return pd.Series(plain, index=column.index, dtype=object)


def as_output(values: Sequence[Any], contract: ModelContract, name: str) -> pd.Series[Any]:
    """The predictions of the output ``name``, as `as_column` for inputs."""
    import pandas as pd

    text = contract.output[name].type == "string"
    return pd.Series(values, dtype=object if text else "float64")
