"""The three images that a model's image is made of, each on top of what changes less often.

`packages` installs the serving lock with pip, on the base of Python; `runtime` adds Python and the
model's language to its base and takes the packages over, without pip; the last adds the Bento. Only
the last is built again when a model changes.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bentos.bundle import CONTRACT_FILE
from bentos.serve import DRAIN_SECONDS, QUIET
from ci.errors import MlopsError
from ci.setup.environment import BUILDER
from ci.setup.locks import requirement
from ci.setup.r import locked

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from ci.images.bases import Base

PREFIX = "localhost/mlops"  # never looked for in a registry, unlike a name without a host
TAG_LENGTH = 16
HOME = "/opt/mlops"
PYTHON = f"{HOME}/bin/python"
BENTO = "/bento"
BILL = "/usr/share/mlops/sbom.cdx.json"
PORT = 3000
USER = 10001
INSTALL = "DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends"
DEPOT = "/opt/julia"
IMPORTS = "import bentoml, orjson, pandas, pyarrow, sklearn, uvloop"
READY = f"import urllib.request as r; r.urlopen('http://127.0.0.1:{PORT}/readyz', timeout=4)"

PACKAGES = """\
FROM {base}
RUN apt-get update -qq && {install} ca-certificates python3 python3-venv
COPY locks /locks
RUN python3 -m venv /build \\
 && /build/bin/pip install --require-hashes --requirement /locks/builder.txt \\
 && python3 -m venv --without-pip {home} \\
 && /build/bin/pip install --require-hashes --no-build-isolation --ignore-installed \\
    --prefix {home} --requirement /locks/serving.txt \\
 && find {home}/bin -type f -delete
"""
RUNTIME = """\
FROM {base}
RUN apt-get update -qq && {install} {packages} && rm -rf /var/lib/apt/lists/*
COPY --from={source} {home} {home}
{language}
"""
MODEL = """\
FROM {runtime}
COPY {bill} {bill_path}
COPY bento {bento}
ENV {environment}
WORKDIR {bento}
USER {user}:{user}
EXPOSE {port}
HEALTHCHECK --interval=10s --timeout=5s --start-period=120s --retries=3 CMD {health}
ENTRYPOINT {entry}
CMD {arguments}
"""
# A base of Julia's own has it; in another it comes from the base's Debian.
JULIA = f"""\
RUN command -v julia \\
 || (apt-get update -qq && {INSTALL} julia && rm -rf /var/lib/apt/lists/*)"""
JULIA_PACKAGES = """\
COPY julia {depot}/project
RUN JULIA_DEPOT_PATH={depot} julia --startup-file=no --project={depot}/project \\
    -e 'using Pkg; Pkg.instantiate()'"""


@dataclass(frozen=True)
class Recipe:
    """An image to build: its text, what it says of itself, and its files by path.

    A file is its content, or a folder on this machine. The labels name all that goes in, so that
    the text and they tell two recipes apart.
    """

    name: str
    text: str
    labels: Mapping[str, str]
    files: Mapping[str, bytes | Path] = field(default_factory=dict)
    version: str = ""

    @property
    def key(self) -> str:
        """Digest of what it is, 64 hex digits."""
        content = json.dumps([self.name, self.text, self.labels], sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()

    @property
    def tag(self) -> str:
        """What the image is called on this engine."""
        return f"{PREFIX}/{self.name}:{self.version or self.key[:TAG_LENGTH]}"


def packages_recipe(base: Base, serving: str, development: str) -> Recipe:
    """The Python packages of the lock ``serving``, built with the builder of ``development``."""
    builder = requirement(development, BUILDER)
    locks = {"locks/serving.txt": serving.encode(), "locks/builder.txt": builder.encode()}
    labels = {f"mlops.{name}.sha256": _sha256(content) for name, content in locks.items()}
    text = PACKAGES.format(base=base.pinned, install=INSTALL, home=HOME)
    return Recipe("packages", text, labels, locks)


def runtime_recipe(base: Base, packages: Recipe, language: str, model: Path) -> Recipe:
    """What a model in ``language`` runs on; ``model`` is the folder with its locks.

    Raises:
        MlopsError: ``renv_lock`` or ``bad_manifest``.
    """
    lines, files = _language(language, model)
    text = RUNTIME.format(
        base=base.pinned,
        install=INSTALL,
        packages=" ".join(["python3", *_debian_packages(language, model)]),
        source=packages.tag,
        home=HOME,
        language="\n".join([*lines, f'RUN {PYTHON} -c "{IMPORTS}"']),
    )
    labels = {f"mlops.{name}.sha256": _sha256(content) for name, content in files.items()}
    return Recipe(f"runtime-{language}", text, labels, files)


def model_recipe(
    runtime: Recipe, bento: Path, bill: bytes, labels: Mapping[str, str], version: str
) -> Recipe:
    """The image of a Bento; the labels name the Bento by its digest."""
    contract = json.loads((bento / "src" / CONTRACT_FILE).read_text(encoding="utf-8"))
    drain = int(contract["serving"]["timeout_seconds"]) + DRAIN_SECONDS
    arguments = ["0.0.0.0", str(PORT), str(drain)]  # noqa: S104 (the container's own network)
    text = MODEL.format(
        runtime=runtime.tag,
        bill="sbom.cdx.json",
        bill_path=BILL,
        bento=BENTO,
        environment=_environment(contract["language"]),
        user=USER,
        port=PORT,
        health=json.dumps([PYTHON, "-I", "-S", "-c", READY]),
        entry=json.dumps([PYTHON, f"{BENTO}/src/bentos/supervisor.py"]),
        arguments=json.dumps(arguments),
    )
    files: dict[str, bytes | Path] = {"bento": bento, "sbom.cdx.json": bill}
    return Recipe(str(contract["name"]), text, labels, files, version)


def _environment(language: str) -> str:
    """All that is written while it serves lies in /tmp: the rest may be read-only."""
    values = {**QUIET, "BENTOML_HOME": "/tmp/bentoml", "HOME": "/tmp"}  # noqa: S108
    if language == "julia":
        values["JULIA_DEPOT_PATH"] = f"/tmp/julia:{DEPOT}"  # noqa: S108
    return " ".join(f"{name}={value}" for name, value in values.items())


def _debian_packages(language: str, model: Path) -> list[str]:
    if language != "r":
        return []
    lock = model / "renv.lock"
    names = locked(lock, lock.name) if lock.is_file() else []
    return ["r-base-core", *sorted(f"r-cran-{name.lower()}" for name in names)]


def _language(language: str, model: Path) -> tuple[Sequence[str], dict[str, bytes]]:
    """The steps of the language, and the files that they need."""
    if language != "julia":
        return [], {}
    if not julia_packages(model):
        return [JULIA], {}
    names = [name for name in ("Project.toml", "Manifest.toml") if (model / name).is_file()]
    files = {f"julia/{name}": (model / name).read_bytes() for name in names}
    return [JULIA, JULIA_PACKAGES.format(depot=DEPOT)], files


def julia_packages(model: Path) -> dict[str, str]:
    """Name → version of the packages in ``Manifest.toml`` that do not come with Julia.

    Raises:
        MlopsError: ``bad_manifest``.
    """
    path = model / "Manifest.toml"
    if not path.is_file():
        return {}
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
        entries = found.get("deps", found) if "manifest_format" in found else found
        return {
            name: str(each[0]["version"])
            for name, each in entries.items()
            if "git-tree-sha1" in each[0]
        }
    except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        raise MlopsError(
            "bad_manifest",
            f"{path.parent.name}/Manifest.toml is not a manifest that Julia writes: make it again "
            "with `julia --project -e 'using Pkg; Pkg.resolve()'` in that folder.",
        ) from error


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
