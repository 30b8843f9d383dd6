"""What is new of records: read here, or in a container on another machine.

There it runs as a program, with the standard library only. The arguments are the folder, the name
of a file in it, and a JSON object: how far each file is known.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

IDENTITY_CHARACTERS = 16
MOST_BYTES = 32 << 20  # at once; the rest is for the next time


def fresh(paths: Iterable[Path], known: Mapping[str, int]) -> Iterator[tuple[str, int, bytes]]:
    """The new whole lines of each file that has some, with its identity and the place after them.

    A file is known by its first line, whatever it is called by now.
    """
    for path in paths:
        try:
            file = path.open("rb")
        except FileNotFoundError:  # it was given another name, or deleted, just now
            continue
        with file:
            first = file.readline()
            identity = hashlib.sha256(first).hexdigest()[:IDENTITY_CHARACTERS]
            place = known.get(identity, 0)
            file.seek(place)
            data = file.read()
        whole = data[: data.rfind(b"\n") + 1]
        if whole:
            yield identity, place + len(whole), whole


def main(folder: str, name: str, known: str) -> None:
    """Print a JSON line a file: identity, the place after what is new, and that as text."""
    path = Path(folder, name)
    printed = 0
    for identity, place, data in fresh(
        [*sorted(path.parent.glob(f"{path.stem}-*{path.suffix}")), path], json.loads(known)
    ):
        print(json.dumps([identity, place, data.decode("utf-8", "surrogateescape")]))
        printed += len(data)
        if printed > MOST_BYTES:
            return


if __name__ == "__main__":
    main(*sys.argv[1:])
