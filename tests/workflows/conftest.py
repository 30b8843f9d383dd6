"""A world for each test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.workflows.template import write_template
from tests.workflows.world import World

MODELS = {"sales-python": "python"}
MakeWorld = Callable[..., World]


@pytest.fixture(scope="session")
def templates(tmp_path_factory: pytest.TempPathFactory) -> Callable[[dict[str, str]], Path]:
    """Template repositories, each made once: by name → language of the models."""
    made: dict[str, Path] = {}

    def template(models: dict[str, str]) -> Path:
        key = repr(sorted(models.items()))
        if key not in made:
            made[key] = tmp_path_factory.mktemp("template") / "repository"
            write_template(made[key], models)
        return made[key]

    return template


@pytest.fixture
def make_world(templates: Callable[[dict[str, str]], Path], tmp_path: Path) -> Iterator[MakeWorld]:
    """Make a repository with these models (name → language)."""
    made: list[World] = []
    with ExitStack() as stack:

        def make(models: dict[str, str] | None = None) -> World:
            folder = tmp_path / f"world-{len(made)}"
            folder.mkdir()
            world = World(folder, templates(MODELS if models is None else models))
            made.append(stack.enter_context(world))
            return world

        yield make
    for world in made:
        assert world.github.problems == []


@pytest.fixture
def world(make_world: MakeWorld) -> World:
    """A repository with one small Python model."""
    return make_world()
