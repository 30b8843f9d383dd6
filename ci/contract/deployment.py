"""`policies/deployment.yaml`: where models run."""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from ci.contract.base import Contract, Name
from ci.contract.policy import Policy

if TYPE_CHECKING:
    from ci.repository import Repository
    from ci.yaml_file import Key

Address = Annotated[str, StringConstraints(pattern=r"^https?://[^\s\"]+$")]
Port = Annotated[int, Field(ge=1024, le=65535)]
TargetName = Literal["local", "docker"]
ENGINE = re.compile(r"(unix://\S+|ssh://(\w[\w.-]*@)?(\w[\w.-]*|\[[0-9a-f:]+\])(:\d+)?(/\S*)?)")
ANY = "0.0.0.0"  # noqa: S104


def _an_address(text: str) -> str:
    ip_address(text)
    return text


def _an_engine(text: str) -> str:
    if not ENGINE.fullmatch(text):
        raise ValueError("write it as unix:///PATH, or as ssh://USER@MACHINE:PORT/PATH")
    return text


class Tls(Contract):
    """Callers of other machines, over TLS; HAProxy listens for them once an API key is made."""

    certificate: Annotated[str, Field(pattern=r"^/\S+$")]
    """File on that machine with the certificate, those of its issuers and its key, as PEM."""
    address: Annotated[str, Field(pattern=r"^[0-9a-f.:]+$"), AfterValidator(_an_address)] = ANY
    """The address of the machine that is listened on; as it is: all of them."""
    port: Port = 7443
    """The port on it."""


class LocalTarget(Contract):
    """Processes on this machine, behind HAProxy."""

    port: Port = 7100
    """The one port that callers use, for all models; HAProxy listens there."""
    first_port: Port = 7101
    """The first port that a process behind it may get."""
    last_port: Port = 7199
    """The last port that a process behind it may get."""
    start_timeout_seconds: Annotated[float, Field(gt=0, le=3600)] = 120.0
    """How long a version may take until it is ready."""
    warm_seconds: Annotated[float, Field(ge=0, le=7 * 86400)] = 3600.0
    """How long the version before goes on running, so that a rollback takes no start; 0: not."""
    tls: Tls | None = None
    """Without it only this machine can call."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.first_port > self.last_port:
            raise ValueError(f"first_port {self.first_port} is above last_port {self.last_port}")
        if self.first_port <= self.port <= self.last_port:
            raise ValueError(f"port {self.port} is one of first_port to last_port; choose another")
        if self.tls and self.first_port <= self.tls.port <= self.last_port:
            raise ValueError(f"tls.port {self.tls.port} is one of first_port to last_port")
        if self.tls and self.tls.port == self.port:
            raise ValueError(f"tls.port {self.port} is port too; choose another")
        return self


class DockerTarget(Contract):
    """Containers of a Docker or podman engine, here or elsewhere, behind the same HAProxy."""

    engine: Annotated[str, AfterValidator(_an_engine)] | None = None
    """Its address: `unix:///run/podman/podman.sock`, or `ssh://USER@MACHINE:PORT/run/docker.sock`,
    where port and path may be left out; without it, what `DOCKER_HOST` says, else Docker's own."""


class Canary(Contract):
    """A share of the callers reaches a new version first, for a while, and is watched."""

    share: Annotated[float, Field(gt=0, lt=100, allow_inf_nan=False)]
    """How many of 100 callers; the same ones all the time."""
    seconds: Annotated[float, Field(gt=0, le=86400)]
    """For how long."""
    shift: Annotated[float, Field(ge=0, le=1)] = 0.3
    """How far the distribution of its predictions may be from that of the live version: the largest
    share of them that lies elsewhere, beyond chance; 1: any."""


class Shadow(Contract):
    """Calls of the prediction log are asked of a new version before any caller reaches it."""

    rows: Annotated[int, Field(ge=0, le=100_000)] = 1000
    """How many logged rows at most, the newest; 0: none."""
    seconds: Annotated[float, Field(gt=0, le=3600)] = 60.0
    """How long it may take; what is left then is not asked."""
    failed: Annotated[float, Field(ge=0, le=1)] = 0.0
    """The largest share of calls that may end with an error, or with what the contract forbids."""
    differing: Annotated[float, Field(ge=0, le=1)] = 1.0
    """The largest share of predictions that may differ from those of the live version; 1: any."""


class Kubernetes(Contract):
    """What `mlops render` writes into a model's manifests."""

    minimum: Annotated[int, Field(ge=1, le=1000)] = 2
    """The least pods of a model."""
    maximum: Annotated[int, Field(ge=1, le=1000)] = 6
    """The most pods of a model."""
    cpu: Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]*m?$")] = "500m"
    """What CPU each pod asks for, in Kubernetes' own words."""
    callers: Annotated[list[Name], Field(min_length=1)] = ["ingress", "monitoring"]
    """Namespaces whose pods may call a model; nobody else may."""
    prometheus: Address | None = None
    """Where Prometheus answers in the cluster, such as `http://prometheus.monitoring:9090`. With it
    an Argo Rollout takes a Deployment's place, and its analysis asks there; it needs `canary`."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.minimum > self.maximum:
            raise ValueError(f"minimum {self.minimum} is above maximum {self.maximum}")
        return self


class Objectives(Contract):
    """What callers may expect of a deployed model; `mlops observe` makes alert rules of them."""

    available: Annotated[float, Field(gt=0, lt=1)] = 0.995
    """The share of calls that are not answered with 5xx, over a month."""
    p99_seconds: Annotated[float, Field(gt=0, le=3600)] = 1.0
    """99 of 100 calls are answered within this time."""


class Host(Contract):
    """A machine that serves models, since `mlops host NAME` runs there."""

    models: Literal["all"] | list[Name]
    """Names of models, or `all` that are released."""
    target: TargetName | None = None
    """In place of `target` at the top."""
    local: LocalTarget | None = None
    """In place of `local` at the top, where this machine needs other ports or times."""

    def has(self, model: str) -> bool:
        """Whether it is given ``model``."""
        return self.models == "all" or model in self.models


class DeploymentPolicy(Policy):
    """The whole of `policies/deployment.yaml`."""

    file: ClassVar[str] = "deployment.yaml"

    target: TargetName = "local"
    """Where versions are started from now on; what runs elsewhere is switched from without loss."""
    local: LocalTarget = LocalTarget()
    """The target local: processes on this machine. Ports and times hold for `docker` too."""
    docker: DockerTarget = DockerTarget()
    """The target docker: containers of an engine."""
    shadow: Shadow = Shadow()
    """Logged calls, asked of a new version before callers reach it."""
    tolerance: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """A number differs from another where it is further from it than this share of it; shadow and
    canary leave smaller differences alone."""
    canary: Canary | None = None
    """Without it a new version answers all callers at once."""
    objectives: Objectives = Objectives()
    """What callers may expect."""
    hosts: dict[Name, Host] = {}
    """Name of a host to what it serves."""
    kubernetes: Kubernetes = Kubernetes()
    """Manifests for a cluster, which `mlops render` writes."""

    @model_validator(mode="after")
    def _analysed(self) -> Self:
        if self.kubernetes.prometheus and self.canary is None:
            raise ValueError(
                "kubernetes.prometheus asks for a Rollout, and there is no canary; write one, such "
                "as `canary: {share: 10, seconds: 300}`"
            )
        return self

    def misfits(self, repository: Repository) -> list[tuple[Key, str]]:
        """Models that no folder has."""
        known = repository.model_names()
        return [
            (("hosts", name, "models", place), f"there is no model {model!r} in models/.")
            for name, host in self.hosts.items()
            for place, model in enumerate([] if host.models == "all" else host.models)
            if model not in known
        ]

    def of_host(self, name: str | None) -> DeploymentPolicy:
        """The policy as it is for the host ``name``."""
        host = self.hosts.get(name or "")
        own = {"target": host.target, "local": host.local} if host else {}
        return self.model_copy(update={key: value for key, value in own.items() if value})
