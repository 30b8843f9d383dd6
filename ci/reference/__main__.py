"""`python -m ci.reference`: write the pages of docs/reference/ again."""

from __future__ import annotations

from ci.console import say
from ci.files import write_whole
from ci.reference import FOLDER, pages
from ci.repository import Repository


def main() -> None:
    """Write every page of the repository that contains the current directory."""
    root = Repository.find().root
    for name, text in pages().items():
        write_whole(root / FOLDER / name, text)
        say(f"{FOLDER}/{name}")


if __name__ == "__main__":
    main()
