"""`mlops package MODEL --image`: the image of a packaged model."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ci
from ci.console import step
from ci.contract.model import load_model_contract
from ci.files import write_whole
from ci.images.bases import base_of
from ci.images.bill import bill
from ci.images.engine import connect
from ci.images.inventory import hold, look
from ci.images.lineage import labels, lineage_of
from ci.images.recipes import (
    BILL,
    julia_packages,
    model_recipe,
    packages_recipe,
    runtime_recipe,
)
from ci.package.package import package

if TYPE_CHECKING:
    from ci.contract.model import ModelContract
    from ci.images.bases import Base
    from ci.images.engine import Engine
    from ci.images.lineage import Lineage
    from ci.images.recipes import Recipe
    from ci.package import Packaged
    from ci.repository import Repository

LOCKS = Path(ci.__file__).parent / "locks"


@dataclass(frozen=True)
class Image:
    """A model's image on the engine: ``built`` is false where it was there already."""

    name: str
    id: str
    bytes: int
    built: bool
    seconds: float
    sbom: Path


def build_image(repository: Repository, name: str) -> tuple[Packaged, Image]:
    """Package the current candidate of ``name`` and build its image, unless it is there.

    Raises:
        MlopsError: as `package`, and ``bad_policy``, ``base_without_digest``, ``no_engine``,
            ``engine_refused``, ``image_failed``, ``build_tools`` or ``other_packages``.
    """
    began = time.monotonic()
    contract = load_model_contract(repository, name)
    bases_of(repository, contract)
    engine = connect()
    packaged = package(repository, name)
    made = image_of(repository, engine, packaged, contract)
    return packaged, replace(made, seconds=round(time.monotonic() - began, 1))


def bases_of(repository: Repository, contract: ModelContract) -> dict[str, Base]:
    """The bases that an image of the model is made of.

    Raises:
        MlopsError: ``bad_policy`` or ``base_without_digest``.
    """
    return {each: base_of(repository, each) for each in ("python", contract.language)}


def image_of(
    repository: Repository, engine: Engine, packaged: Packaged, contract: ModelContract
) -> Image:
    """The image of a packaged candidate, built on ``engine`` unless it is there.

    Raises:
        MlopsError: as `build_image`, without those of `package`.
    """
    return image_from(repository, engine, packaged.path, lineage_of(packaged, contract))


def image_from(repository: Repository, engine: Engine, bento: Path, lineage: Lineage) -> Image:
    """The image of the Bento in the folder ``bento``, built on ``engine`` unless it is there.

    Raises:
        MlopsError: as `image_of`.
    """
    began = time.monotonic()
    name, language = lineage.model, lineage.language
    base = base_of(repository, language)
    serving, development = (
        (LOCKS / f"{each}.txt").read_text(encoding="utf-8") for each in ("serving", "dev")
    )
    model = bento / "src" / "model"
    packages = packages_recipe(base_of(repository, "python"), serving, development)
    runtime = runtime_recipe(base, packages, language, model)
    stamped = labels(lineage, base)
    recipe = model_recipe(runtime, bento, b"", stamped, lineage.fingerprint)
    image, built = engine.find(recipe), False
    if image is None:
        log = repository.state_dir / "logs" / f"image-{name}.log"
        below = _runtime(engine, packages, runtime, log)
        inventory = look(engine, below)
        hold(inventory, serving, base.name or base.digest)
        content = bill(lineage, inventory, julia_packages(model))
        recipe = model_recipe(runtime, bento, content, stamped, lineage.fingerprint)
        image, built = _built(engine, recipe, log), True
    else:
        content = engine.output(image, ["cat", BILL])
    sbom = repository.state_dir / "images" / name / f"{lineage.fingerprint}.cdx.json"
    write_whole(sbom, content)
    seconds = round(time.monotonic() - began, 1)
    return Image(recipe.tag, str(image.id), int(image.attrs["Size"]), built, seconds, sbom)


def _runtime(engine: Engine, packages: Recipe, runtime: Recipe, log: Path) -> Any:
    found = engine.find(runtime)
    if found is not None:
        return found
    if engine.find(packages) is None:
        _built(engine, packages, log)
    return _built(engine, runtime, log)


def _built(engine: Engine, recipe: Recipe, log: Path) -> Any:
    with step(f"Building the image {recipe.name}"):
        return engine.build(recipe, log)
