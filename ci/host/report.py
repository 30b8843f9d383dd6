"""What a host tells the state branch: what it runs, its events, and rollbacks that it made."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ci.errors import MlopsError
from ci.events.log import released_log
from ci.git import head_commit
from ci.host.pins import forget_declared, pending
from ci.host.records import HostRecord, drop_leases, read_host, read_lease, write_host
from ci.host.remote import pull_state
from ci.host.tell import untold
from ci.registry.change import Why, follow
from ci.registry.store import has_server
from ci.release.due import own_digest
from ci.release.go_back import GONE, put_back
from ci.release.reverts import call_for_reverts
from ci.state.branch import StateBranch
from ci.state.local import state_folder
from ci.state.records import pin, released, versions

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ci.host.place import Me
    from ci.host.records import Served
    from ci.registry.change import Pointed
    from ci.repository import Repository
    from ci.state.records import Pin


def report(
    repository: Repository, own: Me, models: Mapping[str, Served], problem: str | None
) -> HostRecord:
    """Bring the remote what it does not know of this host, in one push.

    Raises:
        MlopsError: ``name_taken`` where another checkout has this host's name; ``broken_chain``,
            ``state_unreachable`` or ``state_busy``: it is told another time.
    """
    pins = pending(repository)

    def change(state: Path) -> tuple[HostRecord, dict[str, Pointed]]:
        before = _before(state, own)
        moved = {
            model: to
            for model, each in pins.items()
            if before is None or before.declared.get(model) != each.at
            if (to := _declare(repository, own, state, each))
        }
        new, head = untold(repository, before.reported if before else None)
        released_log(state).append(*new)
        drop_leases(state, own.instance)
        record = HostRecord(
            name=own.name,
            instance=own.instance,
            platform=head_commit(repository.root),
            at=datetime.now(UTC).isoformat(timespec="seconds"),
            models=dict(models),
            problem=problem,
            reported=head,
            declared={
                **(before.declared if before else {}),
                **{model: each.at for model, each in pins.items()},
            },
        )
        write_host(state, record)
        return record, moved

    record, moved = StateBranch(repository.root).update(f"{own.name} reports", change)
    pull_state(repository)
    forget_declared(repository)
    if moved:
        call_for_reverts(repository)
    if has_server():
        for model, to in moved.items():
            follow(repository, model, to)
    return record


def is_news(
    repository: Repository, own: Me, models: Mapping[str, Served], problem: str | None
) -> bool:
    """Whether the state branch, as last fetched, does not say all that yet."""
    state = state_folder(repository)
    last = read_host(state, own.name)
    if last is None or last.instance != own.instance or pending(repository):
        return True
    mine = any(
        lease and lease.instance == own.instance
        for lease in (read_lease(state, path.stem) for path in (state / "leases").glob("*.json"))
    )
    platform = head_commit(repository.root)
    told = untold(repository, last.reported)[0]
    same = (last.models, last.problem, last.platform) == (dict(models), problem, platform)
    return mine or bool(told) or not same


def replace_name(repository: Repository, own: Me) -> None:
    """Take the name of a host that is gone.

    Raises:
        MlopsError: ``state_unreachable`` or ``state_busy``.
    """

    def change(state: Path) -> None:
        there = read_host(state, own.name)
        if there and there.instance != own.instance:
            drop_leases(state, there.instance)
            mine: dict[str, object] = {"instance": own.instance, "reported": None, "declared": {}}
            write_host(state, there.model_copy(update=mine))

    StateBranch(repository.root).update(f"{own.name} is another machine now", change)
    pull_state(repository)


def _before(state: Path, own: Me) -> HostRecord | None:
    found = read_host(state, own.name)
    if found and found.instance != own.instance:
        raise name_taken(found)
    return found


def name_taken(there: HostRecord) -> MlopsError:
    """The error for two checkouts with one name."""
    return MlopsError(
        "name_taken",
        f"Another checkout is the host {there.name} (last heard of at {there.at}); give this one "
        f"another name, or, if that machine is gone, type: mlops host {there.name} --replace",
    )


def _declare(repository: Repository, own: Me, state: Path, wanted: Pin) -> Pointed | None:
    """Bring a rollback that happened here to the state, whatever was released meanwhile."""
    live, there = released(state, wanted.model), pin(state, wanted.model)
    now = next((v for v in versions(state, wanted.model) if v.version == wanted.version), None)
    if live is None or now is None:
        return None
    if live.version == now.version and there and there.version == now.version:
        return None  # another host, or the workflow, was quicker
    main = repository.declared()
    digest = own_digest(main, wanted.model) if wanted.model in main.model_names() else GONE
    left = live.version if live.version != now.version else wanted.left
    declared = wanted.model_copy(update={"own": digest, "left": left})
    why = Why(wanted.reason, wanted.by)
    return put_back(state, now, declared, why, since=wanted.at, host=own.name)
