"""Becomes a worker: prepares the process it runs in, then executes the worker's command.

A separate program, since nothing but `exec` is safe in a fork of a threaded server.
Arguments: parent's process id, fd to read, fd to write, memory limit in bytes or 0, command.
"""

import ctypes
import fcntl
import os
import resource
import signal
import sys

REQUESTS, REPLIES = 3, 4
PR_SET_PDEATHSIG = 1


def die_with_parent(parent: int) -> None:
    """Have the kernel kill this process when the thread that started it ends."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit("the supervisor ended before its worker started")


def ignore_polite_end() -> None:
    """Let a worker finish its call: who stops a service signals its whole family at once."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def move(requests: int, replies: int) -> None:
    """Put the two pipes on their fixed places, whatever numbers they have now."""
    spare = [fcntl.fcntl(fd, fcntl.F_DUPFD, 10) for fd in (requests, replies)]
    for fd in (requests, replies):
        os.close(fd)
    for source, target in zip(spare, (REQUESTS, REPLIES), strict=True):
        os.dup2(source, target)
        os.close(source)


def limit(memory_bytes: int) -> None:
    """No core dumps; data memory limited, not address space, of which Julia reserves much."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if memory_bytes:
        resource.setrlimit(resource.RLIMIT_DATA, (memory_bytes, memory_bytes))


def main() -> None:
    """Prepare, then execute."""
    parent, requests, replies, memory_bytes = map(int, sys.argv[1:5])
    die_with_parent(parent)
    ignore_polite_end()
    move(requests, replies)
    limit(memory_bytes)
    os.execv(sys.argv[5], sys.argv[5:])  # noqa: S606


if __name__ == "__main__":
    main()
