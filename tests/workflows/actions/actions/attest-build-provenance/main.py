"""Says what would be attested: signing needs GitHub's own certificates."""

import hashlib
from pathlib import Path

from runner_side import fail, given, output

subject = Path(given("subject-path"))
if not subject.is_file():
    fail(f"Could not find subject at path {subject}")
print(f"attested {subject.name} sha256:{hashlib.sha256(subject.read_bytes()).hexdigest()}")
output("attestation-id", "1")
