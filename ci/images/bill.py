"""The software bill of materials of an image: CycloneDX 1.6 as JSON."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cyclonedx.model.component import Component
    from cyclonedx.model.license import License

    from ci.images.inventory import Inventory
    from ci.images.lineage import Lineage


def bill(lineage: Lineage, inventory: Inventory, julia_packages: dict[str, str]) -> bytes:
    """The bill: the same for the same image, since its time is that of the training."""
    from cyclonedx.model.bom import Bom, BomMetaData
    from cyclonedx.model.component import Component, ComponentType
    from cyclonedx.output.json import JsonV1Dot6

    subject = Component(
        name=lineage.model,
        version=lineage.fingerprint,
        type=ComponentType.CONTAINER,
        bom_ref="image",
        description=lineage.description,
    )
    components = [*_own(lineage), *_packages(inventory, julia_packages)]
    made = Bom(
        metadata=BomMetaData(
            component=subject, timestamp=datetime.fromisoformat(lineage.trained_at)
        ),
        components=components,
        serial_number=UUID(lineage.bento_digest[:32]),
    )
    made.register_dependency(subject, components)
    return JsonV1Dot6(made).output_as_string(indent=2).encode()


def _own(lineage: Lineage) -> Iterator[Component]:
    """The Bento with its model, and the data that the model was trained on."""
    from cyclonedx.model import HashAlgorithm, HashType
    from cyclonedx.model.component import Component, ComponentType

    yield Component(
        name=lineage.model,
        version=lineage.fingerprint,
        type=ComponentType.MACHINE_LEARNING_MODEL,
        bom_ref="model",
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=lineage.bento_digest)],
    )
    for path, digest in sorted(lineage.data.items()):
        yield Component(name=path, version=digest, type=ComponentType.DATA, bom_ref=f"data:{path}")


def _packages(inventory: Inventory, julia_packages: dict[str, str]) -> Iterator[Component]:
    rows = {
        "deb": inventory.debian,
        "pypi": inventory.python,
        "cran": [row for row in inventory.r if row[0] != "R"],
        "generic": [["julia", inventory.julia, "MIT"]] if inventory.julia else [],
        "julia": [[name, version, ""] for name, version in julia_packages.items()],
    }
    for kind, packages in rows.items():
        for name, version, licence in packages:
            yield _package(kind, name, version, licence, inventory.architecture)


def _package(kind: str, name: str, version: str, licence: str, architecture: str) -> Component:
    from cyclonedx.model.component import Component
    from packageurl import PackageURL

    debian = kind == "deb"
    address = PackageURL(
        kind,
        "debian" if debian else None,
        name,
        version,
        {"arch": architecture} if debian else None,
    )
    return Component(
        name=name,
        version=version,
        purl=address,
        bom_ref=str(address),
        licenses=_licence(licence),
    )


def _licence(text: str) -> list[License]:
    """A licence that its package states in the words of SPDX; no other is guessed."""
    from cyclonedx.contrib.license.factories import LicenseFactory
    from cyclonedx.model.license import DisjunctiveLicense

    made = LicenseFactory().make_from_string(text) if text else None
    stated = made is not None and not (isinstance(made, DisjunctiveLicense) and not made.id)
    return [made] if made and stated else []
