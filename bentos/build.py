"""Builds a model's Bento, in a store of our own; the same inputs give the same digest."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bentos.bundle import ARTIFACT_DIRECTORY, CONTRACT_FILE, MODEL_DIRECTORY
from bentos.serve import QUIET

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

CODE = Path(__file__).resolve().parent
CODE_SUFFIXES = (".py", ".R", ".jl", ".html")
BENTO_FILE = "bento.yaml"
STAGING_PREFIX = "build-"
ABANDONED_SECONDS = 3600
CREATION_TIME = b"creation_time:"
BUILD_SCRIPT = """
import sys, bentoml
name, version, context, description, *pins = sys.argv[1:]
bentoml.build(
    "bentos.service:Model", name=name, version=version, build_ctx=context, include=["**"],
    description=description,
    python={"packages": pins, "lock_packages": False},
)
"""


class BuildError(RuntimeError):
    """BentoML could not build; the message is what it said."""


def build(
    *,
    store: Path,
    name: str,
    version: str,
    contract: Mapping[str, Any],
    folder: Path,
    sources: Sequence[Path],
    artifact: Path,
    requirements: Path,
) -> Path:
    """The Bento ``name:version`` in ``store``, a BENTOML_HOME; an existing one is left as it is.

    It holds this package's code, ``contract`` as JSON, and in ``model/`` the ``sources`` (files
    inside ``folder``) where they lie in the model's folder and the content of ``artifact``. It is
    built beside the store's Bentos and moved in when it is whole. Raises BuildError, and
    FileNotFoundError where there is no artifact.
    """
    target = store / "bentos" / name / version
    if (target / BENTO_FILE).is_file():
        return target
    store.mkdir(parents=True, exist_ok=True)
    _remove_abandoned(store)
    with tempfile.TemporaryDirectory(prefix=STAGING_PREFIX, dir=store) as directory:
        staging = Path(directory)
        context = staging / "context"
        _copy_model(context / MODEL_DIRECTORY, folder, sources, artifact)
        _copy_code(context / CODE.name)
        contract_text = json.dumps(contract, indent=2, ensure_ascii=False) + "\n"
        (context / CONTRACT_FILE).write_text(contract_text, encoding="utf-8")
        shutil.copyfile(requirements, context / "requirements.txt")
        home = staging / "home"
        # BentoML takes "file:..." for a path: the name before it keeps the text a text.
        description = f"{name}: {contract['description']}"
        arguments = [name, version, str(context), description, *_pins(requirements)]
        _run_bentoml(home, arguments, context)
        _move(home / "bentos" / name / version, target)
    return target


def bento_digest(bento: Path) -> str:
    """SHA-256, 64 hex digits, over the sorted (path, content) of all files but the build time."""
    digest = hashlib.sha256()
    for path in sorted(bento.rglob("*"), key=lambda path: path.relative_to(bento).as_posix()):
        if path.is_file():
            content = _timeless(path) if path == bento / BENTO_FILE else _file_digest(path)
            digest.update(f"{path.relative_to(bento).as_posix()}\0{content}\n".encode())
    return digest.hexdigest()


def _remove_abandoned(store: Path) -> None:
    """Delete what builds left that were killed; one that still runs is younger."""
    for staging in store.glob(f"{STAGING_PREFIX}*"):
        if time.time() - staging.stat().st_mtime > ABANDONED_SECONDS:
            shutil.rmtree(staging, ignore_errors=True)


def _timeless(path: Path) -> str:
    lines = path.read_bytes().splitlines(keepends=True)
    kept = [line for line in lines if not line.startswith(CREATION_TIME)]
    return hashlib.sha256(b"".join(kept)).hexdigest()


def _file_digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _copy_model(target: Path, folder: Path, sources: Sequence[Path], artifact: Path) -> None:
    for source in sources:
        copy = target / source.relative_to(folder)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, copy)
    # DVC may have linked the artifact's files to its cache: the content is copied.
    shutil.copytree(artifact, target / ARTIFACT_DIRECTORY, copy_function=shutil.copyfile)


def _copy_code(target: Path) -> None:
    for source in sorted(CODE.rglob("*")):
        if source.suffix in CODE_SUFFIXES:
            copy = target / source.relative_to(CODE)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, copy)


def _pins(requirements: Path) -> list[str]:
    """``name==version`` of each locked package.

    BentoML copies what it is given into three files and adds a line of its own without a hash,
    so the lock with its hashes goes into the Bento as a file.
    """
    lines = requirements.read_text(encoding="utf-8").splitlines()
    words = [line.split()[0] for line in lines if line[:1].isalnum()]
    return [word for word in words if "==" in word]


def _run_bentoml(home: Path, arguments: list[str], context: Path) -> None:
    """In a process of its own: BentoML takes its home from the environment when imported."""
    done = subprocess.run(
        [sys.executable, "-c", BUILD_SCRIPT, *arguments],
        env={**os.environ, **QUIET, "BENTOML_HOME": str(home)},
        cwd=context,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        lines = done.stdout.strip().splitlines() or ["it said nothing"]
        raise BuildError(f"BentoML could not build {arguments[0]}: {lines[-1]}")


def _move(built: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists():  # left by something else: without bento.yaml it is no Bento
        shutil.rmtree(target)
    built.rename(target)
