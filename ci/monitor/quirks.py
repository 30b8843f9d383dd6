"""What NannyML needs around it."""

from __future__ import annotations

import logging
import math
import os
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ci.telemetry import OFF

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@contextmanager
def quiet_nannyml() -> Iterator[None]:
    """No telemetry, no chatter, text as plain objects, and no NaN for what is the same.

    NannyML's estimators fail on the Arrow strings that pandas 3 makes of text.
    """
    os.environ.update(OFF)
    import pandas as pd

    logging.getLogger("nannyml").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pd.option_context("future.infer_string", False):
            from nannyml.drift.univariate import methods

            theirs = methods.jensenshannon
            methods.jensenshannon = _zero_where_nan(theirs)
            try:
                yield
            finally:
                methods.jensenshannon = theirs


def _zero_where_nan(distance: Callable[..., float]) -> Callable[..., float]:
    """SciPy takes the root of a divergence that rounding can bring below zero.

    That happens where both distributions are the same, such as every series once a week.
    """

    def corrected(*args: Any, **kwargs: Any) -> float:
        found = distance(*args, **kwargs)
        return 0.0 if math.isnan(found) else found

    return corrected
