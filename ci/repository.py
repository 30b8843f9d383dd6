"""The repository that a command acts on, and where things lie in it."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from pathlib import Path

from ci.errors import MlopsError

NAME_PATTERN = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
NAME_LIMIT = 50


@dataclass(frozen=True)
class Repository:
    """A checkout of the template. Nothing is read until a property is asked for."""

    root: Path

    @classmethod
    def find(cls, start: Path | None = None) -> Repository:
        """The repository that contains ``start`` (default: the current directory).

        Raises:
            MlopsError: ``no_repository`` where no parent directory is one.
        """
        here = (start or Path.cwd()).resolve()
        for directory in (here, *here.parents):
            if (directory / "policies").is_dir() and (directory / ".dvc").is_dir():
                return cls(directory)
        raise MlopsError(
            "no_repository",
            f"{here} is not inside a Kronkers MLOps repository (no policies/ and .dvc/ above it); "
            "change into a clone of it and try again.",
        )

    @property
    def models_dir(self) -> Path:
        """The folder with one folder a model."""
        return self.root / "models"

    @property
    def data_dir(self) -> Path:
        """The folder with one folder a dataset."""
        return self.root / "data"

    @property
    def policies_dir(self) -> Path:
        """The folder of the YAML files that decide."""
        return self.root / "policies"

    @property
    def state_dir(self) -> Path:
        """Everything local and mutable; never committed."""
        return self.root / ".mlops"

    def declared(self) -> Repository:
        """What main declared when this host last heard of it; elsewhere the checkout itself."""
        main = self.state_dir / "host" / "main"
        return Repository(main.resolve()) if main.is_dir() else self

    def model_names(self) -> list[str]:
        """Names of the folders of ``models/`` that hold a ``model.yaml``, sorted."""
        return sorted(path.parent.name for path in self.models_dir.glob("*/model.yaml"))

    def dataset_names(self) -> list[str]:
        """Names of the folders of ``data/`` that hold a ``dataset.yaml``, sorted."""
        return sorted(path.parent.name for path in self.data_dir.glob("*/dataset.yaml"))

    def model_dir(self, name: str) -> Path:
        """The folder of an existing model.

        Raises:
            MlopsError: ``unknown_model``, naming the nearest model.
        """
        if NAME_PATTERN.fullmatch(name) and (self.models_dir / name / "model.yaml").is_file():
            return self.models_dir / name
        names = self.model_names()
        near = difflib.get_close_matches(name, names, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(names) or 'none'}."
        raise MlopsError("unknown_model", f"There is no model {name!r} in models/; {hint}")

    def relative(self, path: Path) -> str:
        """``path`` as a person names it: from the root of the repository, with slashes."""
        try:
            return path.resolve().relative_to(self.root.resolve()).as_posix()
        except ValueError:
            return str(path)


def check_name(name: str, kind: str) -> None:
    """Refuse a name that can't be a folder, an address and a registry entry alike.

    Raises:
        MlopsError: ``bad_name``.
    """
    if not NAME_PATTERN.fullmatch(name) or len(name) > NAME_LIMIT:
        raise MlopsError(
            "bad_name",
            f"{name!r} can't name a {kind}: use lower-case letters, digits and single hyphens, "
            f"begin with a letter, at most {NAME_LIMIT} characters, such as demand-forecast.",
        )
