"""Runs one workflow with act on this machine, and reads what happened from its log.

What act leaves out is checked here: labels without a runner, legs of a matrix, inputs of actions,
jobs that were skipped, legs reported failed because another failed, sizes of summaries.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.workflows.workflow_files import ACTIONS, LABEL, HarnessError, Workflow, labels, stubs

ACT = Path(sys.executable).with_name("act")
LONGEST_SECONDS = 540
SUMMARY_BYTES = 1_048_576
OUTPUT = re.compile(r"\$\{\{\s*steps\.([\w-]+)\.outputs\.([\w-]+)\s*\}\}")
FROM_JSON = re.compile(r"\$\{\{\s*fromJSON\(\s*needs\.([\w-]+)\.outputs\.([\w-]+)\s*\)\s*\}\}")
MATRIX_VALUE = re.compile(r"\$\{\{\s*matrix\.([\w-]+)\s*\}\}")
# What act runs JavaScript actions with; the stubs are Python, and so is our hashFiles. No shell:
# a shell drops variables such as INPUT_FETCH-DEPTH.
NODE = """\
#!{python} -Es
import os
import sys

arguments = sys.argv[1:]
if arguments == ["--version"]:
    print("v24.0.0")
    sys.exit()
if arguments[0].endswith("/hashfiles/index.js"):
    arguments[0] = "{lib}/hash_files.py"
os.execve("{python}", ["{python}", "-s", *arguments], {{**os.environ, "PYTHONPATH": "{lib}"}})
"""


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


@dataclass(frozen=True)
class Setting:
    """Where and as what a workflow runs."""

    folder: Path  # scratch of this run
    checkout: Path  # a clone at the commit of the run
    event_name: str
    event: dict[str, Any]
    environment: dict[str, str]
    secrets: dict[str, str]
    variables: dict[str, str]
    actor: str
    path: str  # PATH of the runner
    labels: tuple[str, ...] = ()


def run_workflow(workflow: Workflow, setting: Setting) -> list[Job]:
    """Run it to its end; skipped jobs are in the list too.

    Raises:
        HarnessError: where GitHub would have done something else than act.
    """
    known = {LABEL, *setting.labels}
    if labels(workflow) - known:
        raise HarnessError(f"{workflow.path}: no runner for {labels(workflow) - known}")
    for name, job in workflow.jobs.items():
        if "steps" in job and "timeout-minutes" not in job:
            raise HarnessError(f"{workflow.path}: job {name} has no time-out")
    lines = _act(workflow, setting, sorted(known))
    jobs = _read(workflow, lines)
    _check(workflow, jobs)
    return jobs


def _act(workflow: Workflow, setting: Setting, known: list[str]) -> list[dict[str, Any]]:
    folder = setting.folder
    home = folder / "home"
    home.mkdir(parents=True)
    (folder / "event.json").write_text(json.dumps(setting.event))
    file = folder / Path(workflow.path).name
    file.write_text(workflow.with_job_tokens())
    actions = {
        str(path.parent.relative_to(setting.checkout)): path.read_text()
        for path in setting.checkout.glob(".github/actions/*/action.yml")
    }
    command = [
        *(str(ACT), setting.event_name, "--json", "--directory", str(setting.checkout)),
        *("--eventpath", str(folder / "event.json"), "--workflows", str(file)),
        *("--no-cache-server", "--action-offline-mode", "--pull=false", "--no-skip-checkout"),
        *("--action-cache-path", str(folder / "runner"), "--actor", setting.actor),
        *(part for label in known for part in ("--platform", f"{label}=-self-hosted")),
        *(
            f"--local-repository={name}={path}"
            for name, path in sorted(stubs(workflow, actions).items())
        ),
        *(f"--env={name}={value}" for name, value in setting.environment.items()),
        *(f"--secret={name}={value}" for name, value in setting.secrets.items()),
        *(f"--var={name}={value}" for name, value in setting.variables.items()),
    ]
    clean = {
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "PATH": f"{_programs(folder)}:{setting.path}",
        "STANDIN_CML": str(ACTIONS.parent / "cml"),
        "STANDIN_VENV": str(Path(sys.executable).parents[1]),
        # act gives a step a terminal, GitHub does not.
        "GIT_PAGER": "cat",
        "TERM": "dumb",
        # Nothing is fetched from anywhere in a test.
        "PIP_NO_INDEX": "1",
    }
    done = subprocess.run(
        command, env=clean, capture_output=True, text=True, timeout=LONGEST_SECONDS, check=False
    )
    (folder / "act.jsonl").write_text(done.stdout + done.stderr)
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    if not any("jobID" in line for line in lines):
        raise HarnessError(f"act did not run {workflow.path}: {done.stdout[-2000:]}{done.stderr}")
    return lines


def _programs(folder: Path) -> Path:
    """Programs that a runner has and that are ours."""
    programs = folder / "bin"
    programs.mkdir()
    node = programs / "node"
    node.write_text(NODE.format(python=sys.executable, lib=ACTIONS / "lib"))
    node.chmod(0o755)
    return programs


def _read(workflow: Workflow, lines: list[dict[str, Any]]) -> list[Job]:
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


def _check(workflow: Workflow, jobs: list[Job]) -> None:
    for name, spec in workflow.jobs.items():
        legs = [job for job in jobs if job.id == name]
        ran = [job for job in legs if job.conclusion != "skipped"]
        if not ran and not _may_be_skipped(spec, jobs):
            raise HarnessError(f"{workflow.path}: job {name} did not run, and nothing says why")
        wanted = _legs(spec, jobs)
        if ran and wanted is not None and len(ran) != wanted:
            raise HarnessError(f"{workflow.path}: {len(ran)} legs of {name} ran, not {wanted}")


def _may_be_skipped(spec: dict[str, Any], jobs: list[Job]) -> bool:
    needs = spec.get("needs", [])
    before = [needs] if isinstance(needs, str) else needs
    return "if" in spec or any(job.id in before and job.conclusion != "success" for job in jobs)


def _legs(spec: dict[str, Any], jobs: list[Job]) -> int | None:
    """How many legs GitHub would run; None where that does not follow from an output."""
    matrix = (spec.get("strategy") or {}).get("matrix")
    match = FROM_JSON.fullmatch(str(matrix).strip())
    if match is None:
        return None
    maker = next(job for job in jobs if job.id == match[1])
    if maker.conclusion != "success":
        return None
    return len(json.loads(maker.outputs[match[2]])["include"])


def runner_path() -> str:
    """PATH of a runner: the system's programs, and R and Julia where they are installed."""
    here = os.environ.get("PATH", os.defpath).split(":")
    programs = ("Rscript", "julia", "git")
    extra = [part for part in here if any((Path(part) / name).exists() for name in programs)]
    environment = str(Path(sys.executable).parent)
    kept = [part for part in (*extra, "/usr/local/bin", "/usr/bin", "/bin") if part != environment]
    return ":".join(dict.fromkeys(kept))
