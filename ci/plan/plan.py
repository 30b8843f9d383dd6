"""From changed files to the models that have to be trained again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ci.dvc_file import entries, stages
from ci.files import read_yaml_quickly
from ci.fingerprint import IGNORED_NAMES
from ci.git import changed_files

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from ci.repository import Repository

# Where people put files for `data.yml` to read.
UPLOADS = "incoming"


@dataclass(frozen=True)
class Touched:
    """A model that a change touches; ``reason`` is for people."""

    name: str
    reason: str


def plan(repository: Repository, base: str) -> list[Touched]:
    """Models touched between the merge base with ``base`` and the working tree, by name.

    Raises:
        MlopsError: ``unknown_base``.
    """
    return touched_models(repository, changed_files(repository.root, base))


def touched_models(repository: Repository, files: Iterable[str]) -> list[Touched]:
    """Models that ``files`` (paths from the root, with slashes) touch, sorted by name."""
    names = repository.model_names()
    changed = list(files)
    reasons: dict[str, str] = {}
    for file in changed:
        for name in _touched_by(file, names):
            reasons.setdefault(name, f"{file} changed")
    _add_by_dataset(repository, names, changed, reasons)
    _add_dependents(repository, names, reasons)
    return [Touched(name, reasons[name]) for name in sorted(reasons)]


def _touched_by(file: str, names: list[str]) -> list[str]:
    parts = file.split("/")
    if parts[0] == "models" and len(parts) > 2:
        own = parts[1] in names and parts[-1] not in IGNORED_NAMES
        return [parts[1]] if own else []
    everything = parts[0] == "bentos" or (file.startswith("ci/locks/") and file.endswith(".txt"))
    return names if everything else []


def _add_by_dataset(
    repository: Repository, names: list[str], files: list[str], reasons: dict[str, str]
) -> None:
    datasets = {
        file.split("/")[1]: f"{file} changed" for file in reversed(files) if _of_dataset(file)
    }
    if not datasets:
        return
    _add_derived_datasets(repository, datasets)
    for name in names:
        for dataset in _listed(repository, name, "datasets"):
            if dataset in datasets:
                reasons.setdefault(name, f"dataset {dataset}: {datasets[dataset]}")


def _of_dataset(file: str) -> bool:
    """Whether a changed ``file`` changes its dataset; rows that nobody has read yet do not."""
    parts = file.split("/")
    inside = parts[0] == "data" and len(parts) > 2 and not file.endswith("README.md")
    return inside and not (parts[2] == UPLOADS and len(parts) > 3)


def _add_derived_datasets(repository: Repository, datasets: dict[str, str]) -> None:
    """A dataset made from a changed dataset has changed as well."""
    sources = {name: _source_datasets(repository, name) for name in repository.dataset_names()}
    _spread(sources, datasets, lambda parent: f"made from {parent}, where {datasets[parent]}")


def _source_datasets(repository: Repository, name: str) -> set[str]:
    pipeline = read_yaml_quickly(repository.data_dir / name / "dvc.yaml")
    deps = [str(dep) for stage in stages(pipeline) for dep in entries(stage, "deps")]
    return {dep.split("/")[1] for dep in deps if dep.startswith("../") and dep.count("/") > 1}


def _add_dependents(repository: Repository, names: list[str], reasons: dict[str, str]) -> None:
    if not reasons:
        return  # a change that touches no model need not read every contract
    parents = {name: _listed(repository, name, "depends_on") for name in names}
    _spread(parents, reasons, lambda parent: f"depends on {parent}, which is touched")


def _spread(
    parents: Mapping[str, Iterable[str]], reasons: dict[str, str], reason: Callable[[str], str]
) -> None:
    """Give each name with a parent in ``reasons`` a reason too, until there is none left."""
    grown = True
    while grown:
        grown = False
        for name, needed in parents.items():
            touched = [parent for parent in needed if parent in reasons]
            if touched and name not in reasons:
                reasons[name] = reason(touched[0])
                grown = True


def _listed(repository: Repository, name: str, key: str) -> list[str]:
    """The names at ``key`` of a contract, which may be broken: no other model's plan ends by it."""
    contract = read_yaml_quickly(repository.models_dir / name / "model.yaml")
    return [each for each in entries(contract, key) if isinstance(each, str)]
