"""Options of the whole suite."""

from __future__ import annotations

import signal
from types import FrameType

import pytest

from ci.cli import use_environment

# As `mlops` does for itself: this environment's programs first, no telemetry from any test.
use_environment()


def _end(number: int, frame: FrameType | None) -> None:
    del frame
    pytest.exit(f"ended by {signal.Signals(number).name}", returncode=128 + number)


def pytest_configure() -> None:
    """A run that is told to end still ends the services that its fixtures started."""
    signal.signal(signal.SIGTERM, _end)
    signal.signal(signal.SIGHUP, _end)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--model",
        action="append",
        default=[],
        metavar="NAME",
        help="hold only this model to the conformance suite (may be repeated)",
    )
