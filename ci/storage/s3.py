"""S3-compatible storage, by Arrow's own client: what AWS's tools read, it reads too."""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ci.errors import MlopsError
from ci.storage.folder import require_tables

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CONNECT_SECONDS = 10
REQUEST_SECONDS = 60
ATTEMPTS = 4
BLOCK_BYTES = 4 << 20


def download(address: str, folder: Path) -> list[Path]:
    """Copy the table at ``address``, or all tables of that folder, into ``folder``.

    Raises:
        MlopsError: ``bad_source``: nothing there, no table, or the storage can't be reached.
    """
    from pyarrow import fs

    with _storage(address) as (storage, key):
        found = storage.get_file_info(key)
        if found.type is fs.FileType.NotFound:
            raise MlopsError("bad_source", f"There is nothing at {address}; check the address.")
        keys = {found.base_name: key}
        if found.type is fs.FileType.Directory:
            listed = storage.get_file_info(fs.FileSelector(key))
            keys = {each.base_name: each.path for each in listed if each.is_file}
        return [
            _bring(storage, keys[name], folder / name) for name in require_tables([*keys], address)
        ]


def _bring(storage: Any, key: str, target: Path) -> Path:
    with storage.open_input_stream(key) as source, target.open("wb") as file:
        shutil.copyfileobj(source, file, BLOCK_BYTES)
    return target


def upload(file: Path, address: str, name: str) -> None:
    """Copy ``file`` to the object ``name`` below ``address``; it appears whole or not at all.

    Raises:
        MlopsError: ``delivery_failed``.
    """
    with _storage(address, "delivery_failed") as (storage, key):
        path = f"{key}/{name}"
        with file.open("rb") as source, storage.open_output_stream(path) as target:
            shutil.copyfileobj(source, target, BLOCK_BYTES)
        stored = storage.get_file_info(path).size
        if stored != file.stat().st_size:
            storage.delete_file(path)
            raise MlopsError(
                "delivery_failed",
                f"{address}/{name}: {stored:,} of {file.stat().st_size:,} bytes arrived; what "
                "arrived was deleted; run the same command again.",
            )


@contextmanager
def _storage(address: str, code: str = "bad_source") -> Iterator[tuple[Any, str]]:
    """Arrow's file system, and the path of ``address`` there."""
    from pyarrow import fs

    key = address.removeprefix("s3://").rstrip("/")
    try:
        storage = fs.S3FileSystem(
            # Arrow reads every variable of AWS's tools but this one.
            endpoint_override=os.environ.get("AWS_ENDPOINT_URL_S3")
            or os.environ.get("AWS_ENDPOINT_URL"),
            connect_timeout=CONNECT_SECONDS,
            request_timeout=REQUEST_SECONDS,
            retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=ATTEMPTS),
        )
        yield storage, key
    except OSError as error:
        said = str(error).splitlines()[0].rstrip(".")
        raise MlopsError(
            code,
            f"{address}: the storage refused or could not be reached ({said}); check the address, "
            "AWS_ACCESS_KEY_ID and AWS_ENDPOINT_URL, and run the same command again.",
        ) from None
