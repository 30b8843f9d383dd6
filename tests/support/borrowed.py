"""Images without a system of their own: containers of them use this machine's Python, read-only.

A runtime before runc adds the mounts, since an engine takes none for all containers. What it saves
is a Debian and pip for each test; images that are whole are built by `tests/containers`.
"""

from __future__ import annotations

import sys
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ci.images.engine import Engine
from ci.images.recipes import HOME, Recipe, model_recipe
from ci.registry.versions import Version
from ci.repository import Repository
from ci.targets.image import DIGEST_LABEL
from ci.targets.launch import bento_folder

if TYPE_CHECKING:
    from tests.support.dockerd import Docker
    from tests.support.podman import Podman

RUNTIME = "borrowing"
# conmon and containerd say `create --bundle FOLDER …`; each mount is (from, to).
PROGRAM = """\
#!{python} -IS
import json, os, sys
if "create" in sys.argv:
    path = sys.argv[sys.argv.index("--bundle") + 1] + "/config.json"
    with open(path) as file:
        config = json.load(file)
    config["mounts"] += [
        dict(destination=to, source=there, type="bind", options=["rbind", "ro"])
        for there, to in {mounts!r}
    ]
    with open(path, "w") as file:
        json.dump(config, file)
os.execvp("runc", ["runc", *sys.argv[1:]])
"""
CONFIGURATION = """
[engine.runtimes]
{name} = ["{program}"]
"""
FROM_HERE = Recipe("borrowed", "FROM scratch\n", {})
LINKS = ["bin", "lib", "lib64", "sbin"]


def configuration(folder: Path) -> str:
    """The runtime, made in ``folder``, as containers.conf knows it."""
    return CONFIGURATION.format(name=RUNTIME, program=program(folder))


def program(folder: Path) -> Path:
    """The runtime, made in ``folder``."""
    mounts = [(sys.prefix, HOME), ("/usr", "/usr")]
    if not sys.base_prefix.startswith("/usr"):
        mounts.append((sys.base_prefix, sys.base_prefix))
    made = folder / RUNTIME
    made.write_text(PROGRAM.format(python=Path(sys.executable).resolve(), mounts=mounts))
    made.chmod(0o755)
    return made


class Images:
    """Images of versions on one engine, on top of ``runtime``, which is there."""

    def __init__(self, client: Any, runtime: Recipe, log: Path) -> None:
        self._engine, self._runtime, self._log = Engine(client), runtime, log

    def add(self, repository: Repository, version: Version, digest: str = "") -> None:
        """The image of ``version``, which may call itself that of another Bento."""
        labels = {DIGEST_LABEL: digest or version.digest}
        bento = bento_folder(repository, version.bento)
        recipe = model_recipe(self._runtime, bento, b"{}", labels, version.fingerprint)
        if self._engine.find(recipe) is None:
            self._engine.build(recipe, self._log)


def from_here(engine: Podman | Docker) -> Recipe:
    """What images are laid on that have nothing but a Bento; the engine has it afterwards."""
    path = engine.folder / "borrowed.tar"
    with tarfile.open(path, mode="w") as archive:
        for name in LINKS:
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = tarfile.SYMTYPE, f"usr/{name}"
            archive.addfile(entry)
    engine.import_tar(path, FROM_HERE.tag)
    return FROM_HERE
