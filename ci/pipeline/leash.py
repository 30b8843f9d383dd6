"""Runs a command and kills it with all its children when the process that asked for it dies.

``python -m ci.pipeline.leash COMMAND ...`` watches its standard input: the asking process holds
the other end open, so end of file means that it is gone, however it was killed. A training
that nobody waits for would go on writing into the folder that the next run reads.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading


def main(command: list[str]) -> int:
    """Run ``command`` in this process group; returns its exit code."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    threading.Thread(target=_kill_group_at_end_of_input, daemon=True).start()
    return process.wait()


def _kill_group_at_end_of_input() -> None:
    while os.read(0, 4096):  # the descriptor itself: a buffered reader would block the exit
        pass
    os.killpg(os.getpgid(0), signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
