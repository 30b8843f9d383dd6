"""Small repositories whose models are served on ports that nobody else uses."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ci.repository import Repository
from tests.support import linear, repositories
from tests.support.command import mlops, result

LANGUAGES = ["python", "r", "julia"]

Make = Callable[..., Repository]


@pytest.fixture(scope="session")
def with_data(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """A repository with one dataset that `mlops data add` brought in, to be copied."""
    root = tmp_path_factory.mktemp("with-data")
    repository = repositories.new_repository(root / "repository")
    repositories.own_ports(repository.root, 17300)
    linear.write_sales(root / "sales.csv")
    added = result(repository.root, "data", "add", root / "sales.csv", "--name", "sales")
    assert added["rows"] == linear.STORES * linear.DAYS
    repositories.commit_all(repository.root)
    return repository


@pytest.fixture
def make(with_data: Repository, tmp_path: Path) -> Iterator[Make]:
    """Copies of it with a linear model `sales-LANGUAGE` in each language that is asked for."""
    made: list[Repository] = []

    def make(*languages: str) -> Repository:
        root = tmp_path / f"repository-{len(made)}"
        shutil.copytree(with_data.root, root, symlinks=True)
        repository = Repository(root)
        made.append(repository)
        for language in languages:
            linear.write_linear_model(repository, f"sales-{language}", language)
        repositories.commit_all(root)
        return repository

    yield make
    for repository in made:
        mlops(repository.root, "stop")


@pytest.fixture(scope="module")
def unchanged(with_data: Repository, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with a model in each language, for commands that must change nothing."""
    root = tmp_path_factory.mktemp("unchanged") / "repository"
    shutil.copytree(with_data.root, root, symlinks=True)
    for language in LANGUAGES:
        linear.write_linear_model(Repository(root), f"sales-{language}", language)
    repositories.commit_all(root)
    return root
