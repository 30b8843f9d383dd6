"""Hosts that a runner reaches over SSH: each is asked to look now, and says what it runs then.

The machine's `authorized_keys` ties the key of the runner to one command, `mlops host NAME --once
--json`: so nothing is sent but a knock, and what main declares still decides what is served.
"""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from ci.contract.base import Contract
from ci.errors import MlopsError
from ci.files import write_whole
from ci.host.records import Served  # noqa: TC001 (pydantic reads it at run time)
from ci.report.markdown import plain, table

if TYPE_CHECKING:
    from collections.abc import Sequence

ADDRESSES, KEY, KNOWN = "HOSTS_SSH", "HOSTS_SSH_KEY", "HOSTS_SSH_KNOWN"
ADDRESS = re.compile(r"([a-z_][a-z0-9_-]*@[A-Za-z0-9][A-Za-z0-9.-]*)(?::([1-9][0-9]{0,4}))?")
# A switch may take as long as the model needs to start, and a canary more.
LONGEST_SECONDS = 1_200
NO_CONNECTION = 255
TIE = 'command="cd CLONE && .venv/bin/mlops host NAME --once --json",restrict'


class Answer(Contract):
    """What `mlops host NAME --once --json` prints."""

    name: str
    at: str
    models: dict[str, Served]


@dataclass(frozen=True)
class Reached:
    """A host at ``address``: its name and models, or the ``problem`` why it did not tell them."""

    address: str
    name: str | None = None
    models: dict[str, Served] = field(default_factory=dict)
    problem: str | None = None

    def problems(self) -> list[str]:
        """Why it does not serve what it should, a sentence each."""
        behind = [
            f"{self.name} runs {_version(served)} of {model}, and should run {served.should}."
            for model, served in self.models.items()
            if served.version != served.should or served.state != "running"
        ]
        return [f"{self.address}: {self.problem}", *behind] if self.problem else behind


def addresses_in(text: str) -> list[tuple[str, str]]:
    """``user@machine`` and port of each address in ``text``.

    Raises:
        MlopsError: ``bad_hosts``.
    """
    found = []
    for each in text.split():
        match = ADDRESS.fullmatch(each)
        if match is None:
            raise MlopsError(
                "bad_hosts",
                f"The variable {ADDRESSES} holds {each[:100]!r}; write user@machine or "
                "user@machine:port, with spaces between several.",
            )
        found.append((match[1], match[2] or "22"))
    return found


def reach(addresses: Sequence[tuple[str, str]], key: str, known: str) -> list[Reached]:
    """Ask each host in turn to look; ``key`` is a private key, ``known`` lines of known_hosts.

    Raises:
        MlopsError: ``no_host_key`` where one of them is missing.
    """
    for name, value in ((f"secret {KEY}", key), (f"variable {KNOWN}", known)):
        if not value.strip():
            raise MlopsError(
                "no_host_key", f"The {name} is not set: without it no host can be asked; set it."
            )
    with tempfile.TemporaryDirectory(prefix="mlops-hosts-") as directory:
        folder = Path(directory)
        write_whole(folder / "key", _lines(key))
        (folder / "key").chmod(0o600)
        write_whole(folder / "known", _lines(known))
        return [_reached(address, port, folder) for address, port in addresses]


def summary(hosts: Sequence[Reached]) -> str:
    """What every host runs now, as Markdown."""
    rows = [
        [plain(host.name or host.address), plain(model), _version(served), served.state]
        for host in hosts
        for model, served in host.models.items()
    ]
    shown = [table(["host", "model", "version", "state"], rows)] if rows else []
    said = [f"- {plain(line, 600)}" for host in hosts for line in host.problems()]
    return "\n\n".join(["### Hosts", *shown, "\n".join(said)]).rstrip()


def _lines(text: str) -> str:
    """``text`` as ssh reads it, however a browser sent it."""
    return "\n".join(text.strip().splitlines()) + "\n"


def _version(served: Served) -> str:
    return "nothing" if served.version is None else f"version {served.version}"


def _reached(address: str, port: str, folder: Path) -> Reached:
    options = {
        "BatchMode": "yes",
        "ConnectTimeout": "20",
        "GlobalKnownHostsFile": "/dev/null",
        "IdentitiesOnly": "yes",
        "ServerAliveInterval": "30",
        "StrictHostKeyChecking": "yes",
        "UserKnownHostsFile": str(folder / "known"),
    }
    command = ["ssh", "-F", "/dev/null", "-T", "-n", "-a", "-x", "-i", str(folder / "key")]
    command += [f"-o{name}={value}" for name, value in options.items()]
    command += ["-p", port, "--", address]
    try:
        done = subprocess.run(
            command, capture_output=True, timeout=LONGEST_SECONDS, check=False, text=True
        )
    except FileNotFoundError:
        return Reached(address, problem="the program ssh is not installed here; install it.")
    except subprocess.TimeoutExpired:
        minutes = LONGEST_SECONDS // 60
        return Reached(address, problem=f"it did not end its look in {minutes} minutes.")
    if done.returncode == NO_CONNECTION:
        said = (done.stderr.strip().splitlines() or ["no message"])[-1].rstrip(".")
        return Reached(address, problem=f"it can't be reached ({said}).")
    return _said(address, done.stdout)


def _said(address: str, text: str) -> Reached:
    try:
        found = json.loads(text)
        error = found.get("error") if isinstance(found, dict) else None
        if isinstance(error, dict):
            return Reached(address, problem=str(error.get("message")))
        told = Answer.model_validate(found)
    except (ValueError, ValidationError, RecursionError):
        return Reached(
            address,
            problem=f"it did not answer as a host: begin the line of the key in authorized_keys "
            f"with {TIE}",
        )
    return Reached(address, told.name, told.models)
