"""DVC objects in a bucket: written with a credential by few, read by HTTP with none."""

from __future__ import annotations

import tempfile
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from ci.console import step
from ci.errors import MlopsError

if TYPE_CHECKING:
    from requests import Response, Session

    from ci.assets.objects import Cache
    from ci.contract.data import Bucket

TIMEOUT_SECONDS = (10, 60)
ATTEMPTS = 4
BLOCK_BYTES = 1 << 20
PASSING = (429, 500, 502, 503, 504)
# Storage that may not be listed calls an object that is not there forbidden.
ABSENT = (403, 404, 410)


class InBucket:
    """The folder of a bucket, as a remote of DVC lays it out."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket

    @cached_property
    def _session(self) -> Session:
        import requests
        from requests.adapters import HTTPAdapter, Retry

        retry = Retry(total=ATTEMPTS - 1, backoff_factor=1, status_forcelist=PASSING)
        session = requests.Session()
        for scheme in ("https://", "http://"):
            session.mount(scheme, HTTPAdapter(max_retries=retry))
        return session

    def has(self, md5: str) -> bool:
        """Whether whoever has no credential can read the object."""
        with self._ask(md5) as answer:
            return answer.status_code not in ABSENT

    def fetch(self, cache: Cache, md5: str) -> bool:
        """Put the object into ``cache``; false where it can't be read.

        Raises:
            MlopsError: ``data_unreachable``, ``damaged_data``.
        """
        with self._ask(md5) as answer:
            if answer.status_code in ABSENT:
                return False
            with tempfile.TemporaryDirectory(prefix="mlops-data-") as directory:
                file = Path(directory, "object")
                with step(f"bringing {md5} from {self._bucket.read}"):
                    self._save(answer, file)
                cache.put(md5, file)
        return True

    def add(self, md5: str, file: Path, commit: str) -> None:
        """Keep ``file``, whose digest is ``md5``.

        Raises:
            MlopsError: ``delivery_failed``; ``not_readable`` where it can't be read then.
        """
        del commit
        from ci.storage.s3 import upload

        folder, _, name = _place(md5).rpartition("/")
        with step(f"storing {md5} ({file.stat().st_size:,} bytes) in {self._bucket.write}"):
            upload(file, f"{self._bucket.write.rstrip('/')}/{folder}", name)
        if not self.has(md5):
            raise MlopsError(
                "not_readable",
                f"{md5} lies in {self._bucket.write}, and {self._address(md5)} does not give it to "
                "whoever has no credential, as the jobs of pull requests; correct `read` in "
                "policies/data.yaml, or let everybody read objects there.",
            )

    def _ask(self, md5: str) -> Response:
        address = self._address(md5)
        try:
            answer = self._session.get(address, stream=True, timeout=TIMEOUT_SECONDS)
            if answer.status_code not in ABSENT:
                answer.raise_for_status()
        except OSError as error:
            raise _unreachable(address, error) from None
        return answer

    def _save(self, answer: Response, file: Path) -> None:
        try:
            with file.open("wb") as target:
                target.writelines(answer.iter_content(BLOCK_BYTES))
        except OSError as error:
            raise _unreachable(answer.url, error) from None

    def _address(self, md5: str) -> str:
        return f"{self._bucket.read.rstrip('/')}/{_place(md5)}"


def _place(md5: str) -> str:
    return f"files/md5/{md5[:2]}/{md5[2:]}"


def _unreachable(address: str, error: OSError) -> MlopsError:
    said = str(error).splitlines()[0][:200].rstrip(".")
    return MlopsError(
        "data_unreachable",
        f"{address} could not be read ({said}); check `bucket` in policies/data.yaml, and run the "
        "same again.",
    )
