"""Options of the whole suite."""

from __future__ import annotations

import pytest

from ci.cli import use_environment

# As `mlops` does for itself: this environment's programs first, no telemetry from any test.
use_environment()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--model",
        action="append",
        default=[],
        metavar="NAME",
        help="hold only this model to the conformance suite (may be repeated)",
    )
