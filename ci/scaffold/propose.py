"""A new model as a pull request, for somebody who has only a browser."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ci.assets.bring import bring_dataset
from ci.check import check
from ci.codeowners import FILE as CODEOWNERS
from ci.codeowners import keep_codeowners
from ci.errors import MlopsError
from ci.git import git
from ci.github import pulls
from ci.github.client import GitHubError
from ci.github.git import AUTHOR, EMAIL, authorization
from ci.report.markdown import plain
from ci.scaffold.form import read_form
from ci.scaffold.scaffold import DEFAULT_DATASET, new_model

if TYPE_CHECKING:
    from ci.github.client import GitHub
    from ci.github.pulls import Pull
    from ci.repository import Repository
    from ci.scaffold.form import Wish

# What a person can put right by editing the issue; anything else is a failure of the platform.
ANSWERS = (
    *("bad_form", "bad_name", "model_exists", "unknown_dataset", "several_tables", "not_allowed"),
    *("unreadable_table", "no_target", "unknown_target", "unsupported_target", "no_inputs"),
    *("unknown_team", "bad_model", "no_data"),
)


@dataclass(frozen=True)
class Proposal:
    """What came of a wish; ``pull`` is None where Actions may not open pull requests here."""

    wish: Wish
    branch: str
    pull: Pull | None
    new: bool


def propose(repository: Repository, github: GitHub, number: int, body: str | None) -> Proposal:
    """Make the model that issue ``number`` asks for, push it, and open the pull request.

    ``github`` has the token that pushes and opens. An issue that has its pull request already
    keeps that one, and what people have pushed to it.

    Raises:
        MlopsError: one of ``ANSWERS``, or what Git, DVC or GitHub says.
    """
    wish = read_form(body)
    branch = f"new-model/{wish.name}-{number}"
    there = pulls.open_pulls(github, f"{github.context.owner}:{branch}")
    if there:
        return Proposal(wish, branch, there[0], new=False)
    bring_dataset(
        repository, github, wish.dataset or DEFAULT_DATASET, "edits this issue, which tries again"
    )
    new_model(
        repository,
        wish.name,
        wish.language,
        wish.dataset,
        wish.target,
        wish.owner,
        wish.description,
    )
    keep_codeowners(repository)
    problems = check(repository, wish.name)
    if problems:
        raise MlopsError("bad_model", f"What would be made is not whole: {problems[0].sentence()}")
    _push(repository, github, wish, branch)
    return Proposal(wish, branch, _open(github, wish, branch, number), new=True)


def _push(repository: Repository, github: GitHub, wish: Wish, branch: str) -> None:
    root = repository.root
    git(root, "checkout", "-q", "-b", branch)
    git(root, "add", f"models/{wish.name}", CODEOWNERS)
    who = ["-c", f"user.name={AUTHOR}", "-c", f"user.email={EMAIL}"]
    git(root, *who, "commit", "-q", "--no-verify", "-m", f"New model {wish.name}")
    # Whatever lies on the branch is left over from a run that was cut off: it has no pull request.
    done = subprocess.run(
        ["git", "push", "-q", "--force", "origin", f"HEAD:refs/heads/{branch}"],
        cwd=root,
        env={
            **os.environ,
            **authorization(github.context.token),
            "GIT_TERMINAL_PROMPT": "0",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise MlopsError("push_failed", f"The branch {branch} could not be pushed: {reason}")


def _open(github: GitHub, wish: Wish, branch: str, number: int) -> Pull | None:
    base = str(github.context.event["repository"]["default_branch"])
    try:
        return pulls.create(github, branch, base, f"New model {wish.name}", _body(wish, number))
    except GitHubError as error:
        if error.status == 403:  # a setting of the repository
            return None
        raise


def _body(wish: Wish, number: int) -> str:
    page = f"models/{wish.name}"
    return "\n".join(
        [
            f"{plain(wish.description)}",
            "",
            f"`{page}/` trains as it is, with a simple model. To make it yours, open the tab "
            "**Files changed**, and at a file choose **…**, **Edit file**:",
            "",
            f"- `{page}/train.*` and `{page}/predict.*` hold the training and the prediction;",
            f"- `{page}/model.yaml` says what goes in, what comes out and how it is judged;",
            f"- `{page}/README.md` explains the rest.",
            "",
            "Each change that is saved here trains the model again, and the report follows as a "
            "comment.",
            "",
            f"Closes #{number}",
        ]
    )
