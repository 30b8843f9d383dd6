"""What act's log says about a run: its jobs, their steps, and what those left behind."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

from tests.workflows.workflow_files import HarnessError, Workflow

SUMMARY_BYTES = 1_048_576
OUTPUT = re.compile(r"\$\{\{\s*steps\.([\w-]+)\.outputs\.([\w-]+)\s*\}\}")
MATRIX_VALUE = re.compile(r"\$\{\{\s*matrix\.([\w-]+)\s*\}\}")


@dataclass
class Step:
    """A step: ``conclusion`` success, failure or skipped; what it printed."""

    name: str
    conclusion: str
    log: str = ""
    outputs: dict[str, str] = field(default_factory=dict)
    key: str = ""
    seconds: float = 0.0


@dataclass
class Job:
    """A job, or one leg of a matrix."""

    id: str
    name: str
    matrix: dict[str, Any]
    conclusion: str = "skipped"
    steps: list[Step] = field(default_factory=list)
    outputs: dict[str, str] = field(default_factory=dict)
    annotations: list[dict[str, str]] = field(default_factory=list)
    summary: str = ""
    began: str = ""
    ended: str = ""

    @property
    def log(self) -> str:
        """What all its steps printed."""
        return "".join(f"## {step.name}\n{step.log}" for step in self.steps)

    def step(self, name: str) -> Step:
        """The step with that name, or whose command has it."""
        found = [each for each in self.steps if name in each.name]
        assert found, f"no step {name!r} in {[each.name for each in self.steps]}"
        return found[0]


def read(workflow: Workflow, lines: list[dict[str, Any]]) -> list[Job]:
    """The jobs in the order of the file, those that were skipped too."""
    jobs: dict[tuple[str, str], Job] = {}
    ended: dict[tuple[str, str], str] = {}
    for line in lines:
        if "Skipping unsupported platform" in line.get("msg", ""):
            raise HarnessError(f"{workflow.path}: {line['msg']} ({line['jobID']})")
        if "jobID" not in line:
            continue
        key = (line["jobID"], json.dumps(line["matrix"], sort_keys=True))
        if key not in jobs:
            name = _name(workflow, line["jobID"], line["matrix"])
            jobs[key] = Job(line["jobID"], name, line["matrix"], began=line["time"])
        jobs[key].ended = line["time"]
        if "jobResult" in line:
            ended[key] = line["jobResult"]
        _take(workflow, jobs[key], line)
    for key, job in jobs.items():
        job.conclusion = _conclusion(job, ended.get(key, "skipped"), jobs, key)
        job.outputs = _outputs(workflow, job)
    for name in workflow.jobs:
        if not any(job.id == name for job in jobs.values()):
            jobs[name, ""] = Job(name, _name(workflow, name, {}), {})
    order = list(workflow.jobs)
    return sorted(jobs.values(), key=lambda job: (order.index(job.id), job.name))


def _name(workflow: Workflow, job: str, matrix: dict[str, Any]) -> str:
    spec = workflow.jobs[job]
    if "name" in spec:
        return MATRIX_VALUE.sub(lambda match: str(matrix.get(match[1])), str(spec["name"]))
    values = ", ".join(str(value) for value in matrix.values())
    return f"{job} ({values})" if matrix else job


def _take(workflow: Workflow, job: Job, line: dict[str, Any]) -> None:
    """Note what one line of the log says about a job."""
    command = line.get("command")
    if command in ("error", "warning", "notice"):
        place = {key: str(value) for key, value in (line.get("kvPairs") or {}).items()}
        job.annotations.append({"level": command, "message": line.get("arg", ""), **place})
    if command == "summary":
        job.summary += line["content"]
        if len(line["content"].encode()) > SUMMARY_BYTES:
            raise HarnessError(f"{workflow.path}: a summary of {job.id} is over 1 MiB")
    ids = line.get("stepID")
    if not ids or (line.get("stage") == "Pre" and line.get("stepResult") != "failure"):
        return
    step = _step(job, line, ids)
    if line.get("raw_output") or command in ("error", "warning", "notice"):
        step.log += line.get("raw", line["msg"])
    if command == "set-output" and len(ids) == 1:
        step.outputs[line["name"]] = line.get("arg", "")
    if "stepResult" in line and len(ids) == 1:
        step.conclusion = _step_conclusion(workflow, job, line, ids[0])
        step.seconds = line.get("executionTime", 0) / 1e9
    elif line.get("level") == "error" and command is None:
        step.log += f"{line['msg']}\n"


def _step(job: Job, line: dict[str, Any], ids: list[str]) -> Step:
    stage = line.get("stage", "Main")
    key = ids[0] if stage == "Main" else f"{stage} {ids[0]}"
    found = next((each for each in job.steps if each.key == key), None)
    if found is None:
        name = line["step"] if stage == "Main" else f"{stage} {line['step']}"
        found = Step(name, "skipped", key=key)
        job.steps.append(found)
    return found


def _step_conclusion(workflow: Workflow, job: Job, line: dict[str, Any], step_id: str) -> str:
    result = str(line["stepResult"])
    steps = workflow.jobs[job.id]["steps"]
    by_id = {each["id"]: each for each in steps if "id" in each}
    spec = by_id.get(step_id) or (steps[int(step_id)] if step_id.isdigit() else {})
    return "success" if result == "failure" and spec.get("continue-on-error") is True else result


def _conclusion(job: Job, said: str, jobs: dict[tuple[str, str], Job], key: tuple[str, str]) -> str:
    """By the job's own steps: act calls a leg failed when an earlier leg failed."""
    if any(step.conclusion == "failure" for step in job.steps):
        return "failure"
    others = [each for other, each in jobs.items() if other != key and each.id == job.id]
    excused = any(step.conclusion == "failure" for each in others for step in each.steps)
    return "success" if said == "failure" and excused else said


def _outputs(workflow: Workflow, job: Job) -> dict[str, str]:
    by_id = {step.key: step for step in job.steps}
    found = {}
    for name, value in (workflow.jobs[job.id].get("outputs") or {}).items():
        match = OUTPUT.fullmatch(str(value).strip())
        if match and match[1] in by_id:
            found[name] = by_id[match[1]].outputs.get(match[2], "")
    return found
