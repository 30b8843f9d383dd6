"""What a pull request touches, found by the default branch's code from Git alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ci.files import read_yaml_quickly
from ci.plan import Touched, touched_models
from ci.report.markdown import plain
from ci.repository import Repository

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from ci.review.source import Source

# The paths of .github/workflows/platform.yml: a change of one of them needs its tests.
PLATFORM = (
    ".dvc/",
    ".gitattributes",
    ".github/",
    "Makefile",
    "bentos/",
    "ci/",
    "policies/",
    "pyproject.toml",
    "tests/",
)
# Written by `mlops codeowners`, together with each new model: no code depends on it.
UNTESTED = (".github/CODEOWNERS",)
# What says which tests there are and how they run: a change of it may be a test left out.
TESTS = (
    ".github/actions/",
    ".github/workflows/platform.yml",
    "Makefile",
    "pyproject.toml",
    "tests/",
)
SHOWN = 5
PARTS = {
    "evaluation": "how it is judged (`evaluation`)",
    "parameters": "the ranges of its business parameters",
}


@dataclass(frozen=True)
class Scope:
    """The touched models, the files whose change needs the platform's tests, and what stands first.

    ``notices`` are sentences of Markdown that must stand at the top of the report.
    """

    models: tuple[Touched, ...]
    platform: tuple[str, ...]
    notices: tuple[str, ...]

    @property
    def names(self) -> list[str]:
        """The touched models."""
        return [model.name for model in self.models]


def scope_of(base: Repository, source: Source) -> Scope:
    """What ``source`` touches, compared with the checkout ``base``."""
    merged = Repository(source.root)
    models = touched_models(merged, source.files)
    platform = [file for file in source.files if file.startswith(PLATFORM)]
    removed = sorted(set(base.model_names()) - set(merged.model_names()))
    return Scope(
        models=tuple(models),
        platform=tuple(file for file in platform if file not in UNTESTED),
        notices=(
            *_platform_notices(platform),
            *(_removed(name) for name in removed),
            *(notice for model in models for notice in _contract_notices(base, merged, model.name)),
        ),
    )


def _platform_notices(files: list[str]) -> list[str]:
    policies = [file for file in files if file.startswith("policies/")]
    workflows = [file for file in files if file.startswith(".github/")]
    rest = [file for file in files if file not in (*policies, *workflows)]
    found = []
    if policies:
        found.append(
            f"**Policies are changed** ({_listed(policies)}). This pull request is judged by "
            "those of the default branch."
        )
    if workflows:
        found.append(
            f"**Workflows or owners are changed** ({_listed(workflows)}). The jobs that trained "
            "ran as this pull request says; the verdict did not."
        )
    if rest:
        found.append(
            f"**The platform is changed** ({_listed(rest)}). It was judged by the code of the "
            "default branch; its own tests must pass too."
        )
    tests = [file for file in files if file.startswith(TESTS)]
    if tests:
        found.append(
            f"**The platform's tests are changed** ({_listed(tests)}). Those that ran are this "
            "pull request's own: look for what they no longer test."
        )
    return found


def _listed(files: Iterable[str]) -> str:
    names = [plain(file, 80) for file in files]
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def _removed(name: str) -> str:
    return f"**{plain(name)} is removed.** Its last version stays live until it is stopped."


def _contract_notices(base: Repository, merged: Repository, name: str) -> list[str]:
    """What of the contract decides and is changed; a new model's whole contract is new."""
    before, now = _contract(base.models_dir, name), _contract(merged.models_dir, name)
    may_run = _may_run_code(name, before, now)
    if not before:
        return [
            *may_run,
            f"**{plain(name)} is new**: it is judged as its own contract says. Read its "
            "`evaluation` with care.",
        ]
    changed = [words for key, words in PARTS.items() if before.get(key) != now.get(key)]
    return may_run + [
        f"**{plain(name)} changes {words}.** It is judged as the default branch says; the change "
        "takes effect with the next pull request."
        for words in changed
    ]


def _may_run_code(name: str, before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """Files of its artifact that may newly be in a format that runs code when it is loaded."""
    had, has = _code_files(before), _code_files(now)
    if not has - had:
        return []
    return [
        f"**{plain(name)} allows files that run code when they are loaded** "
        f"({_listed(sorted(has - had))}). What they import was read without loading them; who "
        "wrote them decides what they do."
    ]


def _code_files(contract: dict[str, Any]) -> set[str]:
    artifact = contract.get("artifact")
    files = artifact.get("may_run_code") if isinstance(artifact, dict) else None
    return {str(each) for each in files} if isinstance(files, list) else set()


def _contract(folder: Path, name: str) -> dict[str, Any]:
    return read_yaml_quickly(folder / name / "model.yaml")
