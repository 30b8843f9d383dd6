"""What every stub needs: its inputs, outputs, and the stand-in."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any, NoReturn


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
    from urllib.parse import urlencode

    url = f"{os.environ['GITHUB_API_URL']}/_runner/{path}?{urlencode(query or {})}"
    return _send(url, method, body)


def api(path: str, bearer: str) -> tuple[int, dict[str, str], bytes]:
    """GET from the API with a token."""
    return _send(os.environ["GITHUB_API_URL"] + path, "GET", None, bearer)


def _send(
    url: str, method: str, body: bytes | None, bearer: str | None = None
) -> tuple[int, dict[str, str], bytes]:
    # Most stubs ask nothing, and this takes longer to import than they take to run.
    import urllib.error
    import urllib.request

    request = urllib.request.Request(url, data=body, method=method)  # noqa: S310
    if bearer:  # not sent on to where a redirect leads
        request.add_unredirected_header("Authorization", f"Bearer {bearer}")
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request) as answer:
            return answer.status, dict(answer.headers), answer.read()
    except urllib.error.HTTPError as error:
        return error.code, dict(error.headers), error.read()
