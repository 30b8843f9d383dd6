"""The three languages: what their predict file is called and how a worker is started."""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bentos.runners.errors import MissingToolchainError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Language:
    """How a model in this language is found and run."""

    title: str
    predict_file: str
    load_function: str
    predict_function: str
    executable: Callable[[], str]
    options: tuple[str, ...]
    worker: Path

    @property
    def functions(self) -> tuple[str, str]:
        """The two functions that a predict file must define."""
        return self.load_function, self.predict_function

    def command(self, predict_file: Path, artifact: Path) -> list[str]:
        """The command of a worker; raises MissingToolchainError if the language is absent."""
        options = list(self.options)
        if self.title == "Julia" and (predict_file.parent / "Project.toml").exists():
            options.append(f"--project={predict_file.parent}")
        return [self.executable(), *options, str(self.worker), str(predict_file), str(artifact)]


def _find(program: str, title: str, install: str) -> Callable[[], str]:
    def find() -> str:
        path = shutil.which(program)
        if path is None:
            raise MissingToolchainError(
                f"This model is written in {title}, and `{program}` is not on the PATH: {install}"
            )
        return path

    return find


LANGUAGES: Mapping[str, Language] = {
    "python": Language(
        title="Python",
        predict_file="predict.py",
        load_function="load_model",
        predict_function="predict",
        executable=lambda: sys.executable,
        options=("-B",),  # a Bento that is used has to stay as it was built, to the byte
        worker=HERE / "worker.py",
    ),
    "r": Language(
        title="R",
        predict_file="predict.R",
        load_function="load_model",
        predict_function="predict_rows",
        executable=_find(
            "Rscript",
            "R",
            "install R, on Debian or Ubuntu with `sudo apt-get install r-base-core`.",
        ),
        options=("--no-save", "--no-restore", "--no-init-file"),
        worker=HERE / "worker.R",
    ),
    "julia": Language(
        title="Julia",
        predict_file="predict.jl",
        load_function="load_model",
        predict_function="predict_rows",
        executable=_find(
            "julia", "Julia", "run `make setup`, or install Julia 1.5 or newer from julialang.org."
        ),
        options=("--startup-file=no", "--history-file=no", "--color=no"),
        worker=HERE / "worker.jl",
    ),
}
