"""How to start a Bento as an HTTP service on this machine."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING

from bentos.bundle import ACCESS_VARIABLE, CONTRACT_FILE, RECORDS_VARIABLE, RELEASE_VARIABLE

if TYPE_CHECKING:
    from pathlib import Path

HOST = "127.0.0.1"
DRAIN_SECONDS = 5
# Without bytecode: a Bento that was served keeps its digest. BentoML's part of a request is only
# its life cycle, so that its OpenTelemetry would trace nothing.
QUIET = {
    "BENTOML_DO_NOT_TRACK": "true",
    "OTEL_SDK_DISABLED": "true",
    "PYTHONDONTWRITEBYTECODE": "1",
}
KEPT_VARIABLES = ("HOME", "LANG", "LD_LIBRARY_PATH", "PATH", "TMPDIR", "TZ", "USER", "VIRTUAL_ENV")
KEPT_PREFIXES = ("LC_", "R_", "JULIA_", "OMP_", "OPENBLAS_", "MKL_")


def serve_command(bento: Path, port: int) -> list[str]:
    """The command that serves the Bento in the directory ``bento`` on 127.0.0.1.

    On SIGTERM it answers the requests that it has begun, and ends.
    """
    program = bento / "src" / "bentos" / "supervisor.py"
    return [sys.executable, str(program), HOST, str(port), str(drain_seconds(bento))]


def drain_seconds(bento: Path) -> int:
    """How long a service of the Bento may take to answer what it has begun, once told to end."""
    contract = json.loads((bento / "src" / CONTRACT_FILE).read_text(encoding="utf-8"))
    return int(contract["serving"]["timeout_seconds"]) + DRAIN_SECONDS


def serve_environment(
    release: Path | None, home: Path, records: Path | None = None, access: Path | None = None
) -> dict[str, str]:
    """The whole environment of the command.

    ``release`` is the JSON file that says which version this is; None for a candidate. ``home``
    is a directory for this one process: BentoML empties its metrics at the start. ``records`` is
    the directory for its access records and predictions, ``access`` the file that `mlops keys`
    writes. Nothing else of our environment is passed on, since tokens may be in it and model code
    can read it.
    """
    kept = {
        key: value
        for key, value in os.environ.items()
        if key in KEPT_VARIABLES or key.startswith(KEPT_PREFIXES)
    }
    paths = {RELEASE_VARIABLE: release, RECORDS_VARIABLE: records, ACCESS_VARIABLE: access}
    given = {name: str(path) for name, path in paths.items() if path is not None}
    return {**kept, **QUIET, **given, "BENTOML_HOME": str(home)}
