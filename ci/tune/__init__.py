"""`mlops tune`: searches the declared ranges of a model's parameters."""

from ci.tune.tune import tune

__all__ = ["tune"]
