"""Saves what was not there."""

from caching import save
from runner_side import remembered

if remembered("save"):
    save()
