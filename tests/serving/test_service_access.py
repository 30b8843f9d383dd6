"""Keys at the service itself, what it leaves of each call, and where it refuses to listen."""

from __future__ import annotations

import json
import os
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from bentos.access import key_hash
from bentos.serve import serve_environment
from tests.support import services
from tests.support.waiting import wait_for

SUPERVISOR = "src/bentos/supervisor.py"
SECRET = "c2VjcmV0"  # noqa: S105
ROW = {"x": 3.0, "n": 1, "mode": "ok"}


def entry(department: str, **changes: object) -> dict[str, object]:
    key = {
        "department": department,
        "models": ["tiny-r"],
        "salt": "ab",
        "expires": time.time() + 9_999,
    }
    return key | {"hash": key_hash("ab", SECRET)} | changes


def write_access(path: Path, keys: Mapping[str, object]) -> None:
    departments = {"marketing": {"models": ["tiny-r"], "requests_per_minute": 60}}
    path.write_text(json.dumps({"departments": departments, "keys": keys}))


@pytest.fixture(scope="module")
def bento(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rules = services.contract("r")
    rules["input"]["n"]["pii"] = True
    return services.build_tiny(tmp_path_factory.mktemp("bento"), "r", rules=rules)


@pytest.fixture(scope="module")
def guarded(bento: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[services.Running]:
    """A service that has keys, and the file with them."""
    directory = tmp_path_factory.mktemp("guarded")
    access = directory / "access.json"
    keys = {"a": entry("marketing"), "p": entry("platform"), "o": entry("marketing", models=[])}
    write_access(access, keys)
    service = services.serve(bento, directory, access=access)
    service.wait_until_answered()
    yield service
    service.stop()


def ask(service: services.Running, key: str | None = None, **headers: str) -> httpx.Response:
    given = {"authorization": f"Bearer mlops_{key}_{SECRET}"} if key else {}
    return service.client.post("/predict", json={"rows": [ROW]}, headers=given | headers)


def record(service: services.Running, name: str, answer: httpx.Response) -> dict[str, Any]:
    """The one line that was written of the answer."""
    path = service.log.parent / "records" / f"{name}.jsonl"

    def written() -> list[dict[str, Any]]:
        text = path.read_text() if path.exists() else ""
        entries = [json.loads(line) for line in text.rpartition("\n")[0].splitlines()]
        return [each for each in entries if each["request_id"] == answer.headers["x-request-id"]]

    wait_for(written)
    [entry] = written()
    return entry


def test_who_has_a_key_may_call_and_who_has_none_is_told(guarded: services.Running) -> None:
    assert ask(guarded, "a").status_code == 200
    answer = ask(guarded)
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert answer.json()["error"]["code"] == "unauthorized"
    assert ask(guarded, "b").status_code == 401
    assert ask(guarded, "o").status_code == 403


def test_health_and_pages_need_no_key_and_metrics_an_operators(guarded: services.Running) -> None:
    for path in ("/livez", "/readyz", "/metadata", "/docs", "/docs.json"):
        assert guarded.client.get(path).status_code == 200, path
    assert guarded.client.get("/metrics").status_code == 401
    for key, status in {"a": 403, "p": 200}.items():
        given = {"authorization": f"Bearer mlops_{key}_{SECRET}"}
        assert guarded.client.get("/metrics", headers=given).status_code == status


def test_one_request_id_joins_answer_access_record_and_prediction(
    guarded: services.Running,
) -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"
    answer = ask(guarded, "a", **{"traceparent": f"00-{trace}-b7ad6b7169203331-01"})
    access = record(guarded, "access", answer)
    assert access["caller"] == "marketing"
    assert access["trace_id"] == trace
    assert (access["model"], access["path"], access["status"]) == ("tiny-r", "/predict", 200)
    assert (access["rows"], access["ms"] > 0) == (1, True)
    logged = record(guarded, "predictions", answer)
    assert logged["inputs"] == {"x": [3.0], "mode": ["ok"]}, "n is personal data"
    assert logged["predictions"] == answer.json()["predictions"]


def test_a_callers_own_request_id_is_kept_unless_it_could_do_harm(
    guarded: services.Running,
) -> None:
    assert ask(guarded, "a", **{"x-request-id": "till-7.42"}).headers["x-request-id"] == "till-7.42"
    assert ask(guarded, "a", **{"x-request-id": "a b"}).headers["x-request-id"] != "a b"


def test_refusals_are_recorded_and_no_key_ever_is(guarded: services.Running) -> None:
    assert record(guarded, "access", ask(guarded, "b"))["code"] == "unauthorized"
    files = [path for path in guarded.log.parent.rglob("*") if path.is_file()]
    assert all(SECRET not in path.read_text(errors="replace") for path in files)


def test_a_large_request_is_logged_as_rows_spread_evenly(guarded: services.Running) -> None:
    body = {"rows": [{**ROW, "x": float(i % 100)} for i in range(1000)]}
    given = {"authorization": f"Bearer mlops_p_{SECRET}"}
    answer = guarded.client.post("/predict", json=body, headers=given)
    logged = record(guarded, "predictions", answer)
    assert (logged["rows"], logged["step"]) == (1000, 10)
    assert logged["inputs"]["x"] == [float(i % 100) for i in range(0, 1000, 10)]
    assert logged["predictions"] == answer.json()["predictions"][::10]


def test_a_department_over_its_rate_gets_429_and_a_time_to_come_back(
    guarded: services.Running,
) -> None:
    answers = [ask(guarded, "a") for _ in range(70)]
    late = answers[-1]
    assert late.status_code == 429
    assert late.json()["error"]["code"] == "too_many_requests"
    assert int(late.headers["retry-after"]) >= 1
    assert ask(guarded, "p").status_code == 200, "others are not held up"


def test_what_cannot_be_recorded_is_counted_and_fails_nothing(bento: Path, tmp_path: Path) -> None:
    (tmp_path / "records").write_text("a file where a folder should be")
    service = services.serve(bento, tmp_path)
    try:
        service.wait_until_answered()
        assert ask(service).status_code == 200
        wait_for(lambda: dropped(service) >= 2)
    finally:
        service.stop()


def dropped(service: services.Running) -> float:
    lines = service.client.get("/metrics").text.splitlines()
    [line] = [each for each in lines if each.startswith("mlops_records_dropped_total")]
    return float(line.split()[-1])


def refused(bento: Path, tmp_path: Path, host: str, access: Path | None = None, *tls: str) -> str:
    environment = serve_environment(None, tmp_path / "home", None, access)
    done = subprocess.run(
        [sys.executable, bento / SUPERVISOR, host, "0", "1", *tls],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert done.returncode == 1
    return done.stderr


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::"])  # noqa: S104
def test_it_refuses_to_listen_beyond_this_machine_without_keys_and_tls(
    bento: Path, tmp_path: Path, host: str
) -> None:
    access = tmp_path / "access.json"
    assert "mlops keys make" in refused(bento, tmp_path, host)
    write_access(access, {})
    assert "mlops keys make" in refused(bento, tmp_path, host, access, "cert.pem", "key.pem")
    write_access(access, {"a": entry("marketing")})
    assert "there is no TLS" in refused(bento, tmp_path, host, access)


def wait_for_port(port: int) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=5).close()
        except ConnectionRefusedError:
            time.sleep(0.05)
    raise AssertionError("nothing listens")


def test_with_a_certificate_it_speaks_tls_only(bento: Path, tmp_path: Path) -> None:
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "1"]
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", *subject,
         "-keyout", "key.pem", "-out", "cert.pem"],
        cwd=tmp_path, capture_output=True, check=True,
    )  # fmt: skip
    port = services.free_port()
    process = subprocess.Popen(
        [sys.executable, bento / SUPERVISOR, "127.0.0.1", str(port), "5", "cert.pem", "key.pem"],
        cwd=tmp_path,
        env=serve_environment(None, tmp_path / "home"),
    )
    try:
        trusted = httpx.Client(verify=ssl.create_default_context(cafile=tmp_path / "cert.pem"))
        url = f"https://127.0.0.1:{port}/predict"
        wait_for_port(port)
        assert trusted.post(url, json={"rows": [ROW]}, timeout=60).json()["predictions"] == [7.0]
        with pytest.raises(httpx.TransportError):
            httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=5)
    finally:
        process.terminate()
        process.wait(30)
