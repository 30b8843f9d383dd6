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
    world.rerun(run)                           # "Re-run all jobs" of a run that has ended
    world.review(pull, "bob", "APPROVED")      world.comment(pull, "bob", "text")
    world.merge(pull)                          # queues the push to main
    runs = world.run_push("deploy.yml")        # the first and the last queued; others cancelled
    world.commit({"README.md": "x"})           # a direct push to main, queued as well
    world.dispatch("rollback.yml", {"model": "sales-python"}, actor="alice")
    world.schedule("batch.yml")                world.run_dispatched()      # what the API started
    world.run_asked_for("revert.yml")          # for what machines sent to /dispatches
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

from pathlib import Path

from tests.workflows import payloads
from tests.workflows.authors import Authors, Files
from tests.workflows.runs import Run, Runner
from tests.workflows.standin.git_http import new_bare
from tests.workflows.standin.hub import BOT, Hub, now
from tests.workflows.standin.issues import add_comment, open_issue
from tests.workflows.standin.pulls import (
    head_sha,
    merge_commit,
    open_pull,
    refresh_head,
    refresh_merge,
)
from tests.workflows.standin.server import Standin
from tests.workflows.view import MAIN, View
from tests.workflows.workflow_files import HarnessError, dispatch_inputs

PEOPLE = {"kronkers": "admin", "alice": "admin", "bob": "push", "carol": "push"}
STRANGER = "mallory"


class World(View):
    """One repository, its people, and the runner."""

    def __init__(self, folder: Path, template: Path) -> None:
        super().__init__(Hub(folder))
        self.pushes: list[tuple[str, str, str]] = []
        self._waiting: list[Run] = []
        self._standin = Standin(self.github)
        self.github.collaborators.update(PEOPLE)
        new_bare(self.github.bare)
        self.github.git("fetch", "-q", str(template), f"main:{MAIN}")
        self._authors = Authors(self.github, folder / "clone")
        self.runner = Runner(self.github, folder)
        self.secrets, self.variables = self.runner.secrets, self.runner.variables

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
        self._authors.commit(self.main, files, author, owner, branch)
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
        commit = self._authors.commit(start, files, author, of["head_owner"], of["head_ref"])
        refresh_head(self.github, of)
        return commit

    def commit(self, files: Files, author: str = "alice", message: str = "Direct") -> str:
        """Push to main past any review."""
        before = self.main
        after = self._authors.commit(before, files, author, self.github.owner, "main", message)
        self.pushes.append((before, after, author))
        return after

    def merge(self, pull: int, *, author: str = "alice", squash: bool = False) -> str:
        """Merge as the button does; returns the commit on main, whose push is queued."""
        of, before = self.github.pulls[pull], self.main
        after = merge_commit(self.github, pull, f"{of['title']} (#{pull})", squash=squash)
        assert after is not None, "a pull request with conflicts can't be merged"
        self.github.git("update-ref", MAIN, after, before)
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
        """Queue the run for the newest commit; an older one that has not ended is cancelled."""
        of = self.github.pulls[pull]
        if of["author"] == BOT:
            raise HarnessError("a pull request of the workflow's own token starts no workflow")
        known = [each for each in self.github.runs.values() if each["pull"] == pull]
        action = "synchronize" if known else "opened"
        commit = refresh_merge(self.github, pull)
        assert commit is not None, "a pull request with conflicts starts no workflow"
        found = self.runner.workflow(workflow, commit)
        files = self.github.git("diff", "--name-only", f"main...refs/pull/{pull}/head")
        found.require_trigger("pull_request", action=action, branch="main", files=files.split())
        for each in self._waiting if found.cancels() else []:
            if each.document["pull"] == pull and each.workflow.path == found.path:
                self.runner.cancel(each)
        event = payloads.pull_request(self.github, pull, action)
        ref = f"refs/pull/{pull}/merge"
        run = self.runner.begin(found, "pull_request", event, commit, ref, pull=pull)
        self._waiting = [each for each in self._waiting if each.conclusion is None] + [run]
        return run

    def run_report(self, run: Run, action: str = "completed", workflow: str = "report.yml") -> Run:
        """Run what follows another run, on main."""
        found = self.runner.workflow(workflow, self.main)
        found.require_trigger("workflow_run", action=action, workflow=run.workflow.name)
        event = payloads.workflow_run(self.github, run.document, action)
        return self.finish(self.runner.begin(found, "workflow_run", event, self.main, MAIN))

    def run_push(self, workflow: str = "deploy.yml") -> list[Run]:
        """Run what the queued pushes to main start, as the concurrency group lets it.

        The first runs while the others wait; of those that wait only the newest is left.
        """
        queued, self.pushes = self.pushes, []
        runs = []
        for before, after, sender in queued:
            found = self.runner.workflow(workflow, after)
            files = self.github.git("diff", "--name-only", before, after).splitlines()
            found.require_trigger("push", branch="main", files=files)
            event = payloads.push(self.github, before, after, sender)
            runs.append(self.runner.begin(found, "push", event, after, MAIN, actor=sender))
        for number, run in enumerate(runs):
            last = number == len(runs) - 1
            first = number == 0 and not run.workflow.cancels()
            if first or last or not run.workflow.has_group():
                self.finish(run)
            else:
                self.cancel(run)
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
        found = self.runner.workflow(workflow, commit)
        found.require_trigger("workflow_dispatch")
        values = dispatch_inputs(found, inputs or {})
        event = payloads.dispatch(self.github, found.path, ref, values, actor)
        run = self.runner.begin(
            found, "workflow_dispatch", event, commit, f"refs/heads/{ref}", actor=actor
        )
        return self.finish(run)

    def run_dispatched(self) -> list[Run]:
        """Run what was started through the API."""
        queued, self.github.dispatches = self.github.dispatches, []
        return [
            self.dispatch(Path(each["path"]).name, each["inputs"], actor=BOT, ref=each["ref"])
            for each in queued
        ]

    def run_asked_for(self, workflow: str) -> list[Run]:
        """Run ``workflow`` for each event that a machine sent through the API."""
        queued, self.github.asked_for = self.github.asked_for, []
        runs = []
        for each in queued:
            found = self.runner.workflow(workflow, self.main)
            found.require_trigger("repository_dispatch", action=each["event_type"])
            sender = each["login"]
            event = payloads.repository_dispatch(self.github, each["event_type"], sender)
            name = "repository_dispatch"
            run = self.runner.begin(found, name, event, self.main, MAIN, actor=sender)
            runs.append(self.finish(run))
        return runs

    def schedule(self, workflow: str) -> Run:
        """Run a workflow as its (first) schedule does."""
        found = self.runner.workflow(workflow, self.main)
        found.require_trigger("schedule")
        event = payloads.schedule(self.github, found.data["on"]["schedule"][0]["cron"])
        return self.finish(self.runner.begin(found, "schedule", event, self.main, MAIN))

    def run_issue(
        self, workflow: str, number: int, action: str = "opened", label: str | None = None
    ) -> Run:
        """Run what an issue starts."""
        found = self.runner.workflow(workflow, self.main)
        found.require_trigger("issues", action=action)
        event = payloads.issues(self.github, number, action, label)
        sender = self.github.issues[number]["author"]
        run = self.runner.begin(found, "issues", event, self.main, MAIN, actor=sender)
        return self.finish(run)

    def expire_artifacts(self) -> None:
        """Ninety days later."""
        for each in self.github.artifacts.values():
            each["expired"] = True
            each["file"].unlink(missing_ok=True)

    def drop_caches(self) -> None:
        """A week without use later."""
        self.github.caches.clear()

    def rerun(self, run: Run) -> Run:
        """Press "Re-run all jobs"."""
        return self.runner.again(run)

    def cancel(self, run: Run) -> None:
        """A newer run of its concurrency group took its place."""
        self.runner.cancel(run)

    def finish(self, run: Run) -> Run:
        """Run a queued run to its end."""
        return self.runner.finish(run)
