"""What a person sees while a command works: progress on a terminal, plain lines in a log."""

from __future__ import annotations

import os
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TextIO

LIVE_SECONDS = 0.2
LOG_SECONDS = 10.0
BAR_CELLS = 24


def put(text: str, stream: TextIO, end: str = "\n") -> None:
    """Print at once; that nobody reads any more, as after `| head`, stops no work."""
    try:
        print(text, file=stream, end=end, flush=True)
    except BrokenPipeError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def say(text: str) -> None:
    """One line for the person who waits; on stderr, so that stdout stays the result."""
    put(text, sys.stderr)


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


@contextmanager
def progress(unit: str, total: int, before: int = 0) -> Iterator[Callable[[int], None]]:
    """A bar for long work on a terminal, plain lines in a log: done, a second, time left.

    Call the yielded function with what was done since last time; ``total`` is in ``unit``, and so
    is ``before``, what an earlier run has done of it.
    """
    begin = shown = time.monotonic()
    done = before
    live = sys.stderr.isatty()

    def advance(amount: int) -> None:
        nonlocal done, shown
        done += amount
        now = time.monotonic()
        if now - shown >= (LIVE_SECONDS if live else LOG_SECONDS):
            shown = now
            line = progress_line(unit, done, total, (done - before) / (now - begin))
            end = "" if live else "\n"
            start = f"\r  {_bar(done, total)} " if live else "  "
            put(f"{start}{line}  ", sys.stderr, end)

    yield advance
    if live and shown > begin:
        put("", sys.stderr)


def progress_line(unit: str, done: int, total: int, rate: float) -> str:
    """How far the work is, how fast (``rate`` a second), and how long it will take."""
    left = (total - done) / rate if rate else 0
    minutes, rest = divmod(round(left), 60)
    return (
        f"{done:,} of {total:,} {unit} ({done / total:.0%}), {rate:,.0f}/s, "
        f"{minutes}:{rest:02} left"
    )


def _bar(done: int, total: int) -> str:
    full = BAR_CELLS * done // total
    return "█" * full + "░" * (BAR_CELLS - full)
