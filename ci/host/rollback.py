"""`mlops rollback`, `start` and `stop` on a host: at once, and without the remote."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

from ci.actor import whoever
from ci.busy import holder, only_one
from ci.console import say
from ci.errors import MlopsError
from ci.host.converge import bring, converge
from ci.host.loop import pin_of
from ci.host.pins import pending, set_pin, take_back
from ci.host.place import policy_of
from ci.host.tell import tell_failed, tell_served
from ci.host.wanted import Wanted, wanted
from ci.registry.champion import servable
from ci.release.before import version_before
from ci.state.local import state_folder
from ci.state.records import versions
from ci.targets import local
from ci.targets.services import STOPPED, Record, write_record

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ci.host.place import Me
    from ci.repository import Repository
    from ci.state.records import Release
    from ci.targets.services import Service

ENDS_SECONDS = 5.0
SWITCH = "ci.host.converge"


def rollback(repository: Repository, name: str, reason: str) -> tuple[int, int]:
    """Have callers reach the version before again, and pin it; the host tells the remote.

    A switch that is under way is ended. Returns the version that was live and the one that is.

    Raises:
        MlopsError: ``not_deployed``, ``no_previous``, ``busy``, or what the target says: callers
            reach what they reached before, and nothing is pinned.
    """
    with _taken_over(repository, name):
        live = local.recorded(repository, name)
        if live is None:
            raise MlopsError("not_deployed", f"{name} was never served on this host.")
        known = versions(state_folder(repository), name)
        left = next((each for each in known if each.bento == live.bento), None)
        now = version_before(state_folder(repository), name, live.version)
        pinned = pending(repository).get(name)
        set_pin(repository, pin_of(now, left, reason, whoever()))
        begin = time.monotonic()
        try:
            _serve(repository, now)
        except MlopsError as error:
            set_pin(repository, pinned) if pinned else take_back(repository, name)
            tell_failed(repository, now, reason, error)
            raise
        seconds = round(time.monotonic() - begin, 3)
        say(f"{name}: version {now.version} answers again, and is pinned.")
        tell_served(repository, now, f"rolled back: {reason}", seconds)
    return live.version, now.version


def start(repository: Repository, own: Me, name: str | None) -> list[Service]:
    """Serve again what was stopped by hand, and whatever else does not run.

    Raises:
        MlopsError: ``not_given`` for a model that this host has not to serve, or as `converge`.
    """
    host = policy_of(repository).hosts.get(own.name)
    found = wanted(repository, host) if host else {}
    if name is not None and name not in found:
        there = ", ".join(found) or "none that was released"
        raise MlopsError(
            "not_given",
            f"policies/deployment.yaml does not give {name} to the host {own.name}, or it was "
            f"never released; it serves: {there}.",
        )
    started = []
    for each in [name] if name else list(found):
        want, before = found[each], local.recorded(repository, each)
        if not isinstance(want, Wanted):
            raise want
        if before and before.role == STOPPED:
            write_record(repository, Record(each))
        converge(repository, want.release, "mlops start", held=bool(want.held))
        now = local.recorded(repository, each)
        started += [now] if now and now != before else []
    return started


def _serve(repository: Repository, now: Release) -> None:
    """By the process that is still warm, or by a new one."""
    policy, warm = policy_of(repository), local.warm(repository, now.model)
    if warm and warm.bento == now.bento:
        local.take_over(repository, warm, policy.local)
        return
    bring(repository, now)
    example = servable(repository, now.as_version()).contract.example_row()
    local.resume(repository, now.as_version(), example, policy)


@contextlib.contextmanager
def _taken_over(repository: Repository, name: str) -> Iterator[None]:
    """Hold the model's lock; a switch of this host's that holds it is ended."""
    lock = repository.state_dir / "locks" / f"deploy-{name}.lock"
    deadline = time.monotonic() + ENDS_SECONDS
    with contextlib.ExitStack() as stack:
        while True:
            try:
                stack.enter_context(only_one(repository, "deploy", name))
                break
            except MlopsError:
                other = holder(lock)
                if time.monotonic() > deadline or (other and not _is_switch(other)):
                    raise
                if other:
                    say(f"{name}: a switch was under way, and is ended.")
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(other, signal.SIGKILL)
                time.sleep(0.05)
        yield


def _is_switch(pid: int) -> bool:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return True  # it has just ended
    return SWITCH in words
