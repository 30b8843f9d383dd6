"""GitHub's REST API: requests that are repeated when GitHub asks for it, and clear failures."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ci.console import say
from ci.errors import MlopsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from requests import PreparedRequest, Response

    from ci.github.context import Context

    Query = Mapping[str, str | int]

ATTEMPTS = 5
FIRST_WAIT_SECONDS = 1.0
# A primary rate limit may last an hour: a job does not sit and pay for that.
LONGEST_WAIT_SECONDS = 90.0
# What GitHub asks for where it does not say how long.
LIMITED_SECONDS = 60.0
TIMEOUT_SECONDS = (10, 60)
PER_PAGE = 100
CHUNK_BYTES = 1 << 20
HEADERS = {
    "Accept": "application/vnd.github+json",
    "User-Agent": "kronkers-mlops",
    "X-GitHub-Api-Version": "2022-11-28",
}


class GitHubError(MlopsError):
    """A request that GitHub refused or never answered; ``status`` None means no answer."""

    def __init__(self, message: str, status: int | None) -> None:
        super().__init__("github_failed", message)
        self.status = status


class GitHub:
    """The API as the token of one run may use it.

    Paths begin with a slash and are relative to the API (``/repos/…``), or are whole addresses
    that the API gave. Every method raises GitHubError: for a server error, a lost connection or a
    rate limit only after ``ATTEMPTS`` tries.
    """

    def __init__(self, context: Context) -> None:
        import requests

        self.context = context
        self.repo = f"/repos/{context.repository}"
        self._session = requests.Session()
        self._session.headers.update(HEADERS)
        if context.token:
            self._session.auth = _bearer(context.token)

    def get(self, path: str, query: Query | None = None) -> Any:
        """The document at ``path``."""
        return _document(self._ask("GET", path, params=query))

    def find(self, path: str, query: Query | None = None) -> Any | None:
        """The document at ``path``, or None where there is none."""
        try:
            return self.get(path, query)
        except GitHubError as error:
            if error.status == 404:
                return None
            raise

    def post(self, path: str, body: Mapping[str, Any], *, once: bool = False) -> Any:
        """Send ``body``; ``once`` where it must not be sent again after an unclear end."""
        return _document(self._ask("POST", path, once=once, json=body))

    def patch(self, path: str, body: Mapping[str, Any]) -> Any:
        """Change what is at ``path``."""
        return _document(self._ask("PATCH", path, json=body))

    def delete(self, path: str) -> None:
        """Remove what is at ``path``."""
        self._ask("DELETE", path)

    def paginate(
        self, path: str, query: Query | None = None, key: str | None = None
    ) -> Iterator[dict[str, Any]]:
        """Each item of a list, page after page; ``key`` where the list is inside an object."""
        url: str | None = path
        params: Query | None = {"per_page": PER_PAGE, **(query or {})}
        while url:
            response = self._ask("GET", url, params=params)
            page = _document(response)
            yield from page[key] if key else page
            url, params = response.links.get("next", {}).get("url"), None

    def download(
        self, path: str, target: Path, limit_bytes: int, accept: str = HEADERS["Accept"]
    ) -> None:
        """Write the content at ``path`` to ``target``, whole or not at all.

        Raises:
            MlopsError: ``too_large`` as soon as it is over ``limit_bytes``.
            GitHubError: as always; a content that breaks off is asked for again.
        """
        import requests

        for attempt in range(1, ATTEMPTS + 1):
            try:
                with self._ask("GET", path, stream=True, headers={"Accept": accept}) as response:
                    _write(response, target, limit_bytes)
                return
            except requests.RequestException as error:
                if attempt == ATTEMPTS:
                    reason = f"broke off ({type(error).__name__})"
                    raise GitHubError(_sentence("GET", path, reason), None) from None
                time.sleep(FIRST_WAIT_SECONDS * 2 ** (attempt - 1))

    def upload(self, url: str, name: str, file: Path) -> Any:
        """Send ``file`` to the ``upload_url`` of a release as the asset ``name``."""
        with file.open("rb") as content:
            response = self._ask(
                "POST",
                url.partition("{")[0],
                once=True,
                params={"name": name},
                data=content if file.stat().st_size else b"",
                headers={"Content-Type": "application/octet-stream"},
                timeout=(10, 600),
            )
        return _document(response)

    def _ask(self, method: str, path: str, *, once: bool = False, **options: Any) -> Response:
        import requests

        url = self.context.api_url + path if path.startswith("/") else path
        options.setdefault("timeout", TIMEOUT_SECONDS)
        for attempt in range(1, ATTEMPTS + 1):
            _rewind(options.get("data"))
            try:
                response = self._session.request(method, url, **options)
            except requests.RequestException as error:
                status, reason = None, f"got no answer ({type(error).__name__})"
                wait = None if once else _pause(attempt)
            else:
                if response.ok:
                    return response
                status, reason = response.status_code, _reason(response)
                wait = _wait(response, attempt, once=once)
            if wait is None or attempt == ATTEMPTS:
                break
            if wait > LONGEST_WAIT_SECONDS:
                reason += f", and asks to wait {wait:.0f} s; run this job again then"
                break
            say(f"GitHub: {method} {path} {reason}; again in {wait:.0f} s.")
            time.sleep(wait)
        raise GitHubError(_sentence(method, path, reason), status)


def _bearer(token: str) -> Callable[[PreparedRequest], PreparedRequest]:
    """As `auth`, and not as a header: else a .netrc of the machine would be sent instead."""

    def sign(request: PreparedRequest) -> PreparedRequest:
        request.headers["Authorization"] = f"Bearer {token}"
        return request

    return sign


def _document(response: Response) -> Any:
    if not response.content:
        return None
    try:
        return response.json()
    except ValueError:
        method, url = response.request.method or "", response.url
        raise GitHubError(
            _sentence(method, url, "answered no JSON"), response.status_code
        ) from None


def _sentence(method: str, path: str, reason: str) -> str:
    return f"GitHub: {method} {path} {reason.rstrip('.')}."


def _rewind(content: Any) -> None:
    if hasattr(content, "seek"):
        content.seek(0)


def _reason(response: Response) -> str:
    said = _said(response)
    return f"answered {response.status_code}" + (f": {said}" if said else "")


def _said(response: Response) -> str:
    """GitHub's own message, on one line, with what it says about single fields."""
    try:
        document = response.json()
    except ValueError:
        return response.reason or ""
    if not isinstance(document, dict):
        return response.reason or ""
    details = [_detail(each) for each in document.get("errors") or []]
    text = "; ".join([str(document.get("message", "")), *details])
    return " ".join(text.split())[:500]


def _detail(error: Any) -> str:
    if not isinstance(error, dict):
        return str(error)
    return str(error.get("message") or " ".join(map(str, error.values())))


def _pause(attempt: int) -> float:
    return FIRST_WAIT_SECONDS * 2.0 ** (attempt - 1)


def _wait(response: Response, attempt: int, *, once: bool) -> float | None:
    """Seconds until it may be asked again, or None where that is of no use."""
    headers, status = response.headers, response.status_code
    used_up = headers.get("x-ratelimit-remaining") == "0"
    limited = status in (403, 429) and (
        status == 429
        or used_up
        or "retry-after" in headers
        or "rate limit" in _said(response).lower()
    )
    if not limited and (status < 500 or once):
        return None
    if headers.get("retry-after", "").isdigit():
        return float(headers["retry-after"])
    if used_up and headers.get("x-ratelimit-reset", "").isdigit():
        return max(1.0, float(headers["x-ratelimit-reset"]) - time.time())
    return LIMITED_SECONDS if limited else _pause(attempt)


def _write(response: Response, target: Path, limit_bytes: int) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            size = 0
            for chunk in response.iter_content(CHUNK_BYTES):
                size += len(chunk)
                if size > limit_bytes:
                    raise MlopsError(
                        "too_large", f"{target.name} is over {limit_bytes:,} bytes; not taken."
                    )
                file.write(chunk)
        os.replace(name, target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
