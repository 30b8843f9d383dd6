"""`mlops deploy`: from a candidate that passed the gate to a version that is live."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ci.busy import only_one
from ci.console import say, step
from ci.contract.deployment import DeploymentPolicy
from ci.contract.model import load_model_contract
from ci.contract.policy import load_policy
from ci.errors import MlopsError
from ci.gate import judgement
from ci.package import package
from ci.registry.versions import (
    PRODUCTION,
    STAGING,
    Version,
    by_alias,
    promote,
    register,
    set_alias,
)
from ci.targets import front, local
from ci.toolchain import require

if TYPE_CHECKING:
    from ci.contract.deployment import LocalTarget
    from ci.contract.evaluated import Evaluated
    from ci.contract.model import ModelContract
    from ci.package import Packaged
    from ci.repository import Repository
    from ci.targets.services import Service


@dataclass(frozen=True)
class Deployed:
    """A version and the base address at which departments call it."""

    model: str
    version: int
    url: str


def deploy(repository: Repository, name: str) -> Deployed:
    """Register the candidate of ``name``, serve it and move the aliases.

    Deploying what is live already changes nothing.

    Raises:
        MlopsError: ``refused`` where the gate said no; else what training, packaging or the
            target say. The version that was live stays live.
    """
    contract = load_model_contract(repository, name)
    policy = load_policy(repository, DeploymentPolicy)
    require(contract.language)
    with only_one(repository, "deploy", name):
        service = _live_candidate(repository, contract, policy.local)
        if service is None:
            evaluated = _require_pass(repository, name)
            with step(f"{name}: packaging"):
                packaged = package(repository, name)
            with step(f"{name}: registering in MLflow"):
                version = register(repository, _wanted(packaged, evaluated))
                set_alias(repository, name, STAGING, version.version)
            with step(f"{name}: starting version {version.version}, asking it, switching"):
                service = local.switch(repository, version, contract.example_row(), policy)
            promote(repository, name, version.version)
            local.told(repository, name)
        return Deployed(name, service.version, front.address(repository, name, policy.local))


def _live_candidate(
    repository: Repository, contract: ModelContract, policy: LocalTarget
) -> Service | None:
    """The running service, where it runs the candidate and the registry agrees."""
    from ci.pipeline.candidate import current_candidate

    candidate = current_candidate(repository, contract)
    service = local.recorded(repository, contract.name)
    if service is None or local.state(repository, service, policy) != "running":
        return None
    if service.fingerprint != candidate.fingerprint:
        return None
    production = by_alias(repository, contract.name, PRODUCTION)
    if production is None or production.version != service.version:
        return None
    say(f"{contract.name}: version {service.version} is live already.")
    return service


def _require_pass(repository: Repository, name: str) -> Evaluated:
    from ci.evaluate.short import in_short

    found = judgement(repository, name)
    failed = found.verdict.failed()
    if failed:
        raise MlopsError(
            "refused",
            f"The gate refused {name}: {failed[0].rule}: {failed[0].detail} "
            f"Nothing was deployed; `mlops report {name}` shows the whole verdict.",
        )
    return in_short(found.contract, found.evaluation)


def _wanted(packaged: Packaged, evaluated: Evaluated) -> Version:
    candidate = packaged.candidate
    return Version(
        model=candidate.model,
        version=0,
        fingerprint=candidate.fingerprint,
        run_id=candidate.run_id,
        bento=packaged.bento,
        digest=packaged.digest,
        git_commit=candidate.git_commit,
        evaluation=evaluated.model_dump(mode="json"),
    )
