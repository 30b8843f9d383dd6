"""`make locks`: the inputs `ci/locks/*.in` to versions with hashes in `ci/locks/*.txt`.

All inputs are resolved together first, and each lock is then held to that answer, so that
they agree and install into one environment. Versions that are locked already stay as long as the
inputs allow them; delete a lock to take the newest. The index is the one uv is configured for; no
address is written.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

NAMES = ("plan", "serving", "platform", "batch", "monitoring", "tune", "ray", "dev")
FOLDER = Path("ci/locks")
PIN = re.compile(r"^([a-z0-9][a-z0-9-]*)==([^\s;\\]+)", re.MULTILINE)
OPTIONS = (
    *("--python-version", "3.11", "--python-platform", "linux"),
    *("--no-header", "--no-annotate", "--no-emit-index-url", "--no-emit-find-links", "--quiet"),
)


def pins(text: str) -> dict[str, str]:
    """Name → version of each requirement in the text of a lock."""
    return dict(PIN.findall(text))


def requirement(text: str, name: str) -> str:
    """The lines of package ``name`` in the text of a lock: its version and hashes.

    Raises:
        KeyError: the lock has no such package.
    """
    for entry in re.split(r"\n(?=[a-z0-9])", text):
        if entry.startswith(f"{name}=="):
            return entry.rstrip() + "\n"
    raise KeyError(name)


def refresh(root: Path) -> None:
    """Write the locks of the repository at ``root``; on a failure none is changed."""
    with tempfile.TemporaryDirectory(dir=root / FOLDER, prefix=".locks-") as folder:
        work = Path(folder)
        together = work / "together.txt"
        together.write_text(_locked(root), encoding="utf-8")
        inputs = [FOLDER / f"{name}.in" for name in NAMES]
        _compile(root, [*inputs, "--output-file", together])
        for name, source in zip(NAMES, inputs, strict=True):
            made = work / f"{name}.txt"
            _compile(root, [source, "--constraints", together, "--generate-hashes", "-o", made])
        for name in NAMES:
            shutil.move(work / f"{name}.txt", root / FOLDER / f"{name}.txt")


def _locked(root: Path) -> str:
    locked: dict[str, str] = {}
    for path in sorted((root / FOLDER).glob("*.txt")):
        locked |= pins(path.read_text(encoding="utf-8"))
    return "".join(f"{name}=={version}\n" for name, version in sorted(locked.items()))


def _compile(root: Path, arguments: list[Path | str]) -> None:
    uv = Path(sys.executable).with_name("uv")
    command = [str(part) for part in (uv, "pip", "compile", *arguments, *OPTIONS)]
    subprocess.run(command, cwd=root, check=True, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    try:
        refresh(Path.cwd())
    except subprocess.CalledProcessError as error:
        sys.exit(error.returncode)
