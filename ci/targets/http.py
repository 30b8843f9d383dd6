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


def served(url: str) -> tuple[str, int] | None:
    """Model and version that answer at ``url``, or None where nothing of ours does."""
    try:
        with urllib.request.urlopen(f"{url}/metadata", timeout=ANSWER_SECONDS) as answer:  # noqa: S310
            found = json.load(answer)
            return str(found["model"]), int(found["version"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def post(
    url: str, body: dict[str, Any], seconds: float = 30.0, key: str | None = None
) -> tuple[int, dict[str, Any]]:
    """POST ``body`` to ``url``/predict: the status and the parsed answer."""
    authorization = {"Authorization": f"Bearer {key}"} if key else {}
    request = urllib.request.Request(  # noqa: S310
        f"{url}/predict",
        data=json.dumps(body).encode(),
        headers={"Content-Type": "application/json", **authorization},
    )
    try:
        with urllib.request.urlopen(request, timeout=seconds) as answer:  # noqa: S310
            return int(answer.status), json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read() or b"{}")
    except OSError as error:
        return 0, {"error": {"message": str(error)}}
