"""Runs a command and turns what went wrong into one sentence and an exit code."""

from __future__ import annotations

import errno
import re
import sys
import traceback

import typer

from ci.cli.output import dumps
from ci.errors import MlopsError

REGISTRY_ERRORS = ("INTERNAL_ERROR", "TEMPORARILY_UNAVAILABLE", "RESOURCE_DOES_NOT_EXIST")
DISK_FULL = (
    "The disk is full, so that this could not be done; what ran before still runs. Free some space "
    "(`df -h`), then type the same command again."
)


def run(arguments: list[str]) -> int:
    """Run ``mlops`` with ``arguments``; returns the exit code."""
    from ci.cli.app import app

    as_json = "--json" in arguments
    try:
        code = app(args=arguments, prog_name="mlops", standalone_mode=False)
    except MlopsError as error:
        if arguments[:1] == ["ci"]:
            _annotate(error.message)
        return _fail(error.code, error.message, as_json, 1)
    except (KeyboardInterrupt, typer.Abort):
        return _fail("interrupted", "Interrupted; run the same command again to go on.", as_json, 1)
    except typer.Exit as stop:
        return int(stop.exit_code)
    except Exception as error:
        if hasattr(error, "format_message"):  # click's own errors: bad arguments
            return _usage(error, as_json)
        if _is_of_a_full_disk(error):
            code, message = "disk_full", DISK_FULL
        elif _is_of_the_registry(error):
            code, message = "registry_unreachable", _unreachable(error)
        else:
            code, message = "internal_error", _internal(error)
        return _fail(code, message, as_json, 1)
    return code if isinstance(code, int) else 0


def _usage(error: Exception, as_json: bool) -> int:
    context = getattr(error, "ctx", None)
    command = context.command_path if context else "mlops"
    said = error.format_message().rstrip(".")  # type: ignore[attr-defined]
    end = "" if said.endswith("?") else "."
    return _fail("usage", f"{said}{end} Type '{command} --help' to see what it takes.", as_json, 2)


def _fail(code: str, message: str, as_json: bool, status: int) -> int:
    if as_json:
        print(dumps({"error": {"code": code, "message": message}}), flush=True)
    else:
        print(f"Error: {message}", file=sys.stderr, flush=True)
    return status


def _annotate(message: str) -> None:
    """The page of a run shows annotations; the log has to be opened."""
    from ci.github.workflow import annotate

    annotate("error", None, None, message)


def _is_of_a_full_disk(error: Exception) -> bool:
    if isinstance(error, OSError):
        return error.errno in (errno.ENOSPC, errno.EDQUOT)
    return "database or disk is full" in str(error)  # SQLite's words, which MLflow hands on


def _is_of_the_registry(error: Exception) -> bool:
    """Whether MLflow's server or database failed, and not what was asked of it."""
    kind = f"{type(error).__module__}.{type(error).__name__}"
    if kind == "mlflow.exceptions.MlflowException":
        return getattr(error, "error_code", "") in REGISTRY_ERRORS
    return kind in ("sqlalchemy.exc.OperationalError", "sqlalchemy.exc.DatabaseError")


def _unreachable(error: Exception) -> str:
    """What to do. An address may hold a password: the variable is named, and that left out."""
    from ci.registry.store import has_server

    first = (str(error).splitlines() or ["no message"])[0]
    said = re.sub(r"//[^/\s]*@", "//", first)[:200].rstrip(" .")
    where = "of MLFLOW_TRACKING_URI" if has_server() else ".mlops/mlflow.db"
    advice = (
        ""
        if has_server()
        else "; if it is damaged, `mlops registry rebuild` makes it anew from the events"
    )
    return (
        f"The registry {where} could not be read or written ({said}){advice}. `mlops status` says "
        "what callers reach now: look before you type the same again."
    )


def _internal(error: Exception) -> str:
    """A defect of the platform: one sentence here, the traceback in a file."""
    from ci.repository import Repository

    try:
        folder = Repository.find().state_dir / "logs"
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / "internal-error.txt"
        file.write_text("".join(traceback.format_exception(error)), encoding="utf-8")
        where = f"the traceback is in {file}"
    except (OSError, MlopsError):
        traceback.print_exception(error)
        where = "the traceback is above"
    return (
        f"This is a defect of the platform, not of your model ({type(error).__name__}: "
        f"{str(error).splitlines()[0] if str(error) else 'no message'}); {where}."
    )
