"""Small things done to files: digests, whole writes, quick reads."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from pathlib import Path
from typing import Any

import yaml

from ci import yaml_bounds

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_yaml_quickly(path: Path) -> dict[str, Any]:
    """The mapping in ``path``; empty where the file is missing or broken.

    For questions over all models at once; whoever acts on a model reads it strictly.
    """
    try:
        _, data = yaml_bounds.read(path.read_text(encoding="utf-8-sig"), _Loader)
    except (OSError, yaml.YAMLError, UnicodeDecodeError):
        return {}
    return data if isinstance(data, dict) else {}


def write_whole(path: Path, content: str | bytes) -> None:
    """Write ``path`` so that a reader sees the old content or the new, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    data = content.encode() if isinstance(content, str) else content
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` as indented JSON, whole or not at all."""
    write_whole(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def read_json(path: Path) -> dict[str, Any] | None:
    """The object in ``path``, or None where there is none, it is cut off, or nothing we wrote."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def file_digest(path: Path) -> str:
    """SHA-256 of the content of ``path``, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def tree_digest(root: Path) -> str:
    """SHA-256 over the sorted (path, content digest) of all files below ``root``, in hex."""
    digest = hashlib.sha256()
    for path in sorted(p for p in root.rglob("*") if p.is_file()):
        digest.update(f"{path.relative_to(root).as_posix()}\0{file_digest(path)}\n".encode())
    return digest.hexdigest()
