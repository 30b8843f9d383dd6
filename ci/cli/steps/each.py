"""What several steps share: one model or all, and the folders that earlier jobs handed over."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Generic, TypeVar

import typer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Asked = Annotated[
    str, typer.Option("--model", metavar="MODEL", help="Only this one, due or not; empty: all.")
]
Folder = Annotated[Path, typer.Argument(metavar="FOLDER", help="Where the artifacts were put.")]
T = TypeVar("T")


class Each(Generic[T]):
    """What ``do`` makes of each folder; one that it refuses holds up no other."""

    def __init__(self, folders: Sequence[Path], do: Callable[[Path], T]) -> None:
        from ci.errors import MlopsError

        self.made: list[T] = []
        self._refused: list[MlopsError] = []
        for folder in folders:
            try:
                self.made.append(do(folder))
            except MlopsError as error:
                self._refused.append(error)

    def complain(self) -> None:
        """Fail with the first refusal, after all the others have got through."""
        if self._refused:
            raise self._refused[0]


def folders(folder: Path) -> list[Path]:
    """What each job handed over; none where no job had anything."""
    return sorted(path for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
