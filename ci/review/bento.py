"""Whether a Bento holds the code of the pull request and nothing else that runs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from bentos.build import BENTO_FILE, CODE_SUFFIXES, bento_digest
from bentos.bundle import ARTIFACT_DIRECTORY, CONTRACT_FILE, MODEL_DIRECTORY
from ci.files import file_digest, read_yaml_quickly
from ci.fingerprint import source_files
from ci.handover.read import bad_handover

if TYPE_CHECKING:
    from pathlib import Path

    from ci.contract.model import ModelContract
    from ci.handover.manifest import Manifest

SERVICE = "bentos.service:Model"
# What BentoML writes beside the code; nothing of it is run here.
GENERATED = ("README.md", BENTO_FILE, "src/bentofile.yaml")
GENERATED_DIRS = ("apis/", "env/")


def check_bento(bento: Path, manifest: Manifest, contract: ModelContract, root: Path) -> None:
    """Refuse an unpacked Bento that is not made of the tree in ``root``.

    Its artifact is what training made and can't be compared with anything.

    Raises:
        MlopsError: ``bad_handover``.
    """
    if bento_digest(bento) != manifest.bento_digest:
        raise bad_handover("its Bento has another digest than its manifest says")
    about = read_yaml_quickly(bento / BENTO_FILE)
    wanted = (SERVICE, contract.name, manifest.fingerprint)
    if (about.get("service"), about.get("name"), about.get("version")) != wanted:
        raise bad_handover("its Bento is not of this service, model and fingerprint")
    if _contract(bento) != contract.model_dump(mode="json"):
        raise bad_handover("its Bento holds another contract than the pull request")
    expected = _expected(root, contract.name)
    found = dict(_code(bento))
    for path in sorted(expected.keys() | found.keys()):
        if expected.get(path) != found.get(path):
            raise bad_handover(f"{path[:200]} in its Bento is not as in the pull request")


def _contract(bento: Path) -> object:
    try:
        found: object = json.loads((bento / "src" / CONTRACT_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return found


def _expected(root: Path, name: str) -> dict[str, str]:
    """Path in the Bento → digest of all code that must be in it."""
    folder, runners = root / "models" / name, root / "bentos"
    files = {
        f"src/{MODEL_DIRECTORY}/{path.relative_to(folder).as_posix()}": path
        for path in source_files(folder)
    }
    files |= {
        f"src/bentos/{path.relative_to(runners).as_posix()}": path
        for path in runners.rglob("*")
        if path.suffix in CODE_SUFFIXES and path.is_file()
    }
    files["src/requirements.txt"] = root / "ci" / "locks" / "serving.txt"
    return {path: file_digest(file) for path, file in files.items()}


def _code(bento: Path) -> list[tuple[str, str]]:
    artifact = f"src/{MODEL_DIRECTORY}/{ARTIFACT_DIRECTORY}/"
    ignored = (artifact, *GENERATED_DIRS)
    known = (*GENERATED, f"src/{CONTRACT_FILE}")
    paths = [(path.relative_to(bento).as_posix(), path) for path in bento.rglob("*")]
    return [
        (name, file_digest(path))
        for name, path in paths
        if path.is_file() and not name.startswith(ignored) and name not in known
    ]
