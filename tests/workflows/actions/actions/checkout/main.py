"""Clones from the stand-in with the real action's ref, depth and refusals."""

import base64
import os
import subprocess
from pathlib import Path

from runner_side import event, fail, given, is_true, output, remember, token, workspace

UNTRUSTED_EVENTS = ("pull_request_target", "workflow_run")


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", *arguments], cwd=folder, capture_output=True, text=True, check=False
    )
    if done.returncode:
        fail(f"git {arguments[0]}: {done.stderr.strip()}")
    return done.stdout.strip()


def refuse_strangers(repository: str, ref: str) -> None:
    """Code of a fork is not checked out where there may be secrets."""
    name = os.environ["GITHUB_EVENT_NAME"]
    if name not in UNTRUSTED_EVENTS or is_true("allow-unsafe-pr-checkout"):
        return
    own = os.environ["GITHUB_REPOSITORY"]
    pull = event().get("workflow_run") or event().get("pull_request", {}).get("head", {})
    head = pull.get("head_repository") or pull.get("repo") or {}
    foreign = head.get("full_name") != own
    of_fork = foreign and ref in (pull.get("head_sha"), pull.get("sha"))
    if repository != own or of_fork or (foreign and ref.startswith("refs/pull/")):
        fail(f"Refusing to check out fork pull request code under {name}.")


def main() -> None:
    repository, ref = given("repository"), given("ref")
    refuse_strangers(repository, ref)
    folder = workspace() / given("path")
    folder.mkdir(parents=True, exist_ok=True)
    git(folder, "init", "-q", "-b", "unborn")
    server = os.environ["GITHUB_SERVER_URL"]
    git(folder, "remote", "add", "origin", f"{server}/{repository}")
    basic = base64.b64encode(f"x-access-token:{token()}".encode()).decode()
    setting = f"http.{server}/.extraheader"
    git(folder, "config", setting, f"AUTHORIZATION: basic {basic}")
    if not ref and repository == os.environ["GITHUB_REPOSITORY"]:
        ref, sha = os.environ["GITHUB_REF"], os.environ["GITHUB_SHA"]
    else:
        ref, sha = ref or "refs/heads/main", ""
    fetch(folder, ref, sha)
    check_out(folder, ref, sha)
    commit = git(folder, "rev-parse", "HEAD")
    output("ref", ref)
    output("commit", commit)
    if is_true("persist-credentials"):
        remember("folder", str(folder))
        remember("setting", setting)
    else:
        git(folder, "config", "--unset-all", setting)
    print(f"{repository} at {commit}")


def fetch(folder: Path, ref: str, sha: str) -> None:
    depth = int(given("fetch-depth") or 1)
    options = ["-q", "--prune", *([f"--depth={depth}"] if depth else [])]
    if not is_true("fetch-tags"):
        options.append("--no-tags")
    if given("filter"):
        options.append(f"--filter={given('filter')}")
    wanted = [sha or ref]
    if depth == 0:
        wanted += ["+refs/heads/*:refs/remotes/origin/*", "+refs/tags/*:refs/tags/*"]
    git(folder, "fetch", *options, "origin", *wanted)


def check_out(folder: Path, ref: str, sha: str) -> None:
    commit = sha or git(folder, "rev-parse", "FETCH_HEAD")
    if given("sparse-checkout"):
        cone = "--cone" if is_true("sparse-checkout-cone-mode") else "--no-cone"
        git(folder, "sparse-checkout", "set", cone, *given("sparse-checkout").split())
    branch = ref.removeprefix("refs/heads/")
    if ref.startswith("refs/heads/"):
        git(folder, "update-ref", f"refs/remotes/origin/{branch}", commit)
        git(folder, "checkout", "-q", "-B", branch, commit)
    else:
        git(folder, "checkout", "-q", "--detach", commit)


main()
