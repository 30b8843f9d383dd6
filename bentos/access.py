"""Who may call: API keys of departments, held against their salted hashes.

The file is written by `mlops keys` and read again when it changes. Without a key in it, everybody
who reaches the service may call; a revoked or expired key is still one.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import math
import os
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bentos.answers import RequestError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

# Only these read /metrics; a department does not see what others do.
OPERATORS = "platform"
LOOK_SECONDS = 1.0
NO_KEY = "Send your API key in the header Authorization: Bearer KEY, or X-API-Key: KEY."
CHALLENGE = ((b"www-authenticate", b"Bearer"),)
# Compared where there is no such key, so that the answer takes as long.
NOBODY = {"salt": "00", "hash": "00" * 32}


@dataclass
class Bucket:
    """Requests that a department may still make: refilled evenly, at most a minute's worth."""

    per_minute: float
    left: float
    filled: float = field(default_factory=time.monotonic)

    def take(self) -> float:
        """Take one request; returns the seconds to wait where none is left, else 0."""
        now = time.monotonic()
        refill = (now - self.filled) * self.per_minute / 60
        self.left, self.filled = min(self.left + refill, self.per_minute), now
        if self.left >= 1:
            self.left -= 1
            return 0.0
        return (1 - self.left) * 60 / self.per_minute


def key_hash(salt: str, secret: str) -> str:
    """What is stored of a key's secret, which is random enough for a quick hash."""
    return hashlib.sha256(bytes.fromhex(salt) + secret.encode()).hexdigest()


class Access:
    """Who may call model ``name``, as the file ``path`` has it; with None everybody."""

    def __init__(self, path: Path | None, name: str) -> None:
        self._path = path
        self._name = name
        self._keys: Mapping[str, Any] = {}
        self._departments: Mapping[str, Any] = {}
        self._buckets: dict[str, Bucket] = {}
        self._seen: tuple[int, int] | None = None
        self._looked = -math.inf

    def caller(self, headers: Mapping[bytes, bytes], *, operator: bool = False) -> str:
        """The department that calls, empty where no key is needed.

        ``operator`` is for what departments may not read. Raises RequestError ``unauthorized``,
        ``forbidden`` or ``too_many_requests``.
        """
        self._read_again()
        if not self._keys:
            return ""
        key = self._key(headers)
        department = str(key["department"])
        if operator:
            if department != OPERATORS:
                raise RequestError("forbidden", f"Only a key of {OPERATORS} may read this.")
            return department
        if self._name not in key["models"]:
            text = f"This key is not for {self._name}; ask its owner for one that is."
            raise RequestError("forbidden", text)
        if department != OPERATORS:
            self._count(department)
        return department

    def _key(self, headers: Mapping[bytes, bytes]) -> Mapping[str, Any]:
        given = headers.get(b"x-api-key") or headers.get(b"authorization", b"")
        text = given.decode("latin-1").removeprefix("Bearer ").strip()
        if not text:
            raise RequestError("unauthorized", NO_KEY, headers=CHALLENGE)
        _, _, rest = text.partition("_")
        identity, _, secret = rest.partition("_")
        if identity not in self._keys:
            self._read_again(at_once=True)  # it may have been made just now
        key: Mapping[str, Any] = self._keys.get(identity, NOBODY)
        right = hmac.compare_digest(key_hash(key["salt"], secret), key["hash"])
        if not right or key is NOBODY:
            raise RequestError("unauthorized", "This API key is not known.", headers=CHALLENGE)
        if key.get("revoked") or key["expires"] <= time.time():
            text = f"The API key {identity} was revoked or has expired; ask for a new one."
            raise RequestError("unauthorized", text, headers=CHALLENGE)
        return key

    def _count(self, department: str) -> None:
        rules = self._departments.get(department)
        if rules is None or self._name not in rules["models"]:
            text = f"{department} may not call {self._name}; see policies/access.yaml."
            raise RequestError("forbidden", text)
        rate = float(rules["requests_per_minute"])
        bucket = self._buckets.get(department)
        if bucket is None or bucket.per_minute != rate:
            bucket = self._buckets[department] = Bucket(rate, rate)
        wait = bucket.take()
        if wait:
            text = f"{department} may call {rate:g} times a minute; wait {math.ceil(wait)} s."
            retry = ((b"retry-after", str(math.ceil(wait)).encode()),)
            raise RequestError("too_many_requests", text, headers=retry)

    def _read_again(self, *, at_once: bool = False) -> None:
        """Take over the file where it has changed, looking once a second.

        A file that can't be read leaves what was known: nobody gets in by breaking it.
        """
        now = time.monotonic()
        if self._path is None or (now - self._looked < LOOK_SECONDS and not at_once):
            return
        self._looked = now
        try:
            status = os.stat(self._path)
            if (status.st_mtime_ns, status.st_ino) == self._seen:
                return
            found = json.loads(self._path.read_text(encoding="utf-8"))
            _check_shape(found)
            self._keys, self._departments = found["keys"], found["departments"]
            self._seen = (status.st_mtime_ns, status.st_ino)
        except FileNotFoundError:
            return
        except (OSError, ValueError, KeyError, TypeError):
            self._keys = self._keys or {"": NOBODY}


def _check_shape(found: Any) -> None:
    """Raise ValueError, KeyError or TypeError unless it is what `mlops keys` writes."""
    kinds = {"department": str, "models": list, "hash": str, "salt": str, "expires": int | float}
    keys, departments = found["keys"], found["departments"]
    if not isinstance(keys, dict) or not isinstance(departments, dict):
        raise TypeError
    for key in keys.values():
        bytes.fromhex(key["salt"])
        if not all(isinstance(key[name], kind) for name, kind in kinds.items()):
            raise TypeError
