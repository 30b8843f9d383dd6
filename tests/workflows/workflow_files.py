"""What the YAML of a workflow says, read by ourselves: act evaluates no triggers."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ACTIONS = Path(__file__).parent / "actions"
LABEL = "ubuntu-24.04"
SCOPES = (
    *("actions", "attestations", "checks", "contents", "deployments", "id-token", "issues"),
    *("packages", "pages", "pull-requests", "security-events", "statuses"),
)
STRATEGY = re.compile(r"^(?P<indent> +)strategy:\n", re.M)
TOKEN = re.compile(r"\$\{\{((?:(?!\}\}).)*?)\b(github\.token|secrets\.GITHUB_TOKEN)\b")
JOB_TOKEN = "format('{0}.{1}', github['token'], github.job)"  # noqa: S105 (no secret)


class HarnessError(AssertionError):
    """A workflow that GitHub would treat otherwise than act does."""


@dataclass(frozen=True)
class Workflow:
    """One file of .github/workflows."""

    path: str
    text: str

    @property
    def data(self) -> dict[str, Any]:
        """The parsed file; ``on`` is under its own name."""
        loaded: dict[Any, Any] = yaml.safe_load(self.text)
        return {("on" if key is True else key): value for key, value in loaded.items()}

    @property
    def name(self) -> str:
        """What the run is called."""
        return str(self.data.get("name", self.path))

    @property
    def jobs(self) -> dict[str, dict[str, Any]]:
        """Job id → the job."""
        return dict(self.data["jobs"])

    def triggers(self) -> dict[str, dict[str, Any]]:
        """Event → its filters."""
        on = self.data["on"]
        if isinstance(on, str):
            return {on: {}}
        if isinstance(on, list):
            return {event: {} for event in on}
        return {
            event: filters if isinstance(filters, dict) else {} for event, filters in on.items()
        }

    def permissions(self, job: str) -> dict[str, str]:
        """Scope → level of the token of a job."""
        own = self.jobs[job].get("permissions", self.data.get("permissions"))
        if own is None:
            raise HarnessError(f"{self.path}: job {job} takes the default permissions")
        if isinstance(own, str):
            return dict.fromkeys(SCOPES, own.removesuffix("-all"))
        unknown = set(own) - set(SCOPES)
        if unknown:
            raise HarnessError(f"{self.path}: job {job} has unknown permissions {unknown}")
        return dict(own)

    def for_act(self) -> str:
        """The text, where a token says which job it was given to, and legs come one by one.

        act looks local actions up in a table that it does not guard: now and then two legs at a
        time end it ("concurrent map read and map write").
        """
        text = STRATEGY.sub(r"\g<0>\g<indent>  max-parallel: 1\n", self.text)
        while TOKEN.search(text):
            text = TOKEN.sub(lambda match: f"${{{{{match[1]}{JOB_TOKEN}", text)
        return text

    def require_trigger(self, event: str, **facts: Any) -> None:
        """Fail where GitHub would not start this workflow for ``event``.

        ``facts``: ``action`` (types), ``branch``, ``files`` (paths), ``workflow`` (workflow_run).
        """
        filters = self.triggers().get(event)
        if filters is None:
            raise HarnessError(f"{self.path} does not run on {event}")
        if isinstance(filters, list):
            return  # a schedule
        default = {"pull_request": ["opened", "synchronize", "reopened"]}.get(event)
        types = filters.get("types", default)
        if types and facts.get("action") not in types:
            raise HarnessError(f"{self.path} does not run on {event} {facts.get('action')}")
        if not _matches(filters, "branches", [facts.get("branch", "")]):
            raise HarnessError(f"{self.path} does not run on {event} for {facts.get('branch')}")
        if not _matches(filters, "paths", facts.get("files", [])):
            raise HarnessError(f"{self.path} does not run on {event} for these files")
        if event == "workflow_run" and facts.get("workflow") not in filters["workflows"]:
            raise HarnessError(f"{self.path} does not follow {facts.get('workflow')}")

    def has_group(self) -> bool:
        """Whether runs of this workflow wait for one another."""
        return bool(self.data.get("concurrency"))

    def cancels(self) -> bool:
        """Whether a new run ends the one before."""
        group = self.data.get("concurrency")
        return isinstance(group, dict) and group.get("cancel-in-progress") is True

    def uses(self) -> list[dict[str, Any]]:
        """Each step that uses an action."""
        steps = [step for job in self.jobs.values() for step in job.get("steps", [])]
        return [step for step in steps if "uses" in step]


def _matches(filters: dict[str, Any], key: str, values: list[str]) -> bool:
    wanted, unwanted = filters.get(key), filters.get(f"{key}-ignore")
    if wanted is not None:
        return any(_kept(value, wanted) for value in values)
    if unwanted is not None:
        return any(not _kept(value, unwanted) for value in values)
    return True


def _kept(value: str, patterns: list[str]) -> bool:
    kept = False
    for pattern in patterns:
        if _pattern(pattern.removeprefix("!")).fullmatch(value):
            kept = not pattern.startswith("!")
    return kept


def _pattern(pattern: str) -> re.Pattern[str]:
    parts = re.split(r"(\*\*/?|\*|\?)", pattern)
    known = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    return re.compile("".join(known.get(part, re.escape(part)) for part in parts))


def stubs(workflow: Workflow, local_actions: dict[str, str]) -> dict[str, Path]:
    """``owner/name@ref`` → the folder of its stub, for all that the workflow uses.

    ``local_actions``: path (``.github/actions/setup``) → text of its action.yml.

    Raises:
        HarnessError: an action has no stub, or an input that it does not know.
    """
    found: dict[str, Path] = {}
    steps = workflow.uses()
    while steps:
        step = steps.pop()
        name = step["uses"]
        if name.startswith("./"):
            source = yaml.safe_load(local_actions[name.removeprefix("./")])
            _check_inputs(name, step, source)
            steps += [each for each in source["runs"]["steps"] if "uses" in each]
            continue
        action, _, ref = name.partition("@")
        folder = ACTIONS / action
        if not (folder / "action.yml").is_file():
            raise HarnessError(f"{workflow.path} uses {action}, which has no stub")
        _check_inputs(name, step, yaml.safe_load((folder / "action.yml").read_text()))
        owner, repository = action.split("/")[:2]
        found[f"{owner}/{repository}@{ref}"] = ACTIONS / owner / repository
    return found


def _check_inputs(name: str, step: dict[str, Any], action: dict[str, Any]) -> None:
    declared = action.get("inputs") or {}
    given = step.get("with") or {}
    unknown = set(given) - set(declared)
    if unknown:
        raise HarnessError(f"{name} has no input {', '.join(sorted(unknown))}")
    missing = {
        key
        for key, each in declared.items()
        if each.get("required") and "default" not in each and key not in given
    }
    if missing:
        raise HarnessError(f"{name} needs {', '.join(sorted(missing))}")


def labels(workflow: Workflow) -> set[str]:
    """Runner labels that stand in the file itself, not in an expression."""
    given = [job["runs-on"] for job in workflow.jobs.values() if "runs-on" in job]
    return {each for each in given if isinstance(each, str) and "${{" not in each}


def dispatch_inputs(workflow: Workflow, given: dict[str, str]) -> dict[str, str]:
    """What `workflow_dispatch` hands on: defaults filled in, everything else refused."""
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
