"""`mlops score-merge`: the shards of a run joined to what a run of the whole writes."""

from __future__ import annotations

import shutil
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

from ci.errors import MlopsError
from ci.score.finish import finish, sources
from ci.score.parts import Folder, held, sentence

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ci.repository import Repository
    from ci.score.finish import Scored
    from ci.score.job import Plan


def merge(repository: Repository, name: str, target: Path) -> Scored:
    """Join the shards that lie beside ``target``.

    Raises:
        MlopsError: ``unknown_model``, ``no_shards``, ``bad_shards``, ``busy``, ``damaged_part``.
    """
    repository.model_dir(name)
    return merge_with(name, target, repository.state_dir)


def merge_with(name: str, target: Path, state: Path) -> Scored:
    """The same with a given folder for what is kept.

    Raises:
        MlopsError: as ``merge``.
    """
    begin = time.time()
    target = target.absolute()
    paths = sorted(target.parent.glob(f"{target.name}.shard-*-of-*"))
    if not paths:
        raise MlopsError(
            "no_shards",
            f"There are no shards of {target}; make them with `mlops score {name} --shard 1/2 …` "
            "and bring their folders beside it.",
        )
    try:
        with ExitStack() as stack:
            folders = [stack.enter_context(held(path, target)) for path in paths]
            plan = _common_plan(name, folders)
            found = sources(plan, folders, range(plan.parts))
            scored = finish(plan, found, target, state, begin)
            for path in paths:
                shutil.rmtree(path)
            return scored
    except OSError as error:
        raise sentence(error, target) from None


def _common_plan(name: str, folders: Sequence[Folder]) -> Plan:
    plans = [folder.plan() for folder in folders]
    plan = plans[0]
    if plan is None or any(other is None or other.key != plan.key for other in plans):
        raise MlopsError(
            "bad_shards",
            "The shards are not of one input, version and output; delete those of other runs, "
            "and merge again.",
        )
    if plan.model != name:
        raise MlopsError("bad_shards", f"The shards are of the model {plan.model}, not of {name}.")
    return plan
