"""What a container is given: its limits, and the files of its volume."""

from __future__ import annotations

import io
import json
import platform
import tarfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bentos.bundle import ACCESS_VARIABLE, CONTRACT_FILE, RECORDS_VARIABLE, RELEASE_VARIABLE
from bentos.supervisor import PRIVATE_VARIABLE
from ci.images.recipes import PORT, USER
from ci.images.ssh import THERE, is_far
from ci.keys import take_over_policy
from ci.targets.carried import FAR_RECORDS, own_folder
from ci.targets.launch import bento_folder
from ci.targets.ports import HOST

if TYPE_CHECKING:
    from ci.registry.versions import Version
    from ci.repository import Repository
    from ci.targets.services import Service

STATE, RECORDS = "/state", "/records"
RELEASE, ACCESS = "release.json", "access.json"
# Beside what the model's processes may take: the process that answers HTTP.
API_BYTES = 1 << 30
MOST_PROCESSES = 512
PRINTED_BYTES = "16m"
PLACE_LABEL, MODEL_LABEL, VERSION_LABEL = "mlops.place", "mlops.model", "mlops.version"


def rules(repository: Repository, service: Service) -> dict[str, Any]:
    """What the container may, and where it is reached: from its own machine only."""
    from docker.types import LogConfig

    path = bento_folder(repository, service.bento) / "src" / CONTRACT_FILE
    limits = json.loads(path.read_text(encoding="utf-8"))["serving"]
    records, bound = _records(repository, service)
    memory = int(limits["workers"]) * int(limits["max_memory_bytes"]) + API_BYTES
    return {
        "network_mode": "bridge",
        "user": f"{USER}:{USER}",
        "read_only": True,
        "tmpfs": {"/tmp": "mode=1777"},  # noqa: S108 (the container's own)
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges"],
        "mem_limit": memory,
        "pids_limit": MOST_PROCESSES,
        "restart_policy": {"Name": "always"},
        "log_config": LogConfig(type="json-file", config={"max-size": PRINTED_BYTES}),
        "ports": {f"{PORT}/tcp": (THERE if is_far(service.engine) else HOST, service.port)},
        "volumes": {service.container: {"bind": STATE, "mode": "rw"}, **bound},
        "environment": {
            RELEASE_VARIABLE: f"{STATE}/{RELEASE}",
            ACCESS_VARIABLE: f"{STATE}/{ACCESS}",
            RECORDS_VARIABLE: records,
            PRIVATE_VARIABLE: "true",
        },
        "labels": {
            PLACE_LABEL: place_of(repository, service.engine),
            MODEL_LABEL: service.model,
            VERSION_LABEL: str(service.version),
        },
    }


def place_of(repository: Repository, engine: str) -> str:
    """What tells this checkout from all others whose containers are on ``engine``."""
    return f"{platform.node()}:{repository.root}" if is_far(engine) else str(repository.root)


def _records(repository: Repository, service: Service) -> tuple[str, dict[str, Any]]:
    """Where the container writes its records, and the folder of this machine that lies there.

    On another machine there is no such folder, and they lie in its volume.
    """
    if is_far(service.engine):
        return FAR_RECORDS, {}
    return RECORDS, {str(own_folder(repository, service)): {"bind": RECORDS, "mode": "rw,Z"}}


def files(repository: Repository, version: Version) -> bytes:
    """A tar of what the volume holds at the start."""
    return packed(
        {
            RELEASE: json.dumps(asdict(version)).encode(),
            ACCESS: take_over_policy(repository).read_bytes(),
        },
        folder=Path(FAR_RECORDS).name,
    )


def packed(contents: dict[str, bytes], folder: str | None = None) -> bytes:
    """A tar of files, and of an empty ``folder``, that only the container's user can read."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as archive:
        if folder:
            entry = tarfile.TarInfo(folder)
            entry.uid = entry.gid = USER
            entry.mode, entry.type = 0o700, tarfile.DIRTYPE
            archive.addfile(entry)
        for name, content in contents.items():
            entry = tarfile.TarInfo(name)
            entry.uid = entry.gid = USER
            entry.mode, entry.size = 0o600, len(content)
            entry.mtime = time.time()  # by which a service sees that a file has changed
            archive.addfile(entry, io.BytesIO(content))
    return target.getvalue()
