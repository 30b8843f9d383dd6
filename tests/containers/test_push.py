"""Images pushed by a real engine to a real registry, which takes them only from whom it knows."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from ci.errors import MlopsError
from ci.images.engine import connect
from tests.support.podman import Podman
from tests.support.registry import LOGIN, serving

TYPES = (
    "application/vnd.docker.distribution.manifest.v2+json, "
    "application/vnd.oci.image.manifest.v1+json"
)


def test_a_registry_has_what_was_pushed_under_the_digest_that_is_said(
    engine: Podman, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", engine.host)
    image = engine.build("FROM scratch\nCOPY file /file\n", file="content")
    with serving(engine.registry_port, tmp_path, accounts=True) as address:
        name = f"{address}/kronkers/sales"
        digest = connect().push(image, f"{name}:one", LOGIN)
        there = httpx.get(
            f"http://{address}/v2/kronkers/sales/manifests/{digest}",
            headers={"Accept": TYPES},
            auth=LOGIN,
        )
        assert there.status_code == 200
        assert there.headers["Docker-Content-Digest"] == digest
        assert connect().push(image, f"{name}:two", LOGIN) == digest
        with pytest.raises(MlopsError, match=f"did not take {name}:one: .*denied|unauthor") as told:
            connect().push(image, f"{name}:one", ("robot", "wrong"))
        assert told.value.code == "push_refused"
    with pytest.raises(MlopsError, match="did not take") as told:
        connect().push(image, f"{name}:one", LOGIN)
    assert told.value.code == "push_refused"
