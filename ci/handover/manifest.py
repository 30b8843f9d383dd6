"""`manifest.json` of a handover: which model, from which commit, and the digests of all files."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, JsonValue, StringConstraints

from ci.contract.base import Contract, Name
from ci.pipeline.candidate import Candidate

FORMAT = 1
MANIFEST = "manifest.json"
HOLDOUT = "holdout.csv.gz"
PREDICTIONS = "predictions.csv.gz"
CONTRACT = "model.yaml"
METRICS = "metrics.json"
PARAMS = "params.yaml"
BENTO = "bento.tar"
NEEDED = (HOLDOUT, PREDICTIONS, CONTRACT, METRICS, BENTO)
FILES = (*NEEDED, PARAMS)

Step = Literal["check", "train", "predict", "package", "conformance"]
Commit = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{40}$")]
Fingerprint = Commit
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Line = Annotated[str, StringConstraints(max_length=1_000)]
Digests = Annotated[dict[Line, Line], Field(max_length=1_000)]


class File(Contract):
    """A file of the handover."""

    sha256: Sha256
    bytes: Annotated[int, Field(ge=0)]


class Failure(Contract):
    """Why there is no candidate: the step, the place in the repository, and what to do."""

    step: Step
    file: Line | None
    line: Annotated[int, Field(ge=1, le=10_000_000)] | None
    message: Annotated[str, StringConstraints(max_length=4_000)]
    advice: Line


class Trained(Contract):
    """A candidate as its run recorded it (`ci.pipeline.candidate.Candidate`)."""

    model: Name
    run_id: Line
    fingerprint: Fingerprint
    trained_at: Line
    seconds: Annotated[float, Field(ge=0)]
    git_commit: Commit | None
    outputs: Digests
    metrics: Annotated[dict[Line, float], Field(max_length=1_000)]
    params: dict[str, JsonValue]
    data: Digests
    inputs: Digests
    toolchain: Line | None = None

    def candidate(self) -> Candidate:
        """The same as the pipeline's own record."""
        return Candidate(**self.model_dump())


class Manifest(Contract):
    """The whole of `manifest.json`; either ``candidate`` and its Bento or ``failure`` is there.

    ``source`` is the fingerprint of the checkout. ``fingerprint``, the candidate's, differs from it
    only where training recorded other data than the repository names.
    """

    format: Literal[1]
    model: Name
    language: Literal["python", "r", "julia"]
    head_sha: Commit
    base_sha: Commit
    source: Fingerprint
    fingerprint: Fingerprint | None
    candidate: Trained | None
    bento: Line | None
    bento_digest: Sha256 | None
    files: Annotated[dict[Line, File], Field(max_length=len(FILES))]
    failure: Failure | None
    seconds: Annotated[dict[Line, float], Field(max_length=20)]

    def is_whole(self) -> bool:
        """Whether it tells of a candidate with all its files, or of a failure and no candidate."""
        made = (self.fingerprint, self.candidate, self.bento, self.bento_digest)
        if self.failure is not None:
            return not any(made)
        return all(made) and all(name in self.files for name in NEEDED)
