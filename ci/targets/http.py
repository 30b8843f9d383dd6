"""What we ask of a running service over HTTP."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

ANSWER_SECONDS = 2.0


def refusal(url: str) -> str | None:
    """Why the service says it can't serve: empty where it can, None where it does not answer.

    A service does not answer before it has loaded its model, so that a refusal is final.
    """
    try:
        with urllib.request.urlopen(f"{url}/readyz", timeout=ANSWER_SECONDS):  # noqa: S310
            return ""
    except urllib.error.HTTPError as error:
        return str(json.loads(error.read() or b"{}").get("error", {}).get("message", error))
    except (OSError, ValueError):
        return None


def is_ready(url: str) -> bool:
    """Whether the service would answer a prediction now."""
    return refusal(url) == ""


def served(url: str, request_id: str = "") -> tuple[str, int] | None:
    """Model and version that answer at ``url``, or None where nothing of ours does."""
    request = urllib.request.Request(f"{url}/metadata", headers={"X-Request-ID": request_id})  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=ANSWER_SECONDS) as answer:  # noqa: S310
            found = json.load(answer)
            return str(found["model"]), int(found["version"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def metrics(url: str, key: str | None) -> dict[str, float] | None:
    """Each metric's name with the sum over its labels, or None where they can't be read."""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    request = urllib.request.Request(f"{url}/metrics", headers=headers)  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=ANSWER_SECONDS) as answer:  # noqa: S310
            lines = answer.read().decode().splitlines()
    except (OSError, ValueError):
        return None
    found: dict[str, float] = {}
    for line in lines:
        if line and not line.startswith("#"):
            labelled, _, value = line.rpartition(" ")
            name = labelled.partition("{")[0]
            found[name] = found.get(name, 0.0) + float(value)
    return found


def post(
    url: str,
    body: dict[str, Any],
    seconds: float = 30.0,
    key: str | None = None,
    request_id: str = "",
) -> tuple[int, dict[str, Any]]:
    """POST ``body`` to ``url``/predict: the status and the parsed answer."""
    headers = {"Content-Type": "application/json", "X-Request-ID": request_id}
    authorization = {"Authorization": f"Bearer {key}"} if key else {}
    request = urllib.request.Request(  # noqa: S310
        f"{url}/predict", data=json.dumps(body).encode(), headers={**headers, **authorization}
    )
    try:
        with urllib.request.urlopen(request, timeout=seconds) as answer:  # noqa: S310
            return int(answer.status), json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read() or b"{}")
    except OSError as error:
        return 0, {"error": {"message": str(error)}}
