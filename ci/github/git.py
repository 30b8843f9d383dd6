"""Git as the robot of GitHub Actions: who it commits as, and how it shows the job's token."""

from __future__ import annotations

import base64

AUTHOR = "github-actions[bot]"
EMAIL = "41898282+github-actions[bot]@users.noreply.github.com"
IDENTITY = {
    "GIT_AUTHOR_NAME": AUTHOR,
    "GIT_AUTHOR_EMAIL": EMAIL,
    "GIT_COMMITTER_NAME": AUTHOR,
    "GIT_COMMITTER_EMAIL": EMAIL,
}


def authorization(token: str | None, server: str | None = None) -> dict[str, str]:
    """Variables that let Git show ``token`` over HTTP; ``server`` limits it to one address.

    Through the environment: an argument would show in the list of processes.
    """
    basic = base64.b64encode(f"x-access-token:{token}".encode()).decode()
    return {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"http.{server}/.extraheader" if server else "http.extraheader",
        "GIT_CONFIG_VALUE_0": f"AUTHORIZATION: basic {basic}",
    }
