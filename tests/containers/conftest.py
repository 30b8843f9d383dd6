"""One real engine for all files here, small Debian bases, and trained models to put on them."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from ci.repository import Repository
from tests.support import linear, repositories
from tests.support.command import result
from tests.support.podman import Podman, import_base, julia_base, make_base, podman
from tests.support.services import free_port

LANGUAGES = ["python", "r", "julia"]
RENV_LOCK = {
    "R": {"Version": "4.2.2", "Repositories": []},
    "Packages": {"data.table": {"Package": "data.table", "Version": "1.14.8"}},
}


@pytest.fixture(scope="session")
def base_archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tar of a small Debian, made once for all processes of a run."""
    own = tmp_path_factory.getbasetemp()
    folder = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "debian"
    folder.mkdir(exist_ok=True)
    with (folder / "turn").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        return make_base(folder)


@pytest.fixture(scope="session")
def engine() -> Iterator[Podman]:
    """podman's service, which knows a registry of ours that speaks no TLS."""
    with podman(registry_port=free_port()) as engine:
        yield engine


@pytest.fixture(scope="session")
def bases(engine: Podman, base_archive: Path) -> dict[str, str]:
    """Language → id of its base."""
    base = import_base(engine, base_archive)
    return {"python": base, "r": base, "julia": julia_base(engine, base)}


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory, bases: dict[str, str]) -> Repository:
    """A repository with a trained linear model `sales-LANGUAGE` in each language."""
    root = tmp_path_factory.mktemp("trained")
    repository = repositories.new_repository(root / "repository")
    set_bases(repository, bases)
    linear.write_sales(root / "sales.csv")
    result(repository.root, "data", "add", root / "sales.csv", "--name", "sales")
    for language in LANGUAGES:
        linear.write_linear_model(repository, f"sales-{language}", language)
    (repository.model_dir("sales-r") / "renv.lock").write_text(json.dumps(RENV_LOCK))
    repositories.commit_all(repository.root)
    for language in LANGUAGES:
        result(repository.root, "train", f"sales-{language}")
    return repository


def set_bases(repository: Repository, bases: dict[str, str]) -> None:
    """Write policies/images.yaml."""
    lines = [f"  {language}: {base}\n" for language, base in bases.items()]
    (repository.policies_dir / "images.yaml").write_text("bases:\n" + "".join(lines))
