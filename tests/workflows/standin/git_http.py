"""Git over HTTP, as the token may: Git's own `http-backend` behind the check."""

from __future__ import annotations

import base64
import binascii
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from tests.workflows.standin.hub import Hub, Refusal, Token
from tests.workflows.standin.pulls import refresh_heads

if TYPE_CHECKING:
    from collections.abc import Mapping

PATH = re.compile(r"/([\w.-]+)/([\w.-]+?)(?:\.git)?/(info/refs|git-upload-pack|git-receive-pack)")
# What GitHub refuses from the token of a workflow; people push past the server in these tests.
HOOK = """\
#!/bin/sh
ref=$1 old=$2 new=$3
[ -n "$GITHUB_STANDIN" ] || exit 0
if [ "$ref" = refs/heads/main ]; then
    echo "GH006: Protected branch update failed for $ref." >&2
    exit 1
fi
case $new in 0000*) exit 0 ;; esac
base=$(git merge-base main "$new" 2>/dev/null) || exit 0
if git diff --name-only "$base" "$new" -- .github/workflows | grep -q .; then
    echo "refusing to allow a GitHub App to create or update workflow files" >&2
    echo "without \\`workflows\\` permission" >&2
    exit 1
fi
"""


def new_bare(path: Path) -> None:
    """An empty bare repository that can be pushed to over HTTP."""
    path.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", path], check=True)
    settings = {
        "http.receivepack": "true",
        "uploadpack.allowAnySHA1InWant": "true",
        "uploadpack.allowFilter": "true",
        "gc.auto": "0",
    }
    for key, value in settings.items():
        subprocess.run(["git", "-C", path, "config", key, value], check=True)
    shutil.rmtree(path / "hooks", ignore_errors=True)
    (path / "hooks").mkdir()
    hook = path / "hooks" / "update"
    hook.write_text(HOOK)
    hook.chmod(0o755)


def token_of(header: str | None) -> str | None:
    """The token in an `Authorization` header, of either kind."""
    kind, _, value = (header or "").partition(" ")
    if kind.lower() in ("bearer", "token"):
        return value.strip()
    if kind.lower() == "basic":
        try:
            user, _, password = base64.b64decode(value).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return None
        return password or user
    return None


def check(hub: Hub, path: str, query: str, token: Token | None) -> None:
    """Refuse who may not do this.

    Raises:
        Refusal: 401 asks Git for a user; 403 is final.
    """
    writes = "git-receive-pack" in path + query
    if token is None:
        raise Refusal(401, "Repository not found; it is private and no token was sent")
    if not token.may("contents", "write" if writes else "read"):
        raise Refusal(403, "Write access to repository not granted." if writes else "Not granted.")


def serve(
    hub: Hub, method: str, path: str, query: str, headers: Mapping[str, str], body: bytes
) -> tuple[int, dict[str, str], bytes]:
    """What `git http-backend` answers."""
    match = PATH.fullmatch(path)
    assert match is not None
    owner, name, service = match.groups()
    environment = {
        "PATH": os.environ["PATH"],
        "GIT_PROJECT_ROOT": str(hub.folder / "git"),
        "GIT_HTTP_EXPORT_ALL": "1",
        "GITHUB_STANDIN": "1",
        "PATH_INFO": f"/{owner}/{name}.git/{service}",
        "QUERY_STRING": query,
        "REQUEST_METHOD": method,
        "REMOTE_USER": "token",
        "REMOTE_ADDR": "127.0.0.1",
        "CONTENT_TYPE": headers.get("Content-Type", ""),
        "CONTENT_LENGTH": str(len(body)),
        "HTTP_CONTENT_ENCODING": headers.get("Content-Encoding", ""),
        "GIT_PROTOCOL": headers.get("Git-Protocol", ""),
    }
    done = subprocess.run(
        ["git", "http-backend"], input=body, env=environment, capture_output=True, check=False
    )
    head, _, content = done.stdout.partition(b"\r\n\r\n")
    fields = dict(line.split(": ", 1) for line in head.decode().splitlines() if ": " in line)
    status = int(fields.pop("Status", "200 OK").split()[0])
    if service == "git-receive-pack":
        refresh_heads(hub)
    return status, fields, content
