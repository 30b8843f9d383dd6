"""Keeps HAProxy running behind one open socket; ends what was warm long enough; brings records.

`python -m ci.targets.doorman`, with the repository's root, the port and HAProxy as arguments.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from bentos.supervisor import LOCAL, Supervisor, listen
from ci.repository import Repository
from ci.targets.front import CONFIGURATION, folder_of
from ci.targets.services import all_records, over_services
from ci.targets.target import bring_records

SOCKET_VARIABLE = "FRONT_SOCKET"
DIES_WITH_US = ["setpriv", "--pdeathsig", "TERM"]
LOOK_SECONDS = 1.0
BRING_SECONDS = 10.0


def main(root: str, port: str, haproxy: str) -> int:
    """Listen, and run."""
    repository = Repository(Path(root))
    try:
        listener = listen(LOCAL, int(port))
    except OSError as error:
        print(f"Can't listen on {LOCAL}:{port}: {error.strerror}.", file=sys.stderr)
        return 1
    os.environ[SOCKET_VARIABLE] = str(listener.fileno())
    place = ["-C", str(folder_of(repository)), "-f", str(CONFIGURATION)]
    supervisor = Supervisor([*DIES_WITH_US, haproxy, "-db", *place], listener.fileno())
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, supervisor.stop)
    for work in (_cool, _bring):
        threading.Thread(target=work, args=[repository], daemon=True).start()
    return supervisor.run()


def _cool(repository: Repository) -> None:
    """End, again and again, what was kept warm, or was left as a canary, and has had its time."""
    while True:
        time.sleep(LOOK_SECONDS)
        for record in all_records(repository):
            if over_services(record, time.time()):
                cool = [sys.executable, "-m", "ci.targets.cool", str(repository.root), record.model]
                subprocess.run(cool, check=False)


def _bring(repository: Repository) -> None:
    """Bring, again and again, what containers record: they keep only so much of it."""
    while True:
        time.sleep(BRING_SECONDS)
        for record in all_records(repository):
            bring_records(repository, record.model)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
