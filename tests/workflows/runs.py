"""Runs of workflows: queued, run with act, and remembered as GitHub remembers them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.workflows.act import Setting, run_workflow, runner_path
from tests.workflows.act_log import Job
from tests.workflows.authors import git
from tests.workflows.standin.hub import BOT, Document, Hub, Token, now
from tests.workflows.standin.pulls import head_sha
from tests.workflows.workflow_files import Workflow


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

    @property
    def seconds(self) -> float:
        """What its steps took, one after the other."""
        return sum(step.seconds for job in self.jobs for step in job.steps)

    def job(self, name: str) -> Job:
        """The job with that id or name."""
        found = [job for job in self.jobs if name in (job.id, job.name)]
        assert found, f"no job {name!r} in {[job.name for job in self.jobs]}"
        return found[0]

    def ran(self) -> list[str]:
        """Names of the jobs that were not skipped."""
        return [job.name for job in self.jobs if job.conclusion != "skipped"]


class Runner:
    """Takes runs from the queue.

    `secrets`, `variables`, further `labels` and `environment` are the test's.
    """

    def __init__(self, hub: Hub, folder: Path) -> None:
        self.hub = hub
        self.folder = folder
        self.secrets: dict[str, str] = {}
        self.variables: dict[str, str] = {}
        self.labels: list[str] = []
        self.environment: dict[str, str] = {}

    def workflow(self, name: str, commit: str) -> Workflow:
        """A workflow file as it is in a commit."""
        path = f".github/workflows/{name}"
        return Workflow(path, self.hub.git("show", f"{commit}:{path}") + "\n")

    def begin(
        self,
        workflow: Workflow,
        name: str,
        event: Document,
        sha: str,
        ref: str,
        *,
        actor: str | None = None,
        pull: int | None = None,
    ) -> Run:
        """Queue a run for an event; each of its jobs gets a token of its own."""
        of = self.hub.pulls[pull] if pull else None
        own = of is None or of["head_owner"] == self.hub.owner
        number = self.hub.next_id()
        document: Document = {
            "id": number,
            "name": workflow.name,
            "path": workflow.path,
            "event": name,
            "status": "queued",
            "conclusion": None,
            "head_branch": of["head_ref"] if of else ref.removeprefix("refs/heads/"),
            "head_sha": head_sha(self.hub, of) if of else sha,
            "head_owner": of["head_owner"] if of else self.hub.owner,
            # GitHub leaves a fork's pull request out.
            "pulls": [pull] if pull and own else [],
            "pull": pull,
            "attempt": 1,
            "actor": actor or (of["author"] if of else self.hub.owner),
            "created_at": now(),
            "updated_at": now(),
        }
        self.hub.runs[number] = document
        self._give_tokens(workflow, number, own)
        return Run(number, workflow, document, event, sha, ref)

    def _give_tokens(self, workflow: Workflow, run_id: int, own: bool) -> None:
        for job in workflow.jobs:
            granted = workflow.permissions(job)
            if not own:
                granted = {scope: "read" for scope, level in granted.items() if level != "none"}
            self.hub.tokens[f"ghs_{run_id}.{job}"] = Token(BOT, granted, run_id)

    def finish(self, run: Run) -> Run:
        """Run a queued run to its end."""
        assert run.conclusion is None, "this run has ended"
        run.document.update(status="in_progress", updated_at=now())
        run.jobs = run_workflow(run.workflow, self._setting(run))
        bad = any(job.conclusion == "failure" for job in run.jobs)
        self._end(run, "failure" if bad else "success")
        self.hub.deployments += _deployments(run)
        self.hub.jobs = [each for each in self.hub.jobs if each["run_id"] != run.id]
        self.hub.jobs += [_job_document(self.hub, run, job) for job in run.jobs]
        return run

    def again(self, run: Run) -> Run:
        """The same run once more, as "Re-run all jobs": same event and commit, next attempt."""
        run.document.update(
            attempt=run.document["attempt"] + 1, status="queued", conclusion=None, updated_at=now()
        )
        self._give_tokens(run.workflow, run.id, run.document["head_owner"] == self.hub.owner)
        return self.finish(run)

    def cancel(self, run: Run) -> None:
        """A newer run of its concurrency group took its place."""
        self._end(run, "cancelled")

    def _end(self, run: Run, conclusion: str) -> None:
        run.document.update(status="completed", conclusion=conclusion, updated_at=now())
        # As on GitHub, a token ends with its job.
        for name in [each for each in self.hub.tokens if each.startswith(f"ghs_{run.id}.")]:
            del self.hub.tokens[name]

    def _setting(self, run: Run) -> Setting:
        folder = self.folder / "runs" / f"{run.id}-{run.document['attempt']}"
        checkout = folder / "checkout"
        folder.mkdir(parents=True)
        git(folder, "clone", "-q", "--shared", "--no-checkout", str(self.hub.bare), "checkout")
        git(checkout, "checkout", "-q", "-B", run.ref.removeprefix("refs/heads/"), run.sha)
        fork = run.document["head_owner"] != self.hub.owner
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
            labels=tuple(self.labels),
        )

    def _environment(self, run: Run) -> dict[str, str]:
        return {
            "GITHUB_API_URL": self.hub.url,
            "GITHUB_SERVER_URL": self.hub.url,
            "GITHUB_GRAPHQL_URL": f"{self.hub.url}/graphql",
            "GITHUB_REPOSITORY": self.hub.full_name,
            "GITHUB_REPOSITORY_OWNER": self.hub.owner,
            "GITHUB_RUN_ID": str(run.id),
            "GITHUB_RUN_ATTEMPT": str(run.document["attempt"]),
            "GITHUB_SHA": run.sha,
            "GITHUB_REF": run.ref,
            "GITHUB_REF_NAME": run.ref.removeprefix("refs/heads/").removeprefix("refs/pull/"),
            **self.environment,
        }


def _deployments(run: Run) -> list[Document]:
    """What GitHub records of jobs that have an environment."""
    found = []
    for job in run.jobs:
        environment = run.workflow.jobs[job.id].get("environment")
        if environment and job.conclusion != "skipped":
            name = environment if isinstance(environment, str) else environment["name"]
            made = {"environment": name, "sha": run.sha, "run": run.id, "state": job.conclusion}
            found.append(made)
    return found


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
        "run_attempt": run.document["attempt"],
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
