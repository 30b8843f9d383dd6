"""What went wrong in a training stage, read from what the language printed."""

from __future__ import annotations

import re
from dataclasses import dataclass

_PYTHON_PLACE = re.compile(r'^\s*File "(?P<file>[^"]+)", line (?P<line>\d+)', re.MULTILINE)
_PYTHON_ERROR = re.compile(
    r"^(?P<message>[A-Za-z_][\w.]*(?:Error|Exception|Exit|Interrupt)\b.*)$", re.M
)
_JULIA_ERROR = re.compile(r"^ERROR: (?:LoadError: )*(?P<message>.+)$", re.MULTILINE)
_JULIA_PLACE = re.compile(r"in expression starting at (?P<file>[^\s:]+):(?P<line>\d+)")
_JULIA_FRAME = re.compile(
    r"^\s*(?:\[\d+\].* at|@ \S+) (?P<file>\S+\.jl):(?P<line>\d+)", re.MULTILINE
)
_R_ERROR = re.compile(r"^Error(?P<where>[^\n]*?)\s?:\s*\n?\s*(?P<message>[^\n]+)$", re.MULTILINE)
_R_PLACE = re.compile(r"(?P<file>[\w./-]+\.[rR])#(?P<line>\d+)")
_R_PARSE = re.compile(r"(?P<file>[\w./-]+\.[rR]):(?P<line>\d+):\d+: (?P<message>[^\n]+)")
_BAD_DATA = re.compile(r"^(?P<message>Bad data in .+?)\.?$", re.MULTILINE)
_STAGE = re.compile(r"failed to reproduce '(?P<stage>[^']+)': (?P<message>.+)")
_INVALID = re.compile(
    r"^'(?P<file>[^']+)' is invalid\.\n+(?P<message>.+?)(?:, in line (?P<line>\d+).*)?$",
    re.MULTILINE,
)
_DVC = re.compile(r"^ERROR: (?P<message>.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Failure:
    """The place and the message; ``file`` is as the language named it."""

    message: str
    file: str | None = None
    line: int | None = None

    def sentence(self) -> str:
        """``train.R:12: object 'x' not found`` or just the message."""
        if self.file is None:
            return self.message
        place = self.file.rsplit("/", 1)[-1]
        return f"{place}:{self.line}: {self.message}"


def read_failure(log: str) -> Failure:
    """The failure that the tail of a pipeline's log tells of."""
    for reader in (_bad_data, _python, _r, _julia):
        found = reader(log)
        if found:
            return found
    invalid = _INVALID.search(log)
    if invalid:
        place = f"{invalid['file'].removeprefix('./')}:{invalid['line'] or 1}"
        return Failure(f"{place}: {invalid['message'].strip()}")
    stage = _last(_STAGE, log) or _last(_DVC, log)
    if stage:
        return Failure(stage["message"].strip() + _last_words(log[: stage.start()]))
    lines = [line for line in log.splitlines() if line.strip()]
    return Failure(lines[-1].strip() if lines else "it printed nothing")


def _last_words(log: str) -> str:
    """What a stage printed last before it ended without an error that we can read."""
    printed = log.rpartition("\n> ")[2].splitlines()[1:] if "\n> " in log else []
    words = [line.strip() for line in printed if line.strip() and line.strip() != "ERROR:"]
    return f"; the last it printed was: {words[-1]}" if words else ""


def _bad_data(log: str) -> Failure | None:
    """What `mlops data validate` said first, as the last command of a dataset's stage."""
    found = _BAD_DATA.search(log) if "mlops data validate" in log else None
    return Failure(found["message"]) if found else None


def _python(log: str) -> Failure | None:
    if "Traceback (most recent call last)" not in log and "SyntaxError" not in log:
        return None
    error, place = _last(_PYTHON_ERROR, log), _last_own(_PYTHON_PLACE, log)
    if not error:
        return None
    return _failure(error["message"], place)


def _r(log: str) -> Failure | None:
    parse = _last(_R_PARSE, log)
    error = _last(_R_ERROR, log)
    if parse:
        return _failure(parse["message"], parse)
    if not error or "Execution halted" not in log:
        return None
    return _failure(error["message"], _last(_R_PLACE, log[error.start() :]) or _last(_R_PLACE, log))


def _julia(log: str) -> Failure | None:
    error = next(
        (found for found in _JULIA_ERROR.finditer(log) if "failed to reproduce" not in found[0]),
        None,
    )
    if not error or ".jl" not in log:
        return None
    place = _JULIA_FRAME.search(_own_frames(log)) or _last(_JULIA_PLACE, log)
    return _failure(error["message"], place)


def _own_frames(log: str) -> str:
    """Stack frames in files of the model, not in Julia's own library (shown as ``./x.jl``)."""
    library = (" ./", "/share/julia/", "/usr/")
    return "\n".join(line for line in log.splitlines() if not any(mark in line for mark in library))


def _failure(message: str, place: re.Match[str] | None) -> Failure:
    if place is None:
        return Failure(message.strip())
    return Failure(message.strip(), place["file"], int(place["line"]))


def _last(pattern: re.Pattern[str], text: str) -> re.Match[str] | None:
    found = list(pattern.finditer(text))
    return found[-1] if found else None


def _last_own(pattern: re.Pattern[str], text: str) -> re.Match[str] | None:
    """The last place in a file of the model rather than in an installed package."""
    found = list(pattern.finditer(text))
    own = [
        match
        for match in found
        if "site-packages" not in match["file"] and "/lib/python" not in match["file"]
    ]
    return (own or found)[-1] if found else None
