"""What DVC's files say, as far as they say it in DVC's form: anything else counts as nothing."""

from __future__ import annotations

from typing import Any


def stages(data: dict[str, Any]) -> list[dict[str, Any]]:
    """The stages of a parsed ``dvc.yaml`` or ``dvc.lock``."""
    found = data.get("stages")
    return mappings(found.values()) if isinstance(found, dict) else []


def entries(record: dict[str, Any], key: str) -> list[Any]:
    """The list at ``key`` (``deps``, ``outs``) of a stage or of a ``.dvc`` file."""
    found = record.get(key)
    return found if isinstance(found, list) else []


def mappings(found: Any) -> list[dict[str, Any]]:
    """The mappings among ``found``."""
    return [each for each in found if isinstance(each, dict)]
