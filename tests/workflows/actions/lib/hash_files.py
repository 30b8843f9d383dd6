"""`hashFiles()` of an expression, for act: SHA-256 over the digests of the files that match."""

import glob
import hashlib
import os
import sys
from pathlib import Path

found: dict[str, None] = {}
for pattern in filter(None, os.environ.get("patterns", "").splitlines()):  # noqa: SIM112 (act's name)
    for name in sorted(glob.glob(pattern, recursive=True)):
        if Path(name).is_file():
            found[name] = None
total = hashlib.sha256()
for name in found:
    total.update(hashlib.sha256(Path(name).read_bytes()).digest())
print(f"__OUTPUT__{total.hexdigest() if found else ''}__OUTPUT__", file=sys.stderr)
