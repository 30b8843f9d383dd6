"""A table behind an address of the web; a name and password come from `~/.netrc`."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from ci.errors import MlopsError
from ci.storage.folder import require_tables

if TYPE_CHECKING:
    from pathlib import Path

TIMEOUT_SECONDS = (10, 60)
BLOCK_BYTES = 1 << 20


def download(address: str, folder: Path) -> Path:
    """Copy what is at ``address`` into ``folder``, whole.

    Raises:
        MlopsError: ``bad_source``.
    """
    import requests

    (name,) = require_tables([PurePosixPath(unquote(urlsplit(address).path)).name], address)
    target = folder / name
    try:
        with requests.get(address, stream=True, timeout=TIMEOUT_SECONDS) as answer:
            answer.raise_for_status()
            with target.open("wb") as file:
                file.writelines(answer.iter_content(BLOCK_BYTES))
    except OSError as error:
        said = str(error).splitlines()[0].rstrip(".")
        raise MlopsError(
            "bad_source",
            f"{address} could not be read ({said}); check the address and run the same command "
            "again.",
        ) from None
    return target
