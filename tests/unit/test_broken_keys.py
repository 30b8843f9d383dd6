"""A file of keys that was damaged or edited by hand lets nobody in who was not in before."""

from __future__ import annotations

import json
import math
import time
from pathlib import Path
from typing import Any

import pytest

from bentos.access import Access, key_hash
from bentos.answers import RequestError

SALT = "ab" * 8
KEY: dict[str, Any] = {
    "department": "marketing",
    "models": ["m"],
    "expires": time.time() + 1e6,
    "salt": SALT,
    "hash": key_hash(SALT, "secret"),
}
DEPARTMENTS = {"marketing": {"models": ["m"], "requests_per_minute": 6000}}
GOOD = {b"x-api-key": b"k_one_secret"}
BROKEN = [
    "",
    "{",
    "[]",
    "null",
    '{"keys": [], "departments": {}}',
    '{"keys": null, "departments": {}}',
    '{"keys": {}}',
    '{"keys": {"one": 5}, "departments": {}}',
    *(
        json.dumps({"keys": {"one": {**KEY, name: value}}, "departments": DEPARTMENTS})
        for name, value in {"salt": "zz", "models": None, "expires": "soon", "hash": 1}.items()
    ),
]


def again(access: Access) -> None:
    """Have it look at the file now."""
    access._looked = -math.inf


@pytest.mark.parametrize("text", BROKEN)
def test_a_broken_file_changes_nothing(tmp_path: Path, text: str) -> None:
    path = tmp_path / "access.json"
    path.write_text(json.dumps({"keys": {"one": KEY}, "departments": DEPARTMENTS}))
    access = Access(path, "m")
    assert access.caller(GOOD) == "marketing"
    path.write_text(text)
    again(access)
    assert access.caller(GOOD) == "marketing"
    with pytest.raises(RequestError, match="Send your API key"):
        access.caller({})


@pytest.mark.parametrize("text", BROKEN)
def test_with_a_broken_file_from_the_start_nobody_gets_in(tmp_path: Path, text: str) -> None:
    path = tmp_path / "access.json"
    path.write_text(text)
    for headers in ({}, GOOD, {b"x-api-key": b"_"}):
        with pytest.raises(RequestError) as caught:
            Access(path, "m").caller(headers)
        assert caught.value.code == "unauthorized"
