"""A copy of the repository in which trials are trained; the work tree itself is only read."""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from ci.contract.base import TABLE_SUFFIXES
from ci.contract.model import load_model_contract
from ci.files import write_whole
from ci.fingerprint import source_files
from ci.params import with_values
from ci.pipeline.candidate import check_outputs
from ci.pipeline.dvc import reproduce
from ci.repository import Repository

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from ci.contract.columns import Scalar
    from ci.contract.model import ModelContract

# Trials leave nothing in DVC's cache, but take from it what was made before.
SETTINGS = "[core]\n    no_scm = true\n    analytics = false\n[cache]\n    dir = {cache}\n"


class Workshop:
    """Trains model ``contract.name`` with other parameters, one trial after the other."""

    def __init__(self, repository: Repository, contract: ModelContract, logs: Path) -> None:
        self.repository = repository
        self._contract = contract
        self._logs = logs
        self._params = (self.folder / "params.yaml").read_text(encoding="utf-8")

    @property
    def folder(self) -> Path:
        """The model's folder in the copy."""
        return self.repository.models_dir / self._contract.name

    def train(
        self, values: Mapping[str, Scalar], log: str, seconds: float | None = None
    ) -> dict[str, float]:
        """Run the pipeline with ``values`` in params.yaml; returns what it reports.

        What takes longer than ``seconds`` is ended.

        Raises:
            MlopsError: ``pipeline_failed``, ``no_artifact``, ``missing_output``, ``bad_metrics``
                or ``too_slow``.
        """
        write_whole(self.folder / "params.yaml", with_values(self._params, values))
        # DVC's record of what it works on; one that was killed leaves it, and nobody else is here.
        (self.repository.root / ".dvc" / "tmp" / "rwlock").unlink(missing_ok=True)
        target = f"models/{self._contract.name}/dvc.yaml"
        where = self._logs / log
        reproduce(self.repository, target, where, "--no-commit", quiet=True, seconds=seconds)
        return check_outputs(self.folder, self._contract)


@contextmanager
def workshop(repository: Repository, contract: ModelContract, logs: Path) -> Iterator[Workshop]:
    """A copy of what model ``contract.name`` is trained from; gone afterwards.

    What an earlier search left that was killed is cleared away first.
    """
    root = repository.state_dir / "tune" / contract.name
    shutil.rmtree(root, ignore_errors=True)
    try:
        for path in _needed(repository, contract):
            _copy(path, root / path.relative_to(repository.root))
        write_whole(
            root / ".dvc" / "config.local",
            SETTINGS.format(cache=repository.root / ".dvc" / "cache"),
        )
        yield Workshop(Repository(root), contract, logs)
    finally:
        shutil.rmtree(root, ignore_errors=True)


def _needed(repository: Repository, contract: ModelContract) -> Iterator[Path]:
    root = repository.root
    yield from source_files(repository.model_dir(contract.name))
    folders = [repository.data_dir, repository.policies_dir]
    folders += [repository.model_dir(name) for name in _parents(repository, contract)]
    yield from (path for folder in folders for path in sorted(folder.rglob("*")))
    yield from (root / ".dvc" / "config", root / ".dvcignore")


def _parents(repository: Repository, contract: ModelContract) -> set[str]:
    """Models whose outputs the pipeline reads, and those that these read."""
    found: set[str] = set()
    waiting = list(contract.depends_on)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += load_model_contract(repository, name).depends_on
    return found


def _copy(path: Path, target: Path) -> None:
    """Tables are not copied but linked: they are large, and DVC replaces what it writes."""
    if not path.is_file():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    if path.name.endswith(TABLE_SUFFIXES):
        with suppress(OSError):  # another file system
            os.link(path, target)
            return
    shutil.copyfile(path, target)
