"""Bring one model of this host to what is wanted, or leave it as it is.

As a program it does so in a process of its own, which a rollback by hand may end at any step:
`python -m ci.host.converge`, with the repository's root, the model, the version, and `held` where
a pin keeps that version.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ci.assets.bentos import bring_bento, has_bento
from ci.assets.folder import releases_folder
from ci.assets.github import github_of
from ci.busy import only_one
from ci.console import say
from ci.errors import MlopsError
from ci.host.place import policy_of
from ci.host.strays import end_strays, find_front
from ci.host.tell import tell_failed, tell_served
from ci.host.wanted import believed
from ci.registry.champion import servable
from ci.repository import Repository
from ci.state.local import state_folder
from ci.state.records import versions
from ci.targets import local
from ci.targets.renew import renew
from ci.targets.services import STOPPED, Record, write_record
from ci.trust.signing import require_signed

if TYPE_CHECKING:
    from ci.contract.deployment import DeploymentPolicy
    from ci.host.wanted import Wanted
    from ci.state.records import Release
    from ci.targets.services import Service

FREE_BYTES = 200 << 20


@dataclass(frozen=True)
class Found:
    """What runs of a model, and how that compares with what is wanted.

    ``step`` is what has to be done: ``nothing``, ``mend`` what runs, or ``switch`` to another
    version. A model that a person stopped stays so.
    """

    service: Service | None
    state: str
    step: str


def look(repository: Repository, release: Release, policy: DeploymentPolicy) -> Found:
    """What runs of the model of ``release`` now. Changes nothing."""
    service = local.recorded(repository, release.model)
    if service is None:
        return Found(None, "none", "switch")
    if service.role == STOPPED:
        return Found(service, "stopped", "nothing")
    state = local.state(repository, service, policy.local)
    if (service.version, service.bento) != (release.version, release.bento):
        return Found(service, state, "switch")
    well = local.is_in_place(repository, service, policy) and has_bento(repository, release)
    untold = local.untold(repository, release.model) is not None
    return Found(service, state, "nothing" if well and not untold else "mend")


def converge(repository: Repository, release: Release, reason: str, *, held: bool) -> None:
    """Serve ``release``: put right what runs of it, or switch to it.

    Without ``held`` a new version is asked and tried out first, as the policy says.

    Raises:
        MlopsError: ``busy``, ``disk_full``, ``record_differs``, ``lost_bento``, ``damaged_bento``
            or what the target says; what ran goes on.
    """
    name, policy = release.model, policy_of(repository)
    with only_one(repository, "deploy", name):
        end_strays(repository, name, policy)
        find_front(repository)
        before = look(repository, release, policy)
        try:
            fresh = bring(repository, release)
            _serve(repository, release, policy, before, held=held, fresh=fresh)
        except MlopsError as error:
            tell_failed(repository, release, reason, error)
            raise
        tell_served(repository, release, reason if before.step == "switch" else "put right")


def _serve(
    repository: Repository,
    release: Release,
    policy: DeploymentPolicy,
    before: Found,
    *,
    held: bool,
    fresh: bool,
) -> None:
    contract = servable(repository, release.as_version()).contract
    example, version = contract.example_row(), release.as_version()
    if before.service and before.service.version == release.version:
        if before.service.bento != release.bento:  # another version with its number: not ours
            local.stop(repository, release.model)
        elif fresh and before.state != "stopped":
            renew(repository, version, example, policy)
            return
    if held or before.step == "mend":
        local.resume(repository, version, example, policy)
    else:
        local.switch(repository, version, example, policy)


def bring(repository: Repository, release: Release) -> bool:
    """Have the Bento of ``release`` here, whole; whether it had to be brought.

    Raises:
        MlopsError: ``disk_full``, ``record_differs``, ``not_signed``, ``lost_bento``,
            ``damaged_bento``, or what GitHub says.
    """
    believed(repository, release)
    require_signed(repository, release)
    _require_room(repository)
    if has_bento(repository, release):
        return False
    store = releases_folder(repository) or github_of(repository)
    bring_bento(repository, store, release)
    return True


def _require_room(repository: Repository) -> None:
    free = shutil.disk_usage(repository.state_dir).free
    if free < FREE_BYTES:
        raise MlopsError(
            "disk_full",
            f"The disk of {repository.state_dir} has {free >> 20} MB left, and {FREE_BYTES >> 20} "
            "are needed to start a version; what runs goes on. Make room.",
        )


def withdraw(repository: Repository, name: str) -> bool:
    """Stop serving a model that is no longer given to this host; False where nothing was."""
    with only_one(repository, "deploy", name):
        ended = local.stop(repository, name)
        write_record(repository, Record(name))
        return ended


def converge_apart(repository: Repository, want: Wanted, reason: str) -> None:
    """`converge` in a process of its own.

    Raises:
        MlopsError: as `converge`; ``cut_off`` where the process was ended.
    """
    release = want.release
    given = [str(repository.root), release.model, str(release.version), reason]
    held = ["held"] if want.held else []
    done = subprocess.run(
        [sys.executable, "-m", "ci.host.converge", *given, *held],
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode == 0:
        return
    try:
        error = json.loads(done.stdout)
    except ValueError:
        raise MlopsError(
            "cut_off",
            f"The switch of {release.model} to version {release.version} was ended before it was "
            "done; the next look goes on from there.",
        ) from None
    raise MlopsError(error["code"], error["message"])


def main(root: str, name: str, version: str, reason: str, held: str = "") -> int:
    """0 where it is done; 1 with the error on stdout."""
    repository = Repository(Path(root))
    known = {each.version: each for each in versions(state_folder(repository), name)}
    try:
        converge(repository, known[int(version)], reason, held=bool(held))
    except MlopsError as error:
        print(json.dumps({"code": error.code, "message": error.message}))
        return 1
    except OSError as error:
        message = f"{name}: {error.strerror or error} ({error.filename}); what runs goes on."
        print(json.dumps({"code": "machine", "message": message}))
        return 1
    say(f"{name}: version {version} is served.")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
