"""How callers fared in the last minutes, by the access records: metrics only count from a start."""

from __future__ import annotations

import time
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from bentos.records import ACCESS_FILE
from ci.doctor.finding import Finding
from ci.observe.recorded import is_own, newest
from ci.targets.launch import records_dir
from ci.targets.target import bring_records

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ci.contract.deployment import Objectives
    from ci.repository import Repository

LAST_SECONDS = 5 * 60.0


def calls(repository: Repository, name: str, objectives: Objectives) -> Iterator[Finding]:
    """What breaks the objectives in policies/deployment.yaml."""
    bring_records(repository, name)
    last = list(_last_minutes(repository, name))
    failed = [record for record in last if record["status"] >= 500]
    if len(failed) > (1 - objectives.available) * len(last):
        code, _ = Counter(record["code"] for record in failed).most_common(1)[0]
        problem = (
            f"{name} failed on {len(failed)} of {len(last)} calls of the last 5 minutes, most "
            f"often with {code}"
        )
        example = next(record for record in reversed(failed) if record["code"] == code)
        yield Finding(name, problem, f"mlops logs {name} --request {example['request_id']}")
    slow = [record for record in last if record["ms"] > objectives.p99_seconds * 1000]
    if len(slow) > len(last) / 100:
        worst = sorted(record["ms"] for record in last)[-(-99 * len(last) // 100) - 1]
        problem = (
            f"{len(slow)} of {len(last)} calls to {name} in the last 5 minutes took over "
            f"{objectives.p99_seconds:g} s (p99 {worst / 1000:.1f} s)"
        )
        yield Finding(name, problem, f"mlops logs {name}")


def _last_minutes(repository: Repository, name: str) -> Iterator[dict[str, Any]]:
    begin = datetime.fromtimestamp(time.time() - LAST_SECONDS, UTC).isoformat()
    for record in newest(records_dir(repository, name), ACCESS_FILE):
        if record["time"] < begin:
            return
        if record["path"] == "/predict" and not is_own(record):
            yield record
