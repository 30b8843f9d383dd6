"""What NannyML needs around it."""

from __future__ import annotations

import logging
import os
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ci.telemetry import OFF

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def quiet_nannyml() -> Iterator[None]:
    """No telemetry, no chatter, and text as plain objects.

    NannyML's estimators fail on the Arrow strings that pandas 3 makes of text.
    """
    os.environ.update(OFF)
    import pandas as pd

    logging.getLogger("nannyml").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pd.option_context("future.infer_string", False):
            yield
