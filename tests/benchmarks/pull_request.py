"""What the platform adds to a pull request that touches one model, or none.

The real workflows, run with act against the stand-in for GitHub: checkout, plan, restore, train,
package, hand over, evaluate, gate, report, comment, status. The seconds are those of all their
steps. The model trains in a tenth of a second, so nearly all of it is the platform's. Installing
the environment is not in it: it comes from the cache.
"""

from __future__ import annotations

import shutil
import tempfile
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from ci.console import say
from tests.benchmarks.results import Result
from tests.workflows.authors import Files
from tests.workflows.template import write_template
from tests.workflows.world import World

if TYPE_CHECKING:
    from tests.workflows.runs import Run

FEW, MORE, MANY = 3, 30, 300
TOUCHED = "model-000"
REPEATS = 3
LIMIT = 2.0
NOTHING_TOUCHED_SECONDS = 10.0
_CHANGES = count(1)


def run() -> list[Result]:
    """Seconds of a pull request with many models against few, and of one that touches none."""
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        worlds = {size: stack.enter_context(_world(Path(name), size)) for size in (FEW, MORE, MANY)}
        _release(worlds[FEW])
        for size in (MORE, MANY):
            _copy_releases(worlds[FEW], worlds[size])
        times: dict[int, list[float]] = {size: [] for size in worlds}
        untouched: list[float] = []
        for number in range(REPEATS):
            say(f"pull-request: round {number + 1} of {REPEATS}")
            for size, world in worlds.items():
                say(f"pull-request: of {size} models, one touched")
                change = {f"models/{TOUCHED}/params.yaml": _params()}
                times[size].append(_seconds(world, change, ["plan", TOUCHED]))
            docs = {f"docs/{number}.md": "words\n"}
            untouched.append(_seconds(worlds[MANY], docs, ["plan"]))
    few, more, many = (median(times[size]) for size in (FEW, MORE, MANY))
    case = "one model of {} touched, against {}"
    nothing = f"no model of {MANY} touched, against ten seconds"
    return [
        Result("pull-request", case.format(MORE, FEW), more, few, "s", LIMIT),
        Result("pull-request", case.format(MANY, FEW), many, few, "s", LIMIT),
        Result("pull-request", nothing, median(untouched), NOTHING_TOUCHED_SECONDS, "s", 1.0),
    ]


def _world(folder: Path, models: int) -> World:
    say(f"pull-request: a repository with {models} models")
    template, home = folder / f"template-{models}", folder / f"world-{models}"
    write_template(template, {f"model-{number:03}": "python" for number in range(models)})
    home.mkdir()
    return World(home, template)


def _params() -> str:
    return f"train: {{shrinkage: {next(_CHANGES) / 1e5:.5f}}}\n"


def _release(world: World) -> None:
    """Bring the model into production, so that there is a champion to compare with."""
    say("pull-request: releasing the first version")
    pull = world.open_pull("first", {f"models/{TOUCHED}/params.yaml": _params()})
    for each in world.run_pull_request(pull):
        _require(each)
    world.review(pull, "bob")
    world.merge(pull)
    for each in world.run_push():
        _require(each)


def _copy_releases(source: World, target: World) -> None:
    """As if the same version had been released there too."""
    hub, other = source.github, target.github
    other.git("fetch", "-q", str(hub.bare), "mlops-state:mlops-state", "+refs/tags/*:refs/tags/*")
    shutil.copytree(hub.folder / "assets", other.folder / "assets")
    for number, asset in hub.assets.items():
        other.assets[number] = {**asset, "file": other.folder / "assets" / str(number)}
    other.releases.update({number: {**each} for number, each in hub.releases.items()})
    path = f"models/{TOUCHED}/params.yaml"
    target.commit({path: source.file(path)})
    target.pushes.clear()


def _seconds(world: World, files: Files, jobs: list[str]) -> float:
    """What all steps of a pull request's three runs took together."""
    pull = world.open_pull(f"change-{next(_CHANGES)}", files)
    first = world.begin_pull_request(pull)
    runs = [world.run_report(first, "requested"), world.finish(first), world.run_report(first)]
    for each in runs:
        _require(each)
    if first.ran() != jobs or world.status(pull)["state"] != "success":
        raise RuntimeError(f"the pull request did not go its way: {first.ran()} {runs[-1].log}")
    seconds = sum(each.seconds for each in runs)
    say(f"pull-request: {', '.join(files)}: {seconds:.1f} s")
    return seconds


def _require(run: Run) -> None:
    if run.conclusion != "success":
        raise RuntimeError(f"{run.workflow.path} failed: {run.log}")
