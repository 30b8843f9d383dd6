"""Frames: small tables that travel between the platform and a model's worker process.

Importing this needs numpy only; `from_pandas` and `to_pandas` import pandas when called.
"""

from bentos.frames.frame import Column, ContractType, Field, Frame, FrameError, Kind, concatenate
from bentos.frames.rows import column_from_values, from_rows
from bentos.frames.tables import column_from_any, from_pandas, to_pandas
from bentos.frames.wire import MAX_FRAME_BYTES, decode, encode

__all__ = [
    "MAX_FRAME_BYTES",
    "Column",
    "ContractType",
    "Field",
    "Frame",
    "FrameError",
    "Kind",
    "column_from_any",
    "column_from_values",
    "concatenate",
    "decode",
    "encode",
    "from_pandas",
    "from_rows",
    "to_pandas",
]
