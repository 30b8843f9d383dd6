"""A repository on GitHub in which the real workflows run.

    def test_a_worse_model_is_refused(world: World) -> None:
        pull = world.open_pull("worse", {"models/sales-python/params.yaml": "train: {…}"})
        run, report = world.run_pull_request(pull)      # pull-request.yml, then report.yml
        assert report.conclusion == "success"
        assert world.status(pull)["state"] == "failure"
        assert "sales-python" in world.report(pull)     # the one comment

The fixture `world` is a repository just made from the template: the platform of this working
tree and one model, `sales-python` (`make_world` takes others). `world.github` is the stand-in's
state: pulls, issues, comments, runs, artifacts, releases … as plain data, and
`fail_next("POST", "/statuses/", 500)`, `rate_limit_next(…)`. Verbs:

    pull = world.open_pull(branch, files, author="alice", fork=False)      # number
    world.push(pull, files)                    # a second push to its branch
    run = world.begin_pull_request(pull)       # queued;  world.run_report(run, "requested")
    world.finish(run)                          # runs it; world.run_report(run, "completed")
    world.review(pull, "bob", "APPROVED")      world.comment(pull, "bob", "text")
    world.merge(pull)                          # queues the push to main
    runs = world.run_push("deploy.yml")        # the first and the last queued; others cancelled
    world.commit({"README.md": "x"})           # a direct push to main, queued as well
    world.dispatch("rollback.yml", {"model": "sales-python"}, actor="alice")
    world.schedule("batch.yml")                world.run_dispatched()      # what the API started
    number = world.open_issue("New model", body, author="carol")
    world.run_issue("new-model.yml", number, "opened")
    world.expire_artifacts(); world.drop_caches(); world.secrets; world.variables

A run has `conclusion`, `jobs`, `job("train")` or `job("train (a)")`, `summary`, `log`,
`annotations`; a job `steps`, `outputs`, `matrix`. `files` map a path to its text, or None to
delete it. At the end the fixture fails on what GitHub would not have understood: unknown
endpoints and fields, requests without the job's token (`world.github.problems`). Refusals that a
test means to happen (403, 404, 422) are in `world.github.refusals`.

People: kronkers (owner, admin), alice (admin), bob and carol (write). mallory may write nothing
and has a fork. The repository is private, as the strictest case: reading needs `contents: read`.
"""

from __future__ import annotations

import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.workflows import payloads
from tests.workflows.act import Job, Setting, run_workflow, runner_path
from tests.workflows.standin.commits import latest
from tests.workflows.standin.git_http import new_bare
from tests.workflows.standin.hub import APP, BOT, Document, Hub, Token, now
from tests.workflows.standin.issues import add_comment, open_issue
from tests.workflows.standin.pulls import head_sha, open_pull, refresh_head
from tests.workflows.standin.server import Standin
from tests.workflows.workflow_files import HarnessError, Workflow

PEOPLE = {"kronkers": "admin", "alice": "admin", "bob": "push", "carol": "push"}
STRANGER = "mallory"
WATERMARK = '"CML watermark kronkers/report"'
Files = dict[str, str | None]


@dataclass
class Run:
    """A run of a workflow; `jobs` once it has ended."""

    id: int
    workflow: Workflow
    document: Document
    event: Document
    sha: str
    ref: str
    jobs: list[Job] = field(default_factory=list)

    @property
    def conclusion(self) -> str | None:
        """success, failure, cancelled or, before its end, None."""
        found: str | None = self.document["conclusion"]
        return found

    @property
    def summary(self) -> str:
        """What its page shows."""
        return "\n".join(job.summary for job in self.jobs if job.summary)

    @property
    def annotations(self) -> list[dict[str, str]]:
        """Errors, warnings and notices of all jobs."""
        return [each for job in self.jobs for each in job.annotations]

    @property
    def log(self) -> str:
        """What all steps printed."""
        return "\n".join(f"# {job.name}\n{job.log}" for job in self.jobs)

    def job(self, name: str) -> Job:
        """The job with that id or name."""
        found = [job for job in self.jobs if name in (job.id, job.name)]
        assert found, f"no job {name!r} in {[job.name for job in self.jobs]}"
        return found[0]

    def ran(self) -> list[str]:
        """Names of the jobs that were not skipped."""
        return [job.name for job in self.jobs if job.conclusion != "skipped"]


class World:
    """One repository, its people, and the runner."""

    def __init__(self, folder: Path, template: Path) -> None:
        self.github = Hub(folder)
        self.folder = folder
        self.secrets: dict[str, str] = {}
        self.variables: dict[str, str] = {}
        self.pushes: list[tuple[str, str, str]] = []
        self.labels: tuple[str, ...] = ()
        self._standin = Standin(self.github)
        self.github.collaborators.update(PEOPLE)
        new_bare(self.github.bare)
        self.github.git("fetch", "-q", str(template), "main:refs/heads/main")
        self.clone = folder / "clone"
        git(folder, "clone", "-q", "-b", "main", str(self.github.bare), str(self.clone))

    def __enter__(self) -> World:
        self._standin.__enter__()
        return self

    def __exit__(self, *exception: object) -> None:
        self._standin.__exit__(*exception)

    @property
    def url(self) -> str:
        """Address of the stand-in."""
        return self._standin.url

    # --- people -----------------------------------------------------------------------------

    def open_pull(
        self,
        branch: str,
        files: Files,
        *,
        author: str = "alice",
        fork: bool = False,
        title: str = "A change",
    ) -> int:
        """Push a branch, of main or of a fork, and open a pull request; returns its number."""
        author = STRANGER if fork else author
        owner = STRANGER if fork else self.github.owner
        if fork and not self.github.repository_of(owner).exists():
            new_bare(self.github.repository_of(owner))
        self._commit("origin/main", files, owner, branch, author)
        pull = open_pull(
            self.github,
            head_owner=owner,
            head_ref=branch,
            base_ref="main",
            author=author,
            title=title,
            body=None,
        )
        return int(pull["number"])

    def push(self, pull: int, files: Files, author: str | None = None) -> str:
        """Push once more to the branch of a pull request; returns the commit."""
        of = self.github.pulls[pull]
        author = author or of["author"]
        start = head_sha(self.github, of)
        commit = self._commit(start, files, of["head_owner"], of["head_ref"], author)
        refresh_head(self.github, of)
        return commit

    def commit(self, files: Files, author: str = "alice", message: str = "Direct") -> str:
        """Push to main past any review."""
        before = self.main
        after = self._commit("origin/main", files, self.github.owner, "main", author, message)
        self.pushes.append((before, after, author))
        return after

    def merge(self, pull: int, *, author: str = "alice", squash: bool = False) -> str:
        """Merge as the button does; returns the commit on main, whose push is queued."""
        of, before = self.github.pulls[pull], self.main
        head = head_sha(self.github, of)
        tree = self._merged_tree(pull)
        parents = ["-p", before, *([] if squash else ["-p", head])]
        message = f"{of['title']} (#{pull})"
        after = self.github.git("commit-tree", tree, *parents, "-m", message)
        self.github.git("update-ref", "refs/heads/main", after, before)
        of.update(state="closed", merged_at=now(), merge_commit_sha=after, base_sha=before)
        self.github.issues[pull]["state"] = "closed"
        self.pushes.append((before, after, author))
        return after

    def review(
        self, pull: int, login: str, state: str = "APPROVED", commit: str | None = None
    ) -> None:
        """Review the newest commit, or an older one."""
        self.github.reviews.append(
            {
                "id": self.github.next_id(),
                "number": pull,
                "login": login,
                "state": state,
                "body": "",
                "commit_id": commit or self.head(pull),
                "submitted_at": now(),
            }
        )

    def comment(self, number: int, login: str, body: str) -> int:
        """Comment on a pull request or an issue; returns the comment's id."""
        return int(add_comment(self.github, number, login, body)["id"])

    def open_issue(
        self, title: str, body: str, *, author: str = "alice", labels: tuple[str, ...] = ()
    ) -> int:
        """Open an issue, as a form does; returns its number."""
        return int(open_issue(self.github, author, title, body, list(labels))["number"])

    # --- looking ----------------------------------------------------------------------------

    @property
    def main(self) -> str:
        """The newest commit of main."""
        return self.github.git("rev-parse", "refs/heads/main")

    def head(self, pull: int) -> str:
        """The newest commit of a pull request."""
        return head_sha(self.github, self.github.pulls[pull])

    def status(self, pull_or_commit: int | str, context: str = "verdict") -> Document:
        """The latest commit status of a context; empty where there is none."""
        one = pull_or_commit
        commit = self.head(one) if isinstance(one, int) else one
        return latest(self.github, commit).get(context, {})

    def comments(self, number: int) -> list[Document]:
        """Comments of an issue or pull request, oldest first."""
        return [each for each in self.github.comments if each["number"] == number]

    def report(self, pull: int) -> str:
        """The one report on a pull request; more than one is a failure."""
        found = [
            each
            for each in self.comments(pull)
            if WATERMARK in each["body"] and each["login"] == BOT
        ]
        assert len(found) == 1, f"{len(found)} reports on #{pull}"
        return str(found[0]["body"])

    def file(self, path: str, ref: str = "main") -> str:
        """A file as it is on a branch."""
        return self.github.git("show", f"{ref}:{path}")

    # --- what GitHub does -------------------------------------------------------------------

    def run_pull_request(
        self, pull: int, workflow: str = "pull-request.yml", report: str = "report.yml"
    ) -> tuple[Run, Run]:
        """The whole way of a push to a pull request; returns its run and the report's."""
        run = self.begin_pull_request(pull, workflow)
        self.run_report(run, "requested", report)
        self.finish(run)
        return run, self.run_report(run, "completed", report)

    def begin_pull_request(self, pull: int, workflow: str = "pull-request.yml") -> Run:
        """Queue the run for the newest commit of a pull request."""
        of = self.github.pulls[pull]
        if of["author"] == BOT:
            raise HarnessError("a pull request of the workflow's own token starts no workflow")
        known = [each for each in self.github.runs.values() if each["pull"] == pull]
        action = "synchronize" if known else "opened"
        merge = self._merge_commit(pull)
        found = self._workflow(workflow, merge)
        files = self.github.git("diff", "--name-only", f"main...refs/pull/{pull}/head")
        found.require_trigger("pull_request", action=action, branch="main", files=files.split())
        event = payloads.pull_request(self.github, pull, action)
        return self._begin(
            found, "pull_request", event, merge, f"refs/pull/{pull}/merge", pull=pull
        )

    def run_report(self, run: Run, action: str = "completed", workflow: str = "report.yml") -> Run:
        """Run what follows another run, on main."""
        found = self._workflow(workflow, self.main)
        found.require_trigger("workflow_run", action=action, workflow=run.workflow.name)
        event = payloads.workflow_run(self.github, run.document, action)
        return self.finish(self._begin(found, "workflow_run", event, self.main, "refs/heads/main"))

    def run_push(self, workflow: str = "deploy.yml") -> list[Run]:
        """Run what the queued pushes to main start, as a concurrency group lets it.

        The first runs while the others wait; of those that wait only the newest is left.
        """
        queued, self.pushes = self.pushes, []
        runs = []
        for before, after, sender in queued:
            found = self._workflow(workflow, after)
            files = self.github.git("diff", "--name-only", before, after).splitlines()
            found.require_trigger("push", branch="main", files=files)
            event = payloads.push(self.github, before, after, sender)
            runs.append(self._begin(found, "push", event, after, "refs/heads/main", sender))
        for number, run in enumerate(runs):
            if number in (0, len(runs) - 1):
                self.finish(run)
            else:
                run.document.update(status="completed", conclusion="cancelled")
        return runs

    def dispatch(
        self,
        workflow: str,
        inputs: dict[str, str] | None = None,
        *,
        actor: str = "alice",
        ref: str = "main",
    ) -> Run:
        """Run a workflow by hand; inputs that it does not declare are refused."""
        commit = self.github.git("rev-parse", f"refs/heads/{ref}")
        found = self._workflow(workflow, commit)
        found.require_trigger("workflow_dispatch")
        values = _inputs(found, inputs or {})
        event = payloads.dispatch(self.github, found.path, ref, values, actor)
        run = self._begin(found, "workflow_dispatch", event, commit, f"refs/heads/{ref}", actor)
        return self.finish(run)

    def run_dispatched(self) -> list[Run]:
        """Run what was started through the API."""
        queued, self.github.dispatches = self.github.dispatches, []
        return [
            self.dispatch(Path(each["path"]).name, each["inputs"], actor=BOT, ref=each["ref"])
            for each in queued
        ]

    def schedule(self, workflow: str) -> Run:
        """Run a workflow as its (first) schedule does."""
        found = self._workflow(workflow, self.main)
        found.require_trigger("schedule")
        cron = self._cron(found)
        event = payloads.schedule(self.github, cron)
        return self.finish(self._begin(found, "schedule", event, self.main, "refs/heads/main"))

    def run_issue(
        self, workflow: str, number: int, action: str = "opened", label: str | None = None
    ) -> Run:
        """Run what an issue starts."""
        found = self._workflow(workflow, self.main)
        found.require_trigger("issues", action=action)
        event = payloads.issues(self.github, number, action, label)
        sender = self.github.issues[number]["author"]
        run = self._begin(found, "issues", event, self.main, "refs/heads/main", sender)
        return self.finish(run)

    def expire_artifacts(self) -> None:
        """Ninety days later."""
        for each in self.github.artifacts.values():
            each["expired"] = True
            each["file"].unlink(missing_ok=True)

    def drop_caches(self) -> None:
        """A week without use later."""
        self.github.caches.clear()

    def cancel(self, run: Run) -> None:
        """A newer run of its concurrency group took its place."""
        run.document.update(status="completed", conclusion="cancelled", updated_at=now())

    def finish(self, run: Run) -> Run:
        """Run a queued run to its end."""
        assert run.conclusion is None, "this run has ended"
        run.document.update(status="in_progress", updated_at=now())
        run.jobs = run_workflow(run.workflow, self._setting(run))
        bad = [job for job in run.jobs if job.conclusion == "failure"]
        run.document.update(
            status="completed", conclusion="failure" if bad else "success", updated_at=now()
        )
        self.github.jobs += [_job_document(self.github, run, job) for job in run.jobs]
        return run

    # --- inside -----------------------------------------------------------------------------

    def _commit(
        self,
        start: str,
        files: Files,
        owner: str,
        branch: str,
        author: str,
        message: str = "Change",
    ) -> str:
        git(self.clone, "fetch", "-q", "origin", "+refs/pull/*/head:refs/pulls/*", "main")
        git(self.clone, "checkout", "-q", "--detach", start)
        for name, text in files.items():
            path = self.clone / name
            if text is None:
                path.unlink()
            else:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
        git(self.clone, "add", "-A")
        who = [f"-c user.name={author}", f"-c user.email={author}@example.com"]
        identity = [part for each in who for part in each.split(" ", 1)]
        git(self.clone, *identity, "commit", "-q", "--allow-empty", "-m", message)
        target = str(self.github.repository_of(owner))
        git(self.clone, "push", "-q", "--force", target, f"HEAD:refs/heads/{branch}")
        return git(self.clone, "rev-parse", "HEAD").strip()

    def _merged_tree(self, pull: int) -> str:
        return self.github.git("merge-tree", "--write-tree", "main", f"refs/pull/{pull}/head")

    def _merge_commit(self, pull: int) -> str:
        """What GitHub tests: main and the pull request together, in `refs/pull/N/merge`."""
        head, tree = self.head(pull), self._merged_tree(pull)
        parents = ["-p", self.main, "-p", head]
        commit = self.github.git("commit-tree", tree, *parents, "-m", f"Merge {head}")
        self.github.git("update-ref", f"refs/pull/{pull}/merge", commit)
        return commit

    def _workflow(self, name: str, commit: str) -> Workflow:
        path = f".github/workflows/{name}"
        return Workflow(path, self.github.git("show", f"{commit}:{path}") + "\n")

    def _cron(self, workflow: Workflow) -> str:
        return str(workflow.data["on"]["schedule"][0]["cron"])

    def _begin(
        self,
        workflow: Workflow,
        name: str,
        event: Document,
        sha: str,
        ref: str,
        actor: str | None = None,
        pull: int | None = None,
    ) -> Run:
        of = self.github.pulls[pull] if pull else None
        own = of is None or of["head_owner"] == self.github.owner
        number = self.github.next_id()
        document: Document = {
            "id": number,
            "name": workflow.name,
            "path": workflow.path,
            "event": name,
            "status": "queued",
            "conclusion": None,
            "head_branch": of["head_ref"] if of else ref.removeprefix("refs/heads/"),
            "head_sha": head_sha(self.github, of) if of else sha,
            "head_owner": of["head_owner"] if of else self.github.owner,
            # GitHub leaves a fork's pull request out.
            "pulls": [pull] if pull and own else [],
            "pull": pull,
            "attempt": 1,
            "actor": actor or (of["author"] if of else self.github.owner),
            "created_at": now(),
            "updated_at": now(),
        }
        self.github.runs[number] = document
        read_only = not own
        for job in workflow.jobs:
            granted = workflow.permissions(job)
            if read_only:
                granted = {scope: "read" for scope, level in granted.items() if level != "none"}
            self.github.tokens[f"ghs_{number}.{job}"] = Token(BOT, granted, number)
        return Run(number, workflow, document, event, sha, ref)

    def _setting(self, run: Run) -> Setting:
        folder = self.folder / "runs" / str(run.id)
        checkout = folder / "checkout"
        folder.mkdir(parents=True)
        git(folder, "clone", "-q", "--shared", "--no-checkout", str(self.github.bare), "checkout")
        git(checkout, "checkout", "-q", "-B", run.ref.removeprefix("refs/heads/"), run.sha)
        fork = run.document["head_owner"] != self.github.owner
        return Setting(
            folder=folder,
            checkout=checkout,
            event_name=run.document["event"],
            event=run.event,
            environment=self._environment(run),
            secrets={**({} if fork else self.secrets), "GITHUB_TOKEN": f"ghs_{run.id}"},
            variables=self.variables,
            actor=run.document["actor"],
            path=runner_path(),
            labels=self.labels,
        )

    def _environment(self, run: Run) -> dict[str, str]:
        return {
            "GITHUB_API_URL": self.url,
            "GITHUB_SERVER_URL": self.url,
            "GITHUB_GRAPHQL_URL": f"{self.url}/graphql",
            "GITHUB_REPOSITORY": self.github.full_name,
            "GITHUB_REPOSITORY_OWNER": self.github.owner,
            "GITHUB_RUN_ID": str(run.id),
            "GITHUB_RUN_ATTEMPT": "1",
            "GITHUB_SHA": run.sha,
            "GITHUB_REF": run.ref,
            "GITHUB_REF_NAME": run.ref.removeprefix("refs/heads/").removeprefix("refs/pull/"),
        }


def _inputs(workflow: Workflow, given: dict[str, str]) -> dict[str, str]:
    declared = workflow.triggers()["workflow_dispatch"].get("inputs") or {}
    unknown = set(given) - set(declared)
    if unknown:
        raise HarnessError(f"{workflow.path} has no input {', '.join(sorted(unknown))}")
    values = {}
    for name, each in declared.items():
        value = given.get(name, str(each.get("default", "")))
        if each.get("required") and not value:
            raise HarnessError(f"{workflow.path} needs the input {name}")
        if each.get("type") == "choice" and value not in each["options"]:
            raise HarnessError(f"{workflow.path}: {name} is one of {each['options']}")
        values[name] = value
    return values


def _job_document(hub: Hub, run: Run, job: Job) -> dict[str, Any]:
    number = hub.next_id()
    steps = [
        {"name": step.name, "status": "completed", "conclusion": step.conclusion, "number": index}
        for index, step in enumerate(job.steps, 1)
    ]
    return {
        "id": number,
        "run_id": run.id,
        "name": job.name,
        "status": "completed",
        "conclusion": job.conclusion,
        "head_sha": run.document["head_sha"],
        "run_attempt": 1,
        "started_at": job.began or now(),
        "completed_at": job.ended or now(),
        "created_at": run.document["created_at"],
        "labels": ["ubuntu-24.04"],
        "steps": steps,
        "workflow_name": run.workflow.name,
        "html_url": f"{hub.url}/{hub.full_name}/actions/runs/{run.id}/job/{number}",
        "url": f"{hub.url}/repos/{hub.full_name}/actions/jobs/{number}",
        "run_url": f"{hub.url}/repos/{hub.full_name}/actions/runs/{run.id}",
    }


def git(folder: Path, *arguments: str) -> str:
    """Run git in ``folder``."""
    done = subprocess.run(
        ["git", *arguments], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"git {' '.join(arguments)}: {done.stderr}"
    return done.stdout


__all__ = ["APP", "STRANGER", "World"]
