"""One event: its fields, its canonical form and its hash."""

from __future__ import annotations

import hashlib
import json
from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, field_validator

from ci.contract.evaluated import Evaluated  # noqa: TC001 (pydantic reads it at run time)

START = "0" * 64
LONGEST = 2000

Kind = Literal[
    "taken_over",
    "registered",
    "staged",
    "promoted",
    "rolled_back",
    "pinned",
    "unpinned",
    "started",
    "stopped",
    "failed",
    "refused",
    "waived",
    "counted",
    "served",
    "withdrawn",
]


class Record(BaseModel):
    """A part of an event. Keys of a later platform are left alone; the hash covers them too."""

    model_config = ConfigDict(extra="ignore", frozen=True, allow_inf_nan=False)


class Measured(Record):
    """The primary metric of a candidate on the holdout, beside what decides.

    ``difference`` and ``interval`` are signed so that positive is better; ``text`` says it in the
    unit of the business.
    """

    metric: str
    candidate: float | None = None
    against: str
    rival: float | None = None
    difference: float | None = None
    interval: tuple[float, float] | None = None
    text: str


class Lineage(Record):
    """What a registered version comes from; None and empty are what nobody recorded.

    ``run_id`` is the run in the registry's MLflow, ``source_run_id`` the run that trained, ``data``
    DVC's digest of each file, ``verdict`` the gate's decision in a line, ``evaluation`` how it was
    judged, ``image`` its image in a registry, by digest.
    """

    version: int
    run_id: str
    source_run_id: str | None = None
    fingerprint: str
    source: str | None = None
    bento: str
    digest: str
    commit: str | None = None
    committed_at: str | None = None
    trained_at: str | None = None
    pull: int | None = None
    approvers: list[str] = []
    verdict: str | None = None
    candidate: str | None = None
    data: dict[str, str] = {}
    workflow_run: str | None = None
    evaluation: Evaluated | None = None
    image: str | None = None


class Draft(Record):
    """What whoever makes an event says; the log adds the rest.

    Attributes:
        kind: what happened.
        model: the model that it happened to; empty for what a run of a workflow took.
        actor: who did it.
        reason: why, in words.
        version: the version that it is about.
        before: the version that was in production until then.
        lineage: of a version that was registered.
        measured: how a registered or refused candidate did on the holdout.
        taken_over: versions that were registered before there were events.
        aliases: alias to version, where they were found and not set.
        since: when it happened, where it was told of later: what was found in production has been
            there since, as far as is known.
        host: the host that it happened on.
        candidate: fingerprint of a candidate that was refused and so has no version.
        pull: the pull request of such a candidate.
        rule: the rule that refused it, or that was waived.
        code: the error of a deployment that failed.
        detail: that error or that rule's finding, as a sentence.
        seconds: how long the command took that changed production.
        minutes: runner minutes of the workflow's run, where they were counted.
        workflow_run: address of the run that did it.
    """

    kind: Kind
    model: str
    actor: str
    reason: str
    version: int | None = None
    before: int | None = None
    lineage: Lineage | None = None
    measured: Measured | None = None
    taken_over: list[Lineage] | None = None
    aliases: dict[str, int] | None = None
    since: str | None = None
    host: str | None = None
    candidate: str | None = None
    pull: int | None = None
    rule: str | None = None
    code: str | None = None
    detail: str | None = None
    seconds: float | None = None
    minutes: int | None = None
    workflow_run: str | None = None

    @field_validator("actor", "reason", "detail", mode="before")
    @classmethod
    def _readable(cls, value: str | None) -> str | None:
        """Whatever a person or a program said, as text that can be written."""
        if value is None:
            return None
        text = " ".join(value.split()).encode("utf-8", "replace").decode()
        return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


class Event(Draft):
    """A draft with its place in the chain.

    ``previous`` is the hash of the event before, ``at`` what the clock said, in UTC;
    ``clock_back_seconds`` how far it was behind the event before.
    """

    sequence: int
    previous: str
    at: AwareDatetime
    clock_back_seconds: float | None = None
    hash: str


def canonical(fields: dict[str, Any]) -> bytes:
    """The one way of writing ``fields`` (without their hash) that the hash is computed from."""
    kept = {key: value for key, value in fields.items() if key != "hash"}
    text = json.dumps(
        kept, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )
    return text.encode()


def written(fields: dict[str, Any]) -> str:
    """The one line that an event stands in, without its end."""
    return f'{canonical(fields).decode()[:-1]},"hash":"{hash_of(fields)}"}}'


def hash_of(fields: dict[str, Any]) -> str:
    """SHA-256 of the canonical form, in hex."""
    return hashlib.sha256(canonical(fields)).hexdigest()
