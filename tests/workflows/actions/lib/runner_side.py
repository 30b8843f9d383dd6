"""What every stub needs: its inputs, outputs, and the stand-in."""

from __future__ import annotations

import json
import os
import sys
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any, NoReturn

_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def given(name: str) -> str:
    """The input ``name``."""
    return os.environ.get(f"INPUT_{name.replace(' ', '_').upper()}", "")


def is_true(name: str) -> bool:
    """Whether the input ``name`` is the word true."""
    return given(name).lower() == "true"


def token(name: str = "token") -> str:
    """The token of this job; the default of an action's input does not say which job's it is."""
    value = given(name)
    plain = value.startswith("ghs_") and "." not in value and not value.startswith("ghs_app")
    return f"{value}.{os.environ['GITHUB_JOB']}" if plain else value


def output(name: str, value: object) -> None:
    """Set an output."""
    _append("GITHUB_OUTPUT", f"{name}={value}\n")


def add_path(folder: Path) -> None:
    """Put ``folder`` first on the PATH of the next steps."""
    _append("GITHUB_PATH", f"{folder}\n")


def remember(name: str, value: str) -> None:
    """Keep ``value`` for the post step."""
    _append("GITHUB_STATE", f"{name}={value}\n")


def remembered(name: str) -> str:
    """What the main step kept."""
    return os.environ.get(f"STATE_{name}", "")


def _append(variable: str, text: str) -> None:
    with Path(os.environ[variable]).open("a", encoding="utf-8") as file:
        file.write(text)


def workspace() -> Path:
    """The job's working directory."""
    return Path(os.environ["GITHUB_WORKSPACE"])


def event() -> dict[str, Any]:
    """The payload of the event."""
    loaded: dict[str, Any] = json.loads(Path(os.environ["GITHUB_EVENT_PATH"]).read_text())
    return loaded


def fail(message: str) -> NoReturn:
    """End this step as GitHub's toolkit does."""
    print(f"::error::{message}")
    sys.exit(1)


def ask(
    method: str, path: str, query: dict[str, str] | None = None, body: bytes | None = None
) -> tuple[int, dict[str, str], bytes]:
    """Ask the stand-in's services for runners."""
    url = f"{os.environ['GITHUB_API_URL']}/_runner/{path}?{urllib.parse.urlencode(query or {})}"
    return _send(urllib.request.Request(url, data=body, method=method))  # noqa: S310


def api(path: str, bearer: str) -> tuple[int, dict[str, str], bytes]:
    """GET from the API with a token."""
    request = urllib.request.Request(os.environ["GITHUB_API_URL"] + path)  # noqa: S310
    # Not sent on to where a redirect leads.
    request.add_unredirected_header("Authorization", f"Bearer {bearer}")
    return _send(request)


def _send(request: urllib.request.Request) -> tuple[int, dict[str, str], bytes]:
    try:
        with _OPENER.open(request) as answer:
            return answer.status, dict(answer.headers), answer.read()
    except urllib.error.HTTPError as error:
        return error.code, dict(error.headers), error.read()
