"""`mlops reproduce`: a released version built once more from its commit and the data it names."""

from ci.reproduce.reproduce import Reproduced, reproduce

__all__ = ["Reproduced", "reproduce"]
