"""Finds what is wrong in contracts, datasets, policies and parameters, before anything runs."""

from ci.check.check import check

__all__ = ["check"]
