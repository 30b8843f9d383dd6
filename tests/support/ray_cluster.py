"""A Ray cluster of machines that are namespaces: network, mounts, processes and host name apart.

The process that scores is on the head; a bridge in its network joins the others. They see neither
its files nor the platform's code. Nothing of the real machine's network is touched, and all ends
with the head's first process. Needs root, or a system that lets people make namespaces.

    unshare … python -m tests.support.ray_cluster ASKED.json
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from ci.cli import use_environment
from ci.errors import MlopsError
from ci.score import score_with
from ci.score.engine import engine_named
from tests.support.scoring import servable_in

ROOT = Path(__file__).resolve().parents[2]
HEAD = "10.77.0.1"
PORT = 6379
STORE_BYTES = 200 << 20
NAMESPACES = ("--net", "--mount", "--pid", "--uts", "--fork", "--kill-child", "--mount-proc")
RAY = [sys.executable, "-m", "ray.scripts.scripts", "start", "--disable-usage-stats"]
RAY += ["--num-cpus=1", f"--object-store-memory={STORE_BYTES}"]
# A machine's name is how a test knows it again; the hidden folders are empty there.
MACHINE = """
set -e
name=$1 address=$2 folder=$3; shift 3
echo "$name" > /proc/sys/kernel/hostname
mkdir -p /tmp/ray
for hidden in "$folder" /tmp/ray {code}; do mount -t tmpfs none "$hidden"; done
ip link set lo up
until ip link show eth0 > /dev/null 2>&1; do sleep 0.05; done
ip address add "$address/24" dev eth0
ip link set eth0 up
cd /
unset PYTHONPATH
exec "$@"
"""


@dataclass(frozen=True)
class Asked:
    """What to score, and how the second machine is lost: ``killed``, ``cut off`` or not (None)."""

    folder: str
    source: str
    target: str
    lose: str | None = None
    nodes: int = 2


def score_on_cluster(asked: Asked) -> subprocess.CompletedProcess[str]:
    """Score in a new cluster; stdout is what `score_with` answers as JSON, stderr what it says."""
    path = Path(asked.folder) / "asked.json"
    path.write_text(json.dumps(asdict(asked)))
    mapped = [] if os.geteuid() == 0 else ["--map-root-user"]
    command = ["unshare", *mapped, *NAMESPACES, sys.executable, "-m", __name__, str(path)]
    return subprocess.run(
        command,
        cwd=ROOT,
        env=_environment(),
        capture_output=True,
        text=True,
        timeout=300,  # Ray alone would wait for a machine that was cut off for seven minutes
        check=False,
    )


def _environment() -> dict[str, str]:
    token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "0" * 32}
    return {**os.environ, "PYTHONPATH": str(ROOT), **token}


def main(path: str) -> None:
    """On the head: begin the cluster, score, and lose the second machine on the way."""
    use_environment()
    asked = Asked(**json.loads(Path(path).read_text()))
    _shell("echo head > /proc/sys/kernel/hostname; mkdir -p /tmp/ray; mount -t tmpfs none /tmp/ray")
    _shell(f"ip link set lo up; ip link add br0 type bridge; ip address add {HEAD}/24 dev br0")
    _shell("ip link set br0 up")
    log = Path(asked.folder) / "ray.log"
    with log.open("w") as output:
        head = [*RAY, "--head", "--include-dashboard=false"]
        head += [f"--node-ip-address={HEAD}", f"--port={PORT}"]
        subprocess.run(head, check=True, stdout=output, stderr=output)
        machines = [_machine(number, asked.folder, output) for number in range(1, asked.nodes + 1)]
    _wait_for_nodes(asked.nodes + 1)
    scoring = os.fork()
    if scoring == 0:
        os._exit(_score(asked))
    if asked.lose:
        _when_it_has_worked(asked, scoring)
        if asked.lose == "cut off":
            _shell("ip link set node2 down")
        else:
            machines[1].kill()
        _require_at_work(scoring)
    _, status = os.waitpid(scoring, 0)
    sys.exit(os.waitstatus_to_exitcode(status))


def _shell(command: str) -> None:
    subprocess.run(["sh", "-ec", command], check=True)


def _machine(number: int, folder: str, output: IO[str]) -> subprocess.Popen[bytes]:
    """A machine with a cable to the bridge, on which Ray begins."""
    name, address = f"node{number}", f"10.77.0.1{number}"
    code = " ".join(f'"{ROOT / each}"' for each in ("ci", "bentos", "tests"))
    script = MACHINE.replace("{code}", code)
    join = [*RAY, f"--address={HEAD}:{PORT}", f"--node-ip-address={address}", "--block"]
    command = ["unshare", *NAMESPACES, "sh", "-c", script, "sh", name, address, folder, *join]
    machine = subprocess.Popen(command, stdout=output, stderr=output)
    own = os.readlink("/proc/self/ns/net")
    while os.readlink(f"/proc/{machine.pid}/ns/net") == own:
        time.sleep(0.02)
    _shell(f"ip link add {name} type veth peer name eth0 netns {machine.pid}")
    _shell(f"ip link set {name} master br0; ip link set {name} up")
    return machine


def _wait_for_nodes(count: int) -> None:
    """In a process of its own: who scores begins without Ray, as when it is typed."""
    wait = f"""\
import ray, time
ray.init("{HEAD}:{PORT}", logging_level="ERROR")
while sum(node["Alive"] for node in ray.nodes()) < {count}:
    time.sleep(0.1)
"""
    subprocess.run([sys.executable, "-c", wait], check=True, stdout=subprocess.DEVNULL)


def _score(asked: Asked) -> int:
    folder = Path(asked.folder)
    try:
        done = score_with(
            servable_in(folder),
            Path(asked.source),
            Path(asked.target),
            folder / "state",
            engine=engine_named("ray", f"{HEAD}:{PORT}"),
        )
    except MlopsError as error:
        print(f"{error.code}: {error.message}", file=sys.stderr)
        return 1
    print(json.dumps(asdict(done)), flush=True)
    return 0


def _when_it_has_worked(asked: Asked, scoring: int) -> None:
    """Once a part is finished and the model has said that it is on the second machine."""
    state = Path(asked.folder) / "state"
    while True:
        said = "".join(path.read_text() for path in state.glob("logs/*.log"))
        if "node2" in said and list(state.glob("score/*/*/[0-9]*.json")):
            return
        _require_at_work(scoring)
        time.sleep(0.01)


def _require_at_work(scoring: int) -> None:
    assert os.waitid(os.P_PID, scoring, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    main(sys.argv[1])
