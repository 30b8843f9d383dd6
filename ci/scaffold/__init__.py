"""Makes the folder of a new model, which trains and could be merged as it is."""

from ci.scaffold.scaffold import new_model

__all__ = ["new_model"]
