"""Test processes that need the same program at once: one brings it, the others wait."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.support.programs import bring_program

APT = """#!/bin/sh
case $1 in
install)
    mkdir "$PLACE/busy" || exit 100  # as apt is, when another has its lock
    echo "$@" >> "$PLACE/installs"
    sleep 0.5
    printf '#!/bin/sh\\n' > "$PLACE/bin/grinder"
    chmod +x "$PLACE/bin/grinder"
    rmdir "$PLACE/busy"
esac
"""
PROGRAM = (
    "from tests.support.programs import bring_program; print(bring_program('mill', 'grinder'))"
)


def test_one_installs_and_all_have_it(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    for name, text in {
        "apt-get": APT,
        "sudo": '#!/bin/sh\n[ "$1" = -n ] && shift\nexec "$@"\n',
    }.items():
        (tmp_path / "bin" / name).write_text(text)
        (tmp_path / "bin" / name).chmod(0o755)
    path = f"{tmp_path / 'bin'}:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "PLACE": str(tmp_path), "TMPDIR": str(tmp_path)}
    command = [sys.executable, "-c", PROGRAM]
    processes = [
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    said = [process.communicate()[0].strip() for process in processes]
    assert said == [str(tmp_path / "bin" / "grinder")] * 3
    [install] = (tmp_path / "installs").read_text().splitlines()
    assert "DPkg::Lock::Timeout=" in install
    assert install.endswith(" mill")


def test_what_is_here_is_not_brought() -> None:
    assert bring_program("nothing-of-this-name", "sh").endswith("/sh")
