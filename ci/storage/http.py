"""A table behind an address of the web; a name and password come from `~/.netrc`."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from ci.errors import MlopsError
from ci.storage.folder import require_tables

if TYPE_CHECKING:
    from pathlib import Path

    import requests

TIMEOUT_SECONDS = (10, 60)
BLOCK_BYTES = 1 << 20
GZIP = b"\x1f\x8b"


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
    except requests.RequestException as error:
        raise MlopsError(
            "bad_source",
            f"{address} could not be read: {_said(error)}; check the address and run the same "
            "command again.",
        ) from None
    return _unpacked(target)


def _said(error: requests.RequestException) -> str:
    """What went wrong, as somebody says it who does not program."""
    import requests

    if isinstance(error, requests.HTTPError) and error.response is not None:
        return f"the server answered {error.response.status_code} {error.response.reason}"
    if isinstance(error, requests.Timeout) or "Read timed out" in str(error):
        return "the server did not answer in time"
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "the answer was cut off"
    if isinstance(error, requests.exceptions.SSLError):
        return "its certificate is not valid"
    if isinstance(error, requests.ConnectionError):
        return "no server could be reached there"
    return str(error).splitlines()[0].rstrip(".")


def _unpacked(file: Path) -> Path:
    """Some servers call a .gz file plain text that is packed on the way: it came unpacked then."""
    with file.open("rb") as content:
        packed = content.read(len(GZIP)) == GZIP
    return file if packed or file.suffix != ".gz" else file.rename(file.with_suffix(""))
