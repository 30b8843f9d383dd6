"""What is installed in an image, and the refusal of what no serving image may carry."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from ci.errors import MlopsError
from ci.images.recipes import PYTHON
from ci.setup.locks import pins

if TYPE_CHECKING:
    from ci.images.engine import Engine

Rows = list[list[str]]


@dataclass(frozen=True)
class Inventory:
    """Packages as [name, version, licence or ""]; ``programs`` are build tools and their places."""

    architecture: str
    debian: Rows
    julia: str
    programs: dict[str, str]
    python: Rows
    r: Rows


def look(engine: Engine, image: Any) -> Inventory:
    """What is installed in ``image``.

    Raises:
        MlopsError: ``no_engine``, ``engine_refused`` or ``image_failed``.
    """
    program = (files("ci.images") / "inside.py").read_text(encoding="utf-8")
    printed = engine.output(image, [PYTHON, "-I", "-B", "-c", program])
    return Inventory(**json.loads(printed))


def hold(inventory: Inventory, serving: str, base: str) -> None:
    """Make sure that a runtime on ``base`` holds the lock ``serving`` and no build tool.

    Raises:
        MlopsError: ``build_tools`` or ``other_packages``.
    """
    if inventory.programs:
        name, path = next(iter(inventory.programs.items()))
        raise MlopsError(
            "build_tools",
            f"The base {base} brings {name} ({path}), and no image that serves may carry build "
            "tools: name a base without them in policies/images.yaml, such as "
            "debian:bookworm-slim, then type: mlops images lock",
        )
    found = {(_normal(name), version) for name, version, _ in inventory.python}
    wrong = sorted(found ^ set(pins(serving).items()))
    if wrong:
        name, version = wrong[0]
        raise MlopsError(
            "other_packages",
            f"The image's Python packages are not those of ci/locks/serving.txt: see {name} "
            f"{version}; nothing was packaged.",
        )


def _normal(name: str) -> str:
    return name.lower().replace("_", "-").replace(".", "-")
