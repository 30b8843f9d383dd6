"""The one comment on a pull request, posted by CML.

CML with `--update` edits the newest comment with its watermark among the 30 oldest comments,
whoever wrote it. So what it would find is looked at first: our own comment further down is edited
here, and a comment of somebody else who pasted the watermark is never taken for ours.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ci.errors import MlopsError
from ci.telemetry import OFF

if TYPE_CHECKING:
    from ci.github.client import GitHub
    from ci.github.context import Context

TITLE = "kronkers/report"
AUTHOR = "github-actions[bot]"
CHARACTERS = 65_536
SEEN_BY_CML = 30
ATTEMPTS = 3
WATERMARK = re.compile(
    rf'!\[\]\(https://cml\.dev/watermark\.png#[0-9a-fA-F]+ "CML watermark {re.escape(TITLE)}"\)'
)
# What CML and Node need of our environment; the rest of it, and its files, stay away.
PASSED = (
    *("PATH", "LANG", "CI", "GITHUB_REPOSITORY", "GITHUB_SHA", "GITHUB_RUN_ID", "GITHUB_WORKFLOW"),
    *("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "NO_PROXY", "no_proxy"),
    *("NODE_EXTRA_CA_CERTS", "NODE_OPTIONS", "NODE_TLS_REJECT_UNAUTHORIZED", "SSL_CERT_FILE"),
)


def post_comment(github: GitHub, number: int, markdown: str) -> None:
    """Make ``markdown`` the report on pull request ``number``: the first time new, then in place.

    Raises:
        MlopsError: ``comment_too_long``, ``cml_missing`` or ``cml_failed``.
    """
    room = CHARACTERS - len(_watermark(github.context)) - 2
    if len(markdown) > room:
        raise MlopsError(
            "comment_too_long",
            f"The report has {len(markdown):,} characters, and a comment holds {room:,}.",
        )
    comments = list(github.paginate(f"{github.repo}/issues/{number}/comments"))
    ours = [each for each in comments if _is_report(each) and _login(each) == AUTHOR]
    seen = [each for each in comments[:SEEN_BY_CML] if _is_report(each)]
    if seen and _login(seen[-1]) == AUTHOR:
        _cml(github.context, number, markdown, "--update")
    elif ours:
        body = f"{markdown}\n\n{_watermark(github.context)}"
        github.patch(f"{github.repo}/issues/comments/{ours[-1]['id']}", {"body": body})
    else:
        _cml(github.context, number, markdown, *([] if seen else ["--update"]))


def report_comment(github: GitHub, number: int) -> dict[str, Any] | None:
    """The report on pull request ``number`` as it stands, if there is one."""
    comments = github.paginate(f"{github.repo}/issues/{number}/comments")
    ours = [each for each in comments if _is_report(each) and _login(each) == AUTHOR]
    return ours[-1] if ours else None


def without_watermark(body: str) -> str:
    """The Markdown that a comment was posted with."""
    return WATERMARK.sub("", body).rstrip()


def _is_report(comment: dict[str, Any]) -> bool:
    return bool(WATERMARK.search(comment.get("body") or ""))


def _login(comment: dict[str, Any]) -> str | None:
    return (comment.get("user") or {}).get("login")


def _watermark(context: Context) -> str:
    return f'![](https://cml.dev/watermark.png#{context.sha} "CML watermark {TITLE}")'


def _cml(context: Context, number: int, markdown: str, *options: str) -> None:
    program = shutil.which("cml")
    if program is None:
        raise MlopsError(
            "cml_missing", "The program cml is not installed; iterative/setup-cml brings it."
        )
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        (home / "report.md").write_text(markdown, encoding="utf-8")
        command = [
            *(program, "comment", "create", f"--target=pr/{number}", "--publish=false"),
            *(*options, f"--watermark-title={TITLE}", "report.md"),
        ]
        for attempt in range(1, ATTEMPTS + 1):
            done = subprocess.run(
                command,
                cwd=home,
                env=cml_environment(context, home),
                capture_output=True,
                text=True,
                check=False,
            )
            if not done.returncode:
                return
            if attempt < ATTEMPTS:
                time.sleep(2.0**attempt)
    said = (done.stderr.strip().splitlines() or ["no message"])[-1]
    raise MlopsError(
        "cml_failed", f"cml could not comment on pull request {number}, {ATTEMPTS} times: {said}"
    )


def cml_environment(context: Context, home: Path) -> dict[str, str]:
    """What CML may know of this process: it rewrites the Git settings of ``home``."""
    kept = {name: os.environ[name] for name in PASSED if name in os.environ}
    own = {
        "HOME": str(home),
        "CML_REPO": f"{context.server_url}/{context.repository}",
        "GITHUB_TOKEN": context.token or "",
    }
    return {**kept, **OFF, **own}
