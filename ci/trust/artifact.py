"""Whether the files of a model's artifact may be loaded, by policies/trust.yaml and the contract.

Nothing is loaded to find out, so that a stranger's artifact can be looked at.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ci.contract.policy import load_policy
from ci.contract.trust import TrustPolicy
from ci.errors import MlopsError
from ci.trust.formats import format_of, format_of_bytes, members
from ci.trust.pickles import imports, joblib_mixed

if TYPE_CHECKING:
    from pathlib import Path

    from ci.contract.model import ModelContract
    from ci.repository import Repository
    from ci.trust.formats import Found

WORDS = {
    "pickle": "a pickle, which runs code when it is loaded",
    "rds": "R's own format, which can run code when it is loaded",
    "jls": "Julia's own format, which can run code when it is loaded",
    "unknown": "in a format that is not known here",
}
ANOTHER = "write it with pickle.dump, or in another format"
# What an analyst has to type in the two files: joblib.load reads the result, too.
JOBLIB = (
    "joblib.dump puts the bytes of arrays between the opcodes, where nobody can tell them apart; "
    'in training, write `with open(PATH, "wb") as file: pickle.dump(model, file)` in its place: '
    "joblib.load and pickle.load both read that file"
)
PACKED = ("zip", "gzip")
DEEPEST = 3


@dataclass(frozen=True)
class Refusal:
    """A file of an artifact that may not be loaded, and why, as the rest of a sentence."""

    file: str
    problem: str


def refusals(policy: TrustPolicy, contract: ModelContract, artifact: Path) -> list[Refusal]:
    """Files below the folder ``artifact`` that may not be loaded."""
    found = []
    allowed = contract.artifact.may_run_code
    for path in sorted(each for each in artifact.rglob("*") if each.is_file()):
        name = path.relative_to(artifact).as_posix()
        problem = _problem(policy, path, name in allowed)
        if problem:
            found.append(Refusal(name, problem))
    return found


def require_loadable(repository: Repository, contract: ModelContract, artifact: Path) -> None:
    """Refuse an artifact with a file that may not be loaded.

    Raises:
        MlopsError: ``format_not_allowed`` naming the first; ``bad_policy``.
    """
    found = refusals(load_policy(repository, TrustPolicy), contract, artifact)
    if found:
        name = contract.name
        raise MlopsError(
            "format_not_allowed",
            f"models/{name}/artifact/{found[0].file} {found[0].problem}; then type: mlops train "
            f"{name}",
        )


def _problem(policy: TrustPolicy, path: Path, allowed: bool) -> str | None:
    try:
        return _inside(policy, format_of(path), path, None, path.name, allowed, DEEPEST)
    except ValueError as error:
        return f"can't be looked at: {error}; write it in a format that policies/trust.yaml allows"


def _inside(
    policy: TrustPolicy,
    kind: Found,
    path: Path,
    content: bytes | None,
    name: str,
    allowed: bool,
    deep: int,
) -> str | None:
    """What is wrong with a file, or with one that is packed in it (then ``content`` is it)."""
    if kind in PACKED and content is None and deep:
        for inner, packed in members(path).items():
            inner_kind = format_of_bytes(packed, inner)
            problem = _inside(policy, inner_kind, path, packed, inner, allowed, deep - 1)
            if problem:
                return f"holds {inner[:100]!r}, which {problem}"
        return None
    if kind in policy.formats:
        return None
    if kind in PACKED:
        return "is packed twice; pack it once"
    if not allowed:
        return (
            f"is {WORDS.get(kind, kind)}; write it in another one (such as CSV, JSON, .npy or "
            f"Parquet), or allow it in model.yaml under artifact.may_run_code"
        )
    if kind != "pickle":
        return None
    return _scanned(policy, path.read_bytes() if content is None else content)


def _scanned(policy: TrustPolicy, content: bytes) -> str | None:
    try:
        wrong = [each for each in imports(content) if not policy.may_import(each)]
    except ValueError as error:
        return f"can't be scanned ({error}); {JOBLIB if joblib_mixed(content) else ANOTHER}"
    if not wrong:
        return None
    return (
        f"imports {wrong[0].replace(':', '.')[:200]} when it is loaded, which policies/trust.yaml "
        "does not allow under pickles; write the model in another format"
    )
