"""The page of workflows, from the files in `.github/workflows/`: their comments are its text."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import ci
from ci.files import read_yaml_quickly
from ci.reference.markdown import table

FOLDER = Path(ci.__file__).parents[1] / ".github" / "workflows"
BEGIN = (
    "A workflow's file holds triggers, order and permissions; each of its steps is one command of "
    "the [command line](cli.md). Nothing is permitted unless a job names it. Times are UTC."
)
EVENTS = {
    "pull_request": "a pull request",
    "push": "a push",
    "issues": "an issue",
    "workflow_dispatch": "by hand (Actions, Run workflow)",
    "workflow_run": "a run of another workflow",
    "repository_dispatch": "a machine that asks for it",
    "schedule": "the clock",
}
# A scope with its level, and the reason in the comment beside it.
_PERMISSION = re.compile(r"^      ([a-z-]+): (read|write)(?: +# (.*))?$")
_JOB = re.compile(r"^  ([a-z][a-z0-9-]*):$")


def workflows() -> str:
    """All workflows: what starts them, and what each job may."""
    return "\n\n".join([BEGIN, *map(_section, sorted(FOLDER.glob("*.yml")))])


def _section(path: Path) -> str:
    text = path.read_text(encoding="utf-8")
    data: dict[Any, Any] = dict(read_yaml_quickly(path))
    reasons = _reasons(text)
    rows = [
        [
            f"`{name}`",
            ", ".join(f"`{each}`" for each in _listed(job.get("needs"))) or "nothing",
            f"{job['timeout-minutes']}",
            "; ".join(reasons.get(name, [])) or "nothing",
        ]
        for name, job in data["jobs"].items()
    ]
    triggers = data.get("on") or data[True]  # YAML 1.1 reads `on` as true
    return "\n\n".join(
        [
            f"## {path.name}",
            _comment(text),
            "Starts with: " + "; ".join(_trigger(n, v) for n, v in triggers.items()) + ".",
            table(["job", "waits for", "minutes at most", "may"], rows),
        ]
    )


def _comment(text: str) -> str:
    """The comment that the file begins with, as one paragraph."""
    lines = []
    for line in text.splitlines():
        if not line.startswith("#"):
            break
        lines.append(line.removeprefix("#").strip())
    return " ".join(lines)


def _trigger(name: str, value: Any) -> str:
    words = f"{EVENTS[name]} (`{name}`)"
    if isinstance(value, list):
        return words + ": " + ", ".join(f"`{entry['cron']}`" for entry in value)
    filters = {key: each for key, each in (value or {}).items() if key != "inputs"}
    inputs = list((value or {}).get("inputs", {}))
    parts = [f"{key} {', '.join(f'`{v}`' for v in _listed(each))}" for key, each in filters.items()]
    parts += [f"inputs {', '.join(f'`{each}`' for each in inputs)}"] if inputs else []
    return f"{words}: {'; '.join(parts)}" if parts else words


def _reasons(text: str) -> dict[str, list[str]]:
    """Job → its permissions in words, each with the comment beside it."""
    found: dict[str, list[str]] = {}
    job = ""
    for line in text.partition("\njobs:\n")[2].splitlines():
        if named := _JOB.match(line):
            job = named[1]
        elif permission := _PERMISSION.match(line):
            scope, level, reason = permission.groups()
            words = f"{level} {scope.replace('-', ' ')}"
            found.setdefault(job, []).append(f"{words} ({reason})" if reason else words)
    return found


def _listed(value: Any) -> list[str]:
    if value is None:
        return []
    return [str(each) for each in value] if isinstance(value, list) else [str(value)]
