"""A host at work: it looks, puts right, and reports."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ci.console import say
from ci.errors import MlopsError
from ci.host import converge as step
from ci.host.alarm import Alarm
from ci.host.asked import answer, asked
from ci.host.lease import is_shared, take_turn
from ci.host.pins import set_pin
from ci.host.place import folder, policy_of
from ci.host.records import HostRecord, Served, read_host
from ci.host.remote import pull, put_back_state
from ci.host.report import is_news, name_taken, report
from ci.host.strays import drop_unreadable
from ci.host.tell import tell_withdrawn
from ci.host.wanted import Wanted, wanted
from ci.keys import take_over_policy
from ci.release.tell import WENT_BACK
from ci.state.local import state_folder
from ci.state.records import Pin, released, versions
from ci.targets import local

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ci.contract.deployment import DeploymentPolicy, Host
    from ci.host.place import Me
    from ci.repository import Repository
    from ci.state.records import Release

# A host that has nothing new to say is heard of this often.
HEARD_SECONDS = 600.0
PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 30.0, 600.0
RELEASED = "it was released"
NOT_GIVEN = "policies/deployment.yaml no longer gives it to this host"


@dataclass
class Looked:
    """What one look found: each model, and what went wrong beside them."""

    models: dict[str, Served]
    problems: list[MlopsError]


@dataclass
class Loop:
    """A host at work; what it remembers from one look to the next."""

    repository: Repository
    own: Me
    patient: bool
    reported: float | None = None
    silenced: bool = False
    word: str | None = None
    again: dict[str, tuple[float, float]] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._alarm = Alarm(self.repository, self.own.name, patient=self.patient)

    def look(self) -> Looked:
        """Pull, put right, report, raise alerts: whatever fails, the rest is done."""
        looked = self._looked()
        try:
            self._alarm.tell(looked.problems)
        except Exception as error:  # whatever it is, services are looked after
            looked.problems.append(_plain(error))
        return looked

    def _looked(self) -> Looked:
        problems = list(self._pulled())
        models: dict[str, Served] = {}
        try:
            policy, host = self._rules()
        except MlopsError as error:
            return Looked(models, [*problems, error])
        drop_unreadable(self.repository)
        try:
            take_over_policy(self.repository)
            found = wanted(self.repository, host)
        except Exception as error:  # whatever it is, the rest is looked at
            return Looked(models, [*problems, _plain(error)])
        for name, want in found.items():
            models[name] = self._model(policy, name, want)
        problems += self._withdrawn(found, host)
        worst = problems[0].message if problems else None
        problems += self._reported(models, worst)
        problems += [MlopsError("unwell", e.problem) for e in models.values() if e.problem]
        return Looked(models, problems)

    def look_and_answer(self) -> Looked:
        """Look, and tell whoever asked for it before."""
        self.word = asked(self.repository)
        looked = self.look()
        answer(self.repository, self.word, record_of(self.own, looked), looked.problems)
        return looked

    def say_news(self, looked: Looked) -> None:
        """Tell of problems once, and when there are none any more."""
        now = [each.message for each in looked.problems]
        for line in [line for line in now if line not in self.said]:
            say(f"{self.own.name}: {line}")
        if self.said and not now:
            say(f"{self.own.name}: all is well again.")
        self.said = now

    def _pulled(self) -> Iterator[MlopsError]:
        try:
            put_back_state(self.repository)
            problem = pull(self.repository)
            if problem:
                yield problem
            there = read_host(state_folder(self.repository), self.own.name)
            self.silenced = bool(there and there.instance != self.own.instance)
            if there and self.silenced:
                yield name_taken(there)
        except Exception as error:  # whatever it is, the rest is looked at
            yield _plain(error)

    def _rules(self) -> tuple[DeploymentPolicy, Host]:
        if not (folder(self.repository) / "main").exists():
            raise MlopsError(
                "nothing_pulled",
                f"{self.own.name} does not know yet what to serve: the remote origin could not be "
                "read since this clone was made; see that it can be, and type the same again.",
            )
        policy = policy_of(self.repository)
        if self.own.name not in policy.hosts:
            raise unknown_host(self.own.name, policy)
        return policy, policy.hosts[self.own.name]

    def _model(self, policy: DeploymentPolicy, name: str, want: Wanted | MlopsError) -> Served:
        """Bring one model to what is wanted; what is so in the end."""
        problem: str | None = None
        if isinstance(want, Wanted):
            try:
                problem = self._brought(policy, want)
            except Exception as error:  # whatever it is, the rest is looked at
                problem = _plain(error).message
        else:
            problem = want.message
        release = want.release if isinstance(want, Wanted) else None
        return self._served(policy, name, release, problem)

    def _brought(self, policy: DeploymentPolicy, want: Wanted) -> str | None:
        """Why the model is not as it should be yet; None where it is."""
        release, name = want.release, want.release.model
        found = step.look(self.repository, release, policy)
        if found.step == "nothing" or self._pauses(name, release):
            return None
        alone = found.step == "mend" or found.state != "running" or want.held
        if not alone and is_shared(policy, self.own, name):
            step.bring(self.repository, release)
            other = take_turn(self.repository, self.own, policy, name, release.version)
            if other:
                return f"{name} waits for {other.host}, which switches to version {other.version}."
        reason = f"rolled back: {want.held.reason}" if want.held else RELEASED
        try:
            step.converge_apart(self.repository, want, reason)
        except MlopsError as error:
            self._later(name, release)
            if found.step == "switch" and error.code in WENT_BACK and not want.held:
                self._go_back(policy, release, error)
            raise
        self.again.pop(name, None)
        return None

    def _go_back(self, policy: DeploymentPolicy, failed: Release, error: MlopsError) -> None:
        """Pin what runs, so that neither this nor another host tries ``failed`` again."""
        name = failed.model
        service = local.recorded(self.repository, name)
        known = {each.version: each for each in versions(state_folder(self.repository), name)}
        running = service and local.state(self.repository, service, policy.local) == "running"
        if not (service and running and service.version in known):
            return
        if known[service.version].bento == service.bento:
            by = f"host {self.own.name}"
            set_pin(self.repository, pin_of(known[service.version], failed, error.message, by))

    def _pauses(self, name: str, release: Release) -> bool:
        """What failed is tried again after a while, longer each time."""
        due, _ = self.again.get(f"{name} {release.digest}", (0.0, 0.0))
        return self.patient and time.monotonic() < due

    def _later(self, name: str, release: Release) -> None:
        key = f"{name} {release.digest}"
        pause = min(2 * self.again.get(key, (0.0, PAUSE_SECONDS / 2))[1], LONGEST_PAUSE_SECONDS)
        self.again[key] = (time.monotonic() + pause, pause)

    def _served(
        self, policy: DeploymentPolicy, name: str, release: Release | None, problem: str | None
    ) -> Served:
        """What callers of ``name`` reach, and should."""
        service = local.recorded(self.repository, name)
        known = released(state_folder(self.repository), name)
        should = release or known
        number = should.version if should else None
        if service is None:
            return Served(should=number, problem=problem)
        there = {each.bento: each for each in versions(state_folder(self.repository), name)}
        state = local.state(self.repository, service, policy.local)
        return Served(
            should=number,
            version=service.version,
            digest=there[service.bento].digest if service.bento in there else None,
            state="running" if state == "running" else _less(state),
            since=service.since,
            problem=problem,
        )

    def _withdrawn(self, found: dict[str, Wanted | MlopsError], host: Host) -> list[MlopsError]:
        """Stop what this host serves and is no longer given."""
        problems = []
        for name in local.known_models(self.repository):
            if name in found or host.has(name):
                continue
            try:
                service = local.recorded(self.repository, name)
                step.withdraw(self.repository, name)
                version = service.version if service else None
                tell_withdrawn(self.repository, name, version, NOT_GIVEN)
            except Exception as error:  # whatever it is, the rest is looked at
                problems.append(_plain(error))
        return problems

    def _reported(self, models: dict[str, Served], problem: str | None) -> list[MlopsError]:
        """Tell the remote what is new, or that we are still there."""
        due = self.reported is None or time.monotonic() - self.reported > HEARD_SECONDS
        try:
            if self.silenced or not (due or is_news(self.repository, self.own, models, problem)):
                return []
            report(self.repository, self.own, models, problem)
            self.reported = time.monotonic()
        except Exception as error:  # whatever it is, the rest is looked at
            return [_plain(error)]
        return []


def record_of(own: Me, looked: Looked) -> HostRecord:
    """What a host tells of itself after a look."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return HostRecord(
        name=own.name, instance=own.instance, platform=None, at=now, models=looked.models
    )


def pin_of(now: Release, left: Release | None, reason: str, by: str) -> Pin:
    """The pin of a rollback that happens at this moment; the remote adds what main has."""
    return Pin(
        model=now.model,
        version=now.version,
        left=left.version if left else now.version,
        own="",
        reason=reason,
        by=by,
        at=datetime.now(UTC).isoformat(timespec="microseconds"),
    )


def unknown_host(name: str, policy: DeploymentPolicy) -> MlopsError:
    """The error for a host that nobody declared."""
    there = ", ".join(policy.hosts) or "none yet"
    return MlopsError(
        "unknown_host",
        f"policies/deployment.yaml on main has no host {name} under hosts (there are: {there}); "
        f"add it by a pull request: `{name}: {{models: all}}`. What runs goes on.",
    )


def _less(state: str) -> str:
    return state if state in ("not ready", "stopped") else "none"


def _plain(error: Exception) -> MlopsError:
    if isinstance(error, MlopsError):
        return error
    said = " ".join(f"{type(error).__name__}: {error}".split())[:300]
    return MlopsError("machine", f"Something went wrong here ({said}); what runs goes on.")
