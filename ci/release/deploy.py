"""`mlops deploy`: from a candidate that passed the gate to a version that is live."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ci.actor import NO_REASON
from ci.busy import only_one
from ci.console import say, step
from ci.contract.deployment import DeploymentPolicy
from ci.contract.model import load_model_contract
from ci.contract.policy import load_policy
from ci.errors import MlopsError
from ci.events.event import Lineage
from ci.gate import judgement
from ci.git import commit_time
from ci.host.place import me
from ci.package import package
from ci.registry.change import Why, finish, promote, register, stage, tell
from ci.registry.versions import PRODUCTION, by_alias
from ci.release.committed import commit_of
from ci.release.judged import RefusedError, measured, verdict_line, waivers
from ci.release.tell import told
from ci.reproduce.sample import keep_sample, sample_path
from ci.targets import front, local
from ci.targets.trial import shadowed
from ci.toolchain import require

if TYPE_CHECKING:
    from ci.contract.model import ModelContract
    from ci.gate import Judgement
    from ci.package import Packaged
    from ci.registry.versions import Version
    from ci.repository import Repository
    from ci.targets.services import Service


@dataclass(frozen=True)
class Deployed:
    """A version and the base address at which departments call it.

    ``shadow`` is what came of the logged calls that it was asked, where it was deployed here.
    """

    model: str
    version: int
    url: str
    shadow: dict[str, Any] | None


def deploy(repository: Repository, name: str, reason: str = NO_REASON) -> Deployed:
    """Register the candidate of ``name``, serve it and move the aliases.

    Deploying what is live already changes nothing. Each step is an event.

    Raises:
        MlopsError: ``refused`` where the gate said no; else what training, packaging or the
            target say. The version that was live stays live.
    """
    contract = load_model_contract(repository, name)
    _require_no_host(repository, name)
    policy = load_policy(repository, DeploymentPolicy)
    require(contract.language)
    why = Why(reason)
    with only_one(repository, "deploy", name):
        finish(repository, name)
        service = _live_candidate(repository, contract, policy)
        if service is None:
            _require_target(repository, contract, policy)
            with told(repository, name, why):
                version = _registered(repository, contract, why)
            with told(repository, name, why, version.version):
                with step(f"{name}: starting version {version.version}, asking it, switching"):
                    service = local.switch(repository, version, contract.example_row(), policy)
                promote(repository, name, version.version, why)
            local.told(repository, name)
        url = front.address(repository, name, policy.local)
        return Deployed(name, service.version, url, shadowed(repository, name, service.version))


def _require_no_host(repository: Repository, name: str) -> None:
    own = me(repository)
    if own:
        raise MlopsError(
            "is_a_host",
            f"This checkout is the host {own.name}, which serves only what was released; merge "
            f"{name} to main, or deploy it in a clone of its own.",
        )


def _require_target(
    repository: Repository, contract: ModelContract, policy: DeploymentPolicy
) -> None:
    """Make sure, before anything is judged and registered, that an image could be built and run.

    Raises:
        MlopsError: ``no_engine``, ``bad_policy`` or ``base_without_digest``.
    """
    if policy.target == "docker":
        from ci.images.image import bases_of
        from ci.targets.engine import engine_of, require_engine

        require_engine(engine_of(policy.docker))
        bases_of(repository, contract)


def _registered(repository: Repository, contract: ModelContract, why: Why) -> Version:
    """The candidate as a registered version, if the gate passes it."""
    name = contract.name
    found = judgement(repository, name)
    require_pass(found)
    with step(f"{name}: packaging"):
        packaged = package(repository, name)
    with step(f"{name}: registering in MLflow"):
        lineage = lineage_of(repository, packaged, found)
        version = register(
            repository, name, lineage, why, measured(found.contract, found.evaluation)
        )
        keep_sample(
            repository, contract, packaged.path, sample_path(repository, name, packaged.digest)
        )
        for waiver in waivers(found.verdict, version.version, why.actor):
            tell(repository, waiver)
        stage(repository, name, version.version, why)
    return version


def _live_candidate(
    repository: Repository, contract: ModelContract, policy: DeploymentPolicy
) -> Service | None:
    """The running service, where it runs the candidate and the registry agrees."""
    from ci.pipeline.candidate import current_candidate

    candidate = current_candidate(repository, contract)
    service = local.in_place(repository, contract.name, policy)
    if service is None:
        return None
    if service.fingerprint != candidate.fingerprint:
        return None
    production = by_alias(repository, contract.name, PRODUCTION)
    if production is None or production.version != service.version:
        return None
    say(f"{contract.name}: version {service.version} is live already.")
    return service


def require_pass(found: Judgement) -> None:
    """Stop where the gate said no.

    Raises:
        MlopsError: ``refused``.
    """
    if found.verdict.verdict != "pass":
        name = found.contract.name
        raise RefusedError(
            found, f"Nothing was deployed; `mlops report {name}` shows the whole verdict."
        )


def lineage_of(repository: Repository, packaged: Packaged, found: Judgement) -> Lineage:
    """Where a packaged candidate comes from; it has no number yet."""
    from ci.evaluate.short import in_short

    candidate = packaged.candidate
    commit = commit_of(repository, found.contract, candidate.git_commit)
    return Lineage(
        version=0,
        run_id=candidate.run_id,
        source_run_id=candidate.run_id,
        fingerprint=candidate.fingerprint,
        source=candidate.fingerprint,
        bento=packaged.bento,
        digest=packaged.digest,
        commit=commit,
        committed_at=commit_time(repository.root, commit) if commit else None,
        trained_at=candidate.trained_at,
        verdict=verdict_line(found.verdict),
        data=candidate.data,
        evaluation=in_short(found.contract, found.evaluation),
    )
