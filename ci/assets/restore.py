"""`mlops restore`: what is in production and its data, from the state branch and releases alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ci.assets.bentos import bring_bento, has_bento
from ci.assets.folder import releases_folder
from ci.assets.github import github_of
from ci.assets.objects import Cache, DataObject, check_out, objects_of
from ci.clock.history import take_history
from ci.console import say
from ci.state.local import fetch, state_folder, take_registry
from ci.state.records import all_released
from ci.trust.signing import require_signed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ci.github.client import GitHub
    from ci.repository import Repository
    from ci.state.records import Release


@dataclass(frozen=True)
class Restored:
    """``commit`` of the state branch, what is in production, and data that is stored nowhere."""

    commit: str | None
    released: list[Release]
    lost: list[DataObject]


def restore(repository: Repository, models: Sequence[str], *, data: bool) -> Restored:
    """Bring the state, the released Bentos of ``models`` (none given: of all) and their data.

    What is here already is left alone, and nothing is asked of GitHub for it. Data that is stored
    nowhere is named: a stage makes it again, or its owner has to push it.

    Raises:
        MlopsError: ``unknown_model``, ``state_unreachable``, ``lost_bento``, ``damaged_bento``,
            ``damaged_data``, ``not_signed``, ``no_github`` or what GitHub says.
    """
    for name in models:
        repository.model_dir(name)
    commit = fetch(repository)
    if not take_registry(repository):
        say(
            "This checkout has a registry of its own (.mlops/mlflow.db), which stays as it is: "
            "`mlops start` serves what that one has in production."
        )
    live = all_released(state_folder(repository))
    if models:
        live = [release for release in live if release.model in models]
    github = _Lazily(repository)
    for release in live:
        take_history(repository, release.model)
        require_signed(repository, release)
        if not has_bento(repository, release):
            bring_bento(repository, releases_folder(repository) or github(), release)
    objects = objects_of(repository, models or repository.model_names()) if data else []
    return Restored(commit, live, _bring_data(repository, github, objects))


class _Lazily:
    """GitHub, once it is needed: a checkout that has everything needs no remote."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository
        self._github: GitHub | None = None

    def __call__(self) -> GitHub:
        if self._github is None:
            self._github = github_of(self._repository)
        return self._github


def _bring_data(
    repository: Repository, github: _Lazily, objects: list[DataObject]
) -> list[DataObject]:
    from ci.assets.data import DataStore

    if not objects:
        return []
    cache = Cache(repository)
    wanted = [each for each in objects if not cache.has(each.md5)]
    store = DataStore(repository, github()) if wanted else None
    lost = store.bring(cache, {each.md5 for each in wanted}) if store else set()
    check_out(repository, [each for each in objects if each.md5 not in lost])
    return [each for each in objects if each.md5 in lost]
