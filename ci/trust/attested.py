"""GitHub's artifact attestations, where policies/trust.yaml asks for them: `gh` verifies them."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ci.contract.policy import load_policy
from ci.contract.trust import TrustPolicy
from ci.errors import MlopsError
from ci.repository import Repository

if TYPE_CHECKING:
    from pathlib import Path

    from ci.github.client import GitHub

SECONDS = 120


def require_attested(github: GitHub, file: Path, workflow: str) -> None:
    """Refuse ``file`` unless ``workflow`` attested it on this branch, where the policy asks for it.

    GitHub's own command holds the attestation against the transparency log and the certificate,
    which names repository, workflow, branch and the kind of runner.

    Raises:
        MlopsError: ``not_attested``; ``bad_policy``.
    """
    context = github.context
    if not load_policy(Repository(context.workspace), TrustPolicy).attestations:
        return
    command = [
        *("gh", "attestation", "verify", str(file)),
        *("--repo", context.repository),
        *("--signer-workflow", f"{context.repository}/{workflow}"),
        *("--source-ref", context.ref),
        "--deny-self-hosted-runners",
    ]
    host = urlsplit(context.server_url).netloc
    told = {"GH_TOKEN": context.token or "", "GH_HOST": host, "GH_PROMPT_DISABLED": "1"}
    try:
        done = subprocess.run(
            command,
            env={**os.environ, **told},
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _not_attested(file, f"gh could not be run: {type(error).__name__}") from None
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["no attestation was found"]
        raise _not_attested(file, lines[-1][:300])


def _not_attested(file: Path, why: str) -> MlopsError:
    return MlopsError(
        "not_attested",
        f"{file.name} has no attestation of GitHub that holds ({why}); set the variable "
        "ATTESTATIONS to true and run report.yml again, or take `attestations` out of "
        "policies/trust.yaml.",
    )
