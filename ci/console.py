"""What a person sees while a command works: progress on a terminal, plain lines in a log."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


def say(text: str) -> None:
    """One line for the person who waits; on stderr, so that stdout stays the result."""
    print(text, file=sys.stderr, flush=True)


@contextmanager
def step(text: str) -> Iterator[None]:
    """A stretch of work: a spinner on a terminal, a begin and an end line in a log."""
    begin = time.monotonic()
    if sys.stderr.isatty():
        from rich.console import Console

        with Console(stderr=True).status(f"{text} …"):
            yield
    else:
        say(f"{text} …")
        yield
    say(f"{text}: {time.monotonic() - begin:.1f} s")
