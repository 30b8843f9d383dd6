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
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.workflows.act_log import Job, read
from tests.workflows.workflow_files import ACTIONS, LABEL, HarnessError, Workflow, labels, stubs

ACT = Path(sys.executable).with_name("act")
LONGEST_SECONDS = 540
CRASHED = re.compile(r"^(fatal error|panic): ", re.M)
FROM_JSON = re.compile(r"\$\{\{\s*fromJSON\(\s*needs\.([\w-]+)\.outputs\.([\w-]+)\s*\)\s*\}\}")
# What act runs JavaScript actions with; the stubs are Python, and so is our hashFiles. They need no
# package, and a run starts dozens of them: so no site, and the stub in this same process. No shell:
# a shell drops variables such as INPUT_FETCH-DEPTH.
NODE = """\
#!{python} -IS
import runpy
import sys

if sys.argv[1] == "--version":
    print("v24.0.0")
    sys.exit()
script = "{lib}/hash_files.py" if sys.argv[1].endswith("/hashfiles/index.js") else sys.argv[1]
sys.argv = [script, *sys.argv[2:]]
sys.path.insert(0, "{lib}")
runpy.run_path(script, run_name="__main__")
"""


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
    jobs = read(workflow, lines)
    _check(workflow, jobs)
    return jobs


def _act(workflow: Workflow, setting: Setting, known: list[str]) -> list[dict[str, Any]]:
    folder = setting.folder
    home = folder / "home"
    home.mkdir(parents=True)
    (folder / "event.json").write_text(json.dumps(setting.event))
    file = folder / Path(workflow.path).name
    file.write_text(workflow.for_act())
    actions = {
        str(path.parent.relative_to(setting.checkout)): path.read_text()
        for path in setting.checkout.glob(".github/actions/*/action.yml")
    }
    command = [
        *(str(ACT), setting.event_name, "--json", "--directory", str(setting.checkout)),
        *("--eventpath", str(folder / "event.json"), "--workflows", str(file)),
        *("--no-cache-server", "--action-offline-mode", "--pull=false", "--no-skip-checkout"),
        "--concurrent-jobs=1",  # as legs of a matrix: see Workflow.for_act
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
        "STANDIN_PACKAGES": packages().name,
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
    if not any("jobID" in line for line in lines) or CRASHED.search(done.stderr):
        raise HarnessError(f"act did not run {workflow.path}: {done.stdout[-2000:]}{done.stderr}")
    return lines


@cache
def packages() -> TemporaryDirectory[str]:
    """Where the stubs note, once for all runs of this process, which packages a lock brings."""
    return TemporaryDirectory(prefix="standin-packages-")


def _programs(folder: Path) -> Path:
    """Programs that a runner has and that are ours."""
    programs = folder / "bin"
    programs.mkdir()
    node = programs / "node"
    node.write_text(NODE.format(python=sys.executable, lib=ACTIONS / "lib"))
    node.chmod(0o755)
    (programs / "ssh").symlink_to(ACTIONS.parent / "ssh" / "ssh")
    return programs


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
