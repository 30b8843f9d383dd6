"""Restores; see lib/caching.py."""

from caching import restore
from runner_side import given, remember

found = restore()
remember("save", "" if found == given("key") else "yes")
