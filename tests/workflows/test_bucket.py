"""Data in a bucket: a release writes it with a credential, everybody reads it with none."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
import requests

from ci.assets.objects import Cache
from ci.errors import MlopsError
from ci.repository import Repository
from tests.support.services import free_port
from tests.support.storage import object_storage
from tests.workflows.desk import Desk
from tests.workflows.test_publish import MD5, OBJECT, Office, empty_registry, first_office, office

__all__ = ["empty_registry", "first_office", "office"]

KEY = f"mlops/files/md5/{MD5[:2]}/{MD5[2:]}"


def reading(effect: str) -> str:
    """The policy of a bucket that lets everybody read, or nobody."""
    what = {"Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::shop/*"}
    return json.dumps({"Statement": [{"Effect": effect, **what}]})


@pytest.fixture
def closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A bucket that nobody reads; its address by HTTP."""
    with object_storage(tmp_path) as environment:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        address = environment["AWS_ENDPOINT_URL"]
        client = boto3.client("s3", endpoint_url=address)
        client.create_bucket(Bucket="shop")
        client.put_bucket_policy(Bucket="shop", Policy=reading("Deny"))
        yield f"{address}/shop"


@pytest.fixture
def bucket(closed: str) -> str:
    """One that everybody reads."""
    client = boto3.client("s3", endpoint_url=closed.removesuffix("/shop"))
    client.put_bucket_policy(Bucket="shop", Policy=reading("Allow"))
    return closed


def declare(root: Path, address: str) -> None:
    policy = {"bucket": {"write": "s3://shop/mlops", "read": f"{address}/mlops"}}
    (root / "policies" / "data.yaml").write_text(json.dumps(policy))


def without_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a job of a pull request has it."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name)


def test_a_release_stores_its_data_there_and_whoever_has_no_credential_reads_it(
    office: Office, bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    declare(office.repository.root, bucket)
    office.publish()
    assert office.shown() == ["sales-python/v1"]
    assert requests.get(f"{bucket}/{KEY}", timeout=60).content == OBJECT

    without_credentials(monkeypatch)
    fresh = Repository(Desk(office.world, tmp_path / "fresh").root)
    declare(fresh.root, bucket)
    office.repository = fresh
    cache = Cache(fresh)
    assert office.data.bring(cache, [MD5, "0" * 32]) == {"0" * 32}
    assert cache.path(MD5).read_bytes() == OBJECT
    assert office.data.store({MD5: cache.path(MD5)}, "main") == []  # it is there already


def test_what_releases_hold_is_found_after_the_change_to_a_bucket(
    office: Office, bucket: str
) -> None:
    office.publish()
    declare(office.repository.root, bucket)
    assert office.data.bring(Cache(office.repository), [MD5]) == set()


def test_a_bucket_that_jobs_of_pull_requests_could_not_read_releases_nothing(
    office: Office, closed: str
) -> None:
    declare(office.repository.root, closed)
    with pytest.raises(MlopsError) as caught:
        office.publish()
    assert caught.value.code == "not_readable"
    assert "let everybody read" in caught.value.message
    assert (office.live(), office.shown()) == (None, [])


def test_who_has_no_credential_writes_nothing(
    office: Office, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    declare(office.repository.root, bucket)
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port()}")
    with pytest.raises(MlopsError) as caught:
        office.publish()
    assert caught.value.code == "delivery_failed"
    assert office.live() is None


def test_another_content_is_not_taken(office: Office, bucket: str) -> None:
    declare(office.repository.root, bucket)
    client = boto3.client("s3", endpoint_url=bucket.removesuffix("/shop"))
    client.put_object(Bucket="shop", Key=KEY, Body=b"something else")
    cache = Cache(office.repository)
    with pytest.raises(MlopsError) as caught:
        office.data.bring(cache, [MD5])
    assert caught.value.code == "damaged_data"
    assert not cache.has(MD5)


def test_storage_that_does_not_answer_is_a_sentence_and_no_lost_data(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ci.assets.data_bucket.ATTEMPTS", 1)
    declare(office.repository.root, f"http://127.0.0.1:{free_port()}/shop")
    with pytest.raises(MlopsError) as caught:
        office.data.bring(Cache(office.repository), [MD5])
    assert caught.value.code == "data_unreachable"
    assert "check `bucket` in policies/data.yaml" in caught.value.message
