"""`mlops check`: every problem of every file that people write, each with its key and line."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ci.check.owners import codeowners_problems, owner_problems
from ci.contract.dataset import load_dataset
from ci.contract.model import ARTIFACT, load_model_contract
from ci.contract.policies import POLICIES
from ci.contract.policy import load_policy
from ci.contract.trust import TrustPolicy
from ci.trust.artifact import refusals
from ci.yaml_file import Problem, ProblemsError, read_yaml

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ci.contract.model import ModelContract
    from ci.repository import Repository

# How the check of a predict file begins, where it knows the line.
LINE = re.compile(r"[^\s,]+, line (?P<line>\d+): ")


def check(repository: Repository, name: str | None = None) -> list[Problem]:
    """Problems of model ``name`` and what it uses, or of the whole repository.

    Raises:
        MlopsError: ``unknown_model``.
    """
    if name is not None:
        repository.model_dir(name)
    names = [name] if name else repository.model_names()
    problems = [*_policies(repository), *_folders_without_contract(repository, name)]
    datasets: set[str] = set()
    for each in names:
        contract, found = _contract(repository, each)
        problems += found
        if contract:
            problems += _model(repository, contract)
            datasets |= set(contract.datasets)
    wanted = datasets if name else set(repository.dataset_names())
    there = sorted(wanted & set(repository.dataset_names()))
    for dataset in there:
        problems += _problems_of(lambda dataset=dataset: load_dataset(repository, dataset))  # type: ignore[misc]
    files = [f"models/{each}/model.yaml" for each in names]
    files += [f"data/{dataset}/dataset.yaml" for dataset in there]
    problems += owner_problems(repository, ["policies/promotion.yaml", *files])
    problems += _registry(repository, name)
    return problems if name else [*problems, *codeowners_problems(repository)]


def _registry(repository: Repository, name: str | None) -> list[Problem]:
    """What the registry and its events do not agree on."""
    from ci.registry.compare import disagreements

    return [
        Problem(".mlops/events.jsonl", model, text)
        for model, text in disagreements(repository)
        if name is None or model in ("", name)
    ]


def _policies(repository: Repository) -> list[Problem]:
    return [
        problem
        for kind in POLICIES
        for problem in _problems_of(lambda kind=kind: load_policy(repository, kind))  # type: ignore[misc]
    ]


def _problems_of(load: Callable[[], Any]) -> list[Problem]:
    try:
        load()
    except ProblemsError as error:
        return error.problems
    return []


def _folders_without_contract(repository: Repository, name: str | None) -> list[Problem]:
    if name is not None or not repository.models_dir.is_dir():
        return []
    return [
        Problem(repository.relative(folder / "model.yaml"), "", "the file is missing; write it.")
        for folder in sorted(repository.models_dir.iterdir())
        if folder.is_dir() and not (folder / "model.yaml").is_file() and any(folder.iterdir())
    ]


def _contract(repository: Repository, name: str) -> tuple[ModelContract | None, list[Problem]]:
    try:
        return load_model_contract(repository, name), []
    except ProblemsError as error:
        return None, error.problems


def _model(repository: Repository, contract: ModelContract) -> list[Problem]:
    folder = repository.model_dir(contract.name)
    file = repository.relative(folder / "model.yaml")
    return [
        *_references(repository, contract, file),
        *_pipeline(repository, folder),
        *_parameters(repository, contract, folder, file),
        *_predict_file(repository, contract, folder),
        *_artifact(repository, contract, folder),
    ]


def _artifact(repository: Repository, contract: ModelContract, folder: Path) -> list[Problem]:
    """Files that training wrote here and that may not be loaded."""
    try:
        policy = load_policy(repository, TrustPolicy)
    except ProblemsError:
        return []  # told of with the policies
    return [
        Problem(repository.relative(folder / ARTIFACT / each.file), "", f"{each.problem}.")
        for each in refusals(policy, contract, folder / ARTIFACT)
    ]


def _references(repository: Repository, contract: ModelContract, file: str) -> list[Problem]:
    problems = [
        Problem(file, "datasets", f"there is no dataset {name!r} in data/.")
        for name in contract.datasets
        if name not in repository.dataset_names()
    ]
    problems += [
        Problem(file, "depends_on", f"there is no model {name!r} in models/.")
        for name in contract.depends_on
        if name not in repository.model_names()
    ]
    if contract.name in contract.depends_on:
        problems.append(Problem(file, "depends_on", "a model can't depend on itself."))
    return problems


def _pipeline(repository: Repository, folder: Path) -> list[Problem]:
    path = folder / "dvc.yaml"
    name = repository.relative(path)
    try:
        file = read_yaml(path, name)
    except ProblemsError as error:
        return error.problems
    stages = file.data.get("stages") if isinstance(file.data, dict) else None
    if not isinstance(stages, dict) or not stages:
        return [Problem(name, "stages", "the pipeline has no stage; write at least one.", 1)]
    return []


def _parameters(
    repository: Repository, contract: ModelContract, folder: Path, contract_file: str
) -> list[Problem]:
    path = folder / "params.yaml"
    name = repository.relative(path)
    if not path.is_file() and not contract.parameters:
        return []
    try:
        file = read_yaml(path, name)
    except ProblemsError as error:
        return error.problems
    problems = []
    for key, parameter in contract.parameters.items():
        parts = tuple(key.split("."))
        found, value = _value(file.data, parts)
        if not found:
            absent = f"the parameter is missing; {contract_file} declares it."
            problems.append(Problem(name, key, absent, file.line(parts)))
        elif problem := parameter.problem_of(value):
            text = (
                f"{problem} (found {value!r}); ask {parameter.owner} before you change its range."
            )
            problems.append(Problem(name, key, text, file.line(parts)))
    return problems


def _value(data: Any, parts: tuple[str, ...]) -> tuple[bool, Any]:
    for part in parts:
        if not isinstance(data, dict) or part not in data:
            return False, None
        data = data[part]
    return True, data


def _predict_file(repository: Repository, contract: ModelContract, folder: Path) -> list[Problem]:
    from bentos.runners import RunnerError, check_predict_file

    path = folder / contract.predict_file
    problem: str | None
    try:
        problem = check_predict_file(contract.language, path)
    except RunnerError as error:  # the language is not installed here
        problem = str(error)
    if not problem:
        return []
    placed = LINE.match(problem)
    line = int(placed["line"]) if placed else None
    return [Problem(repository.relative(path), "", problem[placed.end() if placed else 0 :], line)]
