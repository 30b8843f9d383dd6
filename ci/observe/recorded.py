"""The JSON lines that a service left: access records and predictions, with what was rotated."""

from __future__ import annotations

import json
import os
import secrets
from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BLOCK_BYTES = 1 << 16
# Calls of our own are logged like others, and are not to be taken for a caller's.
OWN = "mlops-own-"


class Tail:
    """What is written to a file from now on, whether it is there yet, goes on or is rotated."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = self._open()
        self._rest = b""
        if self._file:
            self._file.seek(0, 2)

    def _open(self) -> BinaryIO | None:
        try:
            return self._path.open("rb")
        except FileNotFoundError:
            return None

    def fresh(self) -> list[bytes]:
        """The whole lines since the last time."""
        if self._file and os.fstat(self._file.fileno()).st_size < self._file.tell():
            self._file.seek(0)  # it was cut
        data = self._file.read() if self._file else b""
        if not data and self._is_another():
            if self._file:
                self._file.close()
            self._file = self._open()
            data = self._file.read() if self._file else b""
        *lines, self._rest = (self._rest + data).split(b"\n")
        return lines

    def _is_another(self) -> bool:
        try:
            now = self._path.stat().st_ino
        except FileNotFoundError:
            return False
        return self._file is None or now != os.fstat(self._file.fileno()).st_ino


def own_id() -> str:
    """A new id of a call of our own."""
    return f"{OWN}{secrets.token_hex(8)}"


def is_own(record: dict[str, Any]) -> bool:
    """Whether a record is of a call of our own: to probe a version, or for its shadow."""
    return str(record.get("request_id", "")).startswith(OWN)


def kept_files(folder: Path, name: str) -> list[Path]:
    """The file ``name`` of ``folder`` and what was rotated out of it, oldest first."""
    path = folder / name
    older = sorted(folder.glob(f"{path.stem}-*{path.suffix}"))
    return [*older, *([path] if path.exists() else [])]


def parsed(line: bytes) -> dict[str, Any] | None:
    """The record in ``line``; None where a crash cut it off."""
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def lines_backwards(path: Path) -> Iterator[bytes]:
    """The lines of ``path`` from its last to its first, without reading more than is asked for."""
    with path.open("rb") as file:
        end, rest = file.seek(0, 2), b""
        while end:
            start = max(end - BLOCK_BYTES, 0)
            file.seek(start)
            first, *lines = (file.read(end - start) + rest).split(b"\n")
            yield from (line for line in reversed(lines) if line)
            end, rest = start, first
        if rest:
            yield rest


def newest(folder: Path, name: str) -> Iterator[dict[str, Any]]:
    """The records of a kind, the newest first."""
    for path in reversed(kept_files(folder, name)):
        for line in lines_backwards(path):
            record = parsed(line)
            if record is not None:
                yield record


def of_request(folder: Path, name: str, request_id: str) -> list[dict[str, Any]]:
    """The records of a request, oldest first; a caller may have given two the same id."""
    wanted = request_id.encode()
    found = []
    for path in kept_files(folder, name):
        with path.open("rb") as file:
            records = [parsed(line) for line in file if wanted in line]
        found += [each for each in records if each and each.get("request_id") == request_id]
    return found
