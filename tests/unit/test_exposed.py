"""Where a service may listen: beyond this machine only with keys, and no key in the clear."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bentos.supervisor import exposed

TLS = ["certificate.pem", "key.pem"]


@pytest.fixture
def keys(tmp_path: Path) -> str:
    path = tmp_path / "access.json"
    path.write_text(json.dumps({"keys": {"a": {}}}))
    return str(path)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_this_machine_needs_nothing(host: str) -> None:
    assert exposed(host, [], {}) is None


@pytest.mark.parametrize("host", ["::", "192.0.2.1"])
def test_beyond_it_keys_and_tls_are_needed(host: str, keys: str) -> None:
    assert "no API key" in (exposed(host, TLS, {}) or "")
    assert "no API key" in (exposed(host, TLS, {"MLOPS_ACCESS": keys + ".gone"}) or "")
    assert "no TLS" in (exposed(host, [], {"MLOPS_ACCESS": keys}) or "")
    assert exposed(host, TLS, {"MLOPS_ACCESS": keys}) is None
    assert exposed(host, [], {"MLOPS_ACCESS": keys, "MLOPS_BEHIND_PROXY": "true"}) is None


def test_a_proxy_is_no_reason_to_do_without_keys() -> None:
    assert "no API key" in (exposed("::", [], {"MLOPS_BEHIND_PROXY": "true"}) or "")


@pytest.mark.parametrize(("said", "may"), [("true", True), ("false", False), ("", False)])
def test_whoever_starts_a_container_can_say_that_its_network_is_private(
    said: str, may: bool
) -> None:
    assert (exposed("::", [], {"MLOPS_PRIVATE_NETWORK": said}) is None) == may
