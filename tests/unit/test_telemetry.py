"""The tools themselves say that they report nothing with what `ci.telemetry` sets."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

from ci.telemetry import OFF

if TYPE_CHECKING:
    from pathlib import Path

# CI systems and test runs are recognised by some of the tools and switch them off as well.
UNSET = {*OFF, "CI", "GITHUB_ACTIONS", "PYTEST_CURRENT_TEST", "DVC_TEST"}
# The process has no network: asking must not be what reports.
QUESTIONS = """
import json
import socket

def refuse(*_arguments, **_options):
    raise OSError("no network in this test")

socket.getaddrinfo = socket.socket.connect = refuse

from bentoml._internal.utils.analytics.usage_stats import do_not_track
from dvc.analytics import is_enabled
from iterative_telemetry import IterativeTelemetryLogger
from mlflow.telemetry.utils import is_telemetry_disabled
from nannyml.usage_logging import UsageEvent, UsageLogger
from ray._common.usage.usage_lib import usage_stats_enabled

sent = []

class Logger(UsageLogger):
    def _log(self, usage_event, metadata):
        sent.append(usage_event)

Logger().log(UsageEvent.CLI_RUN)
print(json.dumps({
    "bentoml": not do_not_track(),
    "dvc": is_enabled(),
    "iterative": bool(IterativeTelemetryLogger("tool", "1", enabled=lambda: True).is_enabled()),
    "mlflow": not is_telemetry_disabled(),
    "nannyml": bool(sent),
    "ray": usage_stats_enabled(),
}))
"""


def reporting(home: Path, extra: dict[str, str]) -> dict[str, bool]:
    """Which tools would report for a user at ``home`` whose environment has ``extra``."""
    clean = {name: value for name, value in os.environ.items() if name not in UNSET}
    result = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", QUESTIONS],
        cwd=home,
        env=clean | {"HOME": str(home)} | extra,
        capture_output=True,
        text=True,
        check=True,
    )
    answers: dict[str, bool] = json.loads(result.stdout.splitlines()[-1])
    return answers


def test_no_tool_reports(tmp_path: Path) -> None:
    assert set(reporting(tmp_path, OFF).values()) == {False}


def test_each_tool_would_report_without_it(tmp_path: Path) -> None:
    assert set(reporting(tmp_path, {}).values()) == {True}
