"""A packaged Bento of each language behind a real `bentoml serve`: every answer that it gives."""

from __future__ import annotations

import http.client
import json
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from bentos.answers import ERRORS
from tests.support import services
from tests.support.waiting import wait_for

RELEASE = {"model": "tiny-r", "version": 7, "fingerprint": "1" * 40, "git_commit": "c0ffee"}
GOOD = {"x": 3.0, "n": 1}

Start = Callable[[Path], services.Running]


@pytest.fixture(scope="module", params=["python", "r", "julia"])
def spoken(request: pytest.FixtureRequest) -> str:
    """The language of the service that is running."""
    return str(request.param)


@pytest.fixture(scope="module")
def running(spoken: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[services.Running]:
    """One service a language for all tests that leave it alive."""
    root = tmp_path_factory.mktemp(spoken)
    release = root / "release.json"
    release.write_text(json.dumps(RELEASE | {"model": f"tiny-{spoken}"}))
    service = services.serve(services.build_tiny(root, spoken), root / "run", release)
    assert service.wait_until_answered().status_code == 200, service.log.read_text()
    yield service
    service.stop()


@pytest.fixture(scope="module")
def bentos(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The Bento of a language, built once."""
    built: dict[str, Path] = {}

    def bento(language: str) -> Path:
        if language not in built:
            root = tmp_path_factory.mktemp(f"bento-{language}")
            built[language] = services.build_tiny(root, language)
        return built[language]

    return bento


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts services that a test may harm; they are stopped whatever happens."""
    started: list[services.Running] = []

    def start(bento: Path) -> services.Running:
        service = services.serve(bento, tmp_path / str(len(started)))
        started.append(service)
        return service

    yield start
    for service in started:
        service.stop()


def error_of(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """The error in its one shape."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/json"
    body: dict[str, Any] = response.json()
    assert set(body) == {"error"}
    assert set(body["error"]) == {"code", "message", "rows"}
    assert body["error"]["code"] == code
    assert ERRORS[code][0] == status
    error: dict[str, Any] = body["error"]
    return error


def test_predictions_come_back_in_row_order_with_model_and_version(
    running: services.Running, spoken: str
) -> None:
    answer = running.predict({"x": 3.5, "n": 1}, {"x": -4}, {"x": 0, "n": None}, {"x": 1, "n": 2.0})
    assert answer.status_code == 200
    assert answer.json() == {
        "predictions": [8.0, -8.0, 0.0, 4.0],
        "model": f"tiny-{spoken}",
        "version": 7,
    }


def test_the_example_of_the_documents_works_as_it_stands(running: services.Running) -> None:
    document = running.client.get("/docs.json").json()
    media = document["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"]
    answer = running.client.post("/predict", json=media["example"])
    assert answer.status_code == 200
    assert len(answer.json()["predictions"]) == len(media["example"]["rows"])


def test_metadata_says_what_runs_here_and_where_it_comes_from(running: services.Running) -> None:
    metadata = running.client.get("/metadata").json()
    assert metadata["version"] == 7
    assert metadata["release"]["git_commit"] == "c0ffee"
    assert metadata["contract"]["input"]["x"]["unit"] == "euro"


def test_pages_and_health(running: services.Running) -> None:
    assert running.client.get("/livez").status_code == 200
    assert running.client.get("/readyz").json() == {"ready": True, "workers": 1}
    page = running.client.get("/", follow_redirects=True)
    assert page.headers["content-type"].startswith("text/html")
    assert "Doubles x." in page.text
    assert "://" not in page.text


def test_metrics_count_answers_by_code_with_the_version(
    running: services.Running, spoken: str
) -> None:
    running.predict({"x": 1000})
    text = running.client.get("/metrics").text
    labels = f'language="{spoken}",model="tiny-{spoken}"'
    [line] = [each for each in text.splitlines() if 'code="invalid_rows"' in each]
    assert labels in line
    assert 'version="7"' in line
    assert f'mlops_workers_alive{{{labels},version="7"}} 1.0' in text
    assert f"mlops_rows_total{{{labels}" in text
    assert "mlops_predict_seconds_bucket" in text
    assert "mlops_worker_restarts_total" in text


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'{"rows": [{"x": 1e999, "mode": "ok"}]}',
        b'{"rows": [{"x": 1, "mode": "\xe4"}]}',
        b'\xef\xbb\xbf{"rows": []}',
        b"[" * 100_000,
    ],
)
def test_what_is_no_json_is_a_400(running: services.Running, body: bytes) -> None:
    headers = {"content-type": "application/json"}
    error_of(running.client.post("/predict", content=body, headers=headers), 400, "invalid_json")


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity"])
def test_what_r_and_python_write_for_no_number_is_named_by_column(
    running: services.Running, value: str
) -> None:
    body = f'{{"rows": [{{"x": {value}, "mode": "ok"}}]}}'
    headers = {"content-type": "application/json"}
    error = error_of(
        running.client.post("/predict", content=body, headers=headers), 422, "invalid_rows"
    )
    assert (error["rows"][0]["index"], error["rows"][0]["column"]) == (0, "x")


@pytest.mark.parametrize(
    "body",
    [
        [],
        {},
        {"rows": {}},
        {"rows": None},
        {"rows": []},
        {"rows": [GOOD | {"mode": "ok"}], "row": []},
        {"rows": [{"mode": "ok", "x": 1}] * 1001},
    ],
)
def test_a_body_of_another_shape_is_a_422_in_words(running: services.Running, body: object) -> None:
    error = error_of(running.client.post("/predict", json=body), 422, "invalid_rows")
    assert error["rows"] == []
    assert len(error["message"]) > 20


@pytest.mark.parametrize(
    ("row", "column", "problem"),
    [
        ({"mode": "ok"}, "x", "must not be missing"),
        ({"x": None, "mode": "ok"}, "x", "must not be missing"),
        ({"x": "3", "mode": "ok"}, "x", "must be a number"),
        ({"x": True, "mode": "ok"}, "x", "must be a number"),
        ({"x": 101, "mode": "ok"}, "x", "must be at most 100"),
        ({"x": -100.5, "mode": "ok"}, "x", "must be at least -100"),
        ({"x": 1, "n": 1.5, "mode": "ok"}, "n", "must be an integer"),
        ({"x": 1, "n": 2**31, "mode": "ok"}, "n", "must be within ±2147483647"),
        ({"x": 1, "mode": "OK"}, "mode", "must be one of ok, raise"),
        ({"x": 1, "mode": "ok", "m": 1}, "m", "is not a column of this model"),
        ({"x": 1, "moode": "ok", "mode": "ok"}, "moode", "did you mean mode?"),
        (["x"], None, "must be an object"),
    ],
)
def test_a_bad_value_is_named_by_row_and_column(
    running: services.Running, row: dict[str, Any], column: str, problem: str
) -> None:
    body = {"rows": [{"x": 1, "mode": "ok"}, row]}
    error = error_of(running.client.post("/predict", json=body), 422, "invalid_rows")
    [found] = error["rows"]
    assert (found["index"], found["column"]) == (1, column)
    assert problem in found["problem"]
    assert "row 1" in error["message"]


def test_as_many_rows_and_bytes_as_the_contract_allows_are_taken(running: services.Running) -> None:
    rows = [{"mode": "ok", "x": 1}] * 1000
    body = json.dumps({"rows": rows}).encode().ljust(200_000)
    headers = {"content-type": "application/json"}
    for content in (body, iter([body[:50_000], body[50_000:]])):
        answer = running.client.post("/predict", content=content, headers=headers)
        assert answer.status_code == 200, answer.text
        assert len(answer.json()["predictions"]) == 1000


def test_too_large_a_body_is_a_413_with_and_without_its_length(running: services.Running) -> None:
    for chunk in (b" " * 200_001, (b" " * 10_000 for _ in range(30))):
        headers = {"content-type": "application/json"}
        error = error_of(
            running.client.post("/predict", content=chunk, headers=headers), 413, "too_large"
        )
        assert "200000 bytes" in error["message"]


@pytest.mark.parametrize(
    "headers",
    [
        {"content-type": "text/plain"},
        {"content-type": "text/csv; charset=latin-1"},
        {"content-type": "application/x-www-form-urlencoded"},
        {"content-type": "application/json; charset=latin-1"},
        {"content-type": "application/json", "content-encoding": "gzip"},
    ],
)
def test_another_media_type_is_a_415(running: services.Running, headers: dict[str, str]) -> None:
    body = json.dumps({"rows": [{"x": 1, "mode": "ok"}]})
    response = running.client.post("/predict", content=body, headers=headers)
    error_of(response, 415, "unsupported_media_type")


def test_unknown_paths_and_wrong_methods(running: services.Running) -> None:
    error_of(running.client.get("/nowhere"), 404, "not_found")
    error_of(running.client.post("/schema.json"), 404, "not_found")
    response = running.client.get("/predict")
    error_of(response, 405, "method_not_allowed")
    assert response.headers["allow"] == "POST"
    response = running.client.delete("/metadata")
    error_of(response, 405, "method_not_allowed")
    assert response.headers["allow"] == "GET, HEAD"


@pytest.mark.parametrize("mode", ["raise", "nan", "short"])
def test_an_error_of_the_model_is_a_500_that_tells_nothing_of_it(
    running: services.Running, mode: str
) -> None:
    error = error_of(running.predict({"x": 1, "mode": mode}), 500, "model_error")
    assert "secret" not in error["message"]
    assert running.predict(GOOD).json()["predictions"] == [7.0]
    if mode == "raise":
        assert "a secret of the model" in running.log.read_text()


def test_a_model_that_ends_its_process_is_a_503_and_the_next_call_is_answered(
    running: services.Running,
) -> None:
    response = running.predict({"x": 1, "mode": "die"})
    error_of(response, 503, "no_worker")
    assert int(response.headers["retry-after"]) >= 1
    assert running.predict(GOOD).json()["predictions"] == [7.0]


def test_a_model_that_hangs_is_a_504_and_the_next_call_is_answered(
    running: services.Running,
) -> None:
    error_of(running.predict({"x": 1, "mode": "hang"}), 504, "deadline")
    assert running.predict(GOOD).json()["predictions"] == [7.0]


def test_a_worker_killed_in_mid_request_costs_nobody_an_answer(running: services.Running) -> None:
    threading.Timer(0.4, lambda: [each.kill() for each in running.workers()]).start()
    assert running.predict({**GOOD, "mode": "slow"}).json()["predictions"] == [7.0]
    assert running.client.get("/readyz").status_code == 200


def test_other_paths_are_answered_while_the_model_is_busy(running: services.Running) -> None:
    call = threading.Thread(target=running.predict, args=({**GOOD, "mode": "slow"},))
    call.start()
    time.sleep(0.2)
    running.client.get("/metadata")
    assert call.is_alive()
    call.join()


def test_a_caller_who_sends_half_a_request_is_told_and_holds_up_nobody(
    running: services.Running,
) -> None:
    with socket.create_connection(("127.0.0.1", running.port), timeout=20) as slow:
        head = "POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        slow.sendall(f'{head}Content-Length: 100\r\n\r\n{{"rows"'.encode())
        assert running.predict(GOOD).status_code == 200
        answer = http.client.HTTPResponse(slow)
        answer.begin()
        assert answer.status == 408
        assert json.loads(answer.read())["error"]["code"] == "slow_request"


@pytest.mark.parametrize("language", ["python", "r", "julia"])
def test_sigterm_answers_what_was_begun_and_leaves_nothing_behind(
    bentos: Callable[[str], Path], start: Start, language: str
) -> None:
    service = start(bentos(language))
    service.wait_until_answered()
    family = service.family()
    answers: list[httpx.Response] = []
    call = threading.Thread(
        target=lambda: answers.append(service.predict({**GOOD, "mode": "slow"}))
    )
    call.start()
    wait_for(lambda: "a slow call" in service.log.read_text())
    service.process.terminate()
    call.join()
    assert answers[0].json()["predictions"] == [7.0]
    assert service.log.read_text().count("a slow call") == 1  # no worker died and was replaced
    service.process.wait(20)
    assert psutil.wait_procs(family, timeout=10)[1] == []


def test_a_killed_api_process_comes_back_and_takes_its_workers_with_it(
    bentos: Callable[[str], Path], start: Start
) -> None:
    service = start(bentos("r"))
    service.wait_until_answered()
    [worker] = service.workers()
    service.api().kill()
    worker.wait(20)
    assert service.wait_until_answered().status_code == 200
    assert service.predict(GOOD).json()["predictions"] == [7.0]


def test_a_killed_supervisor_takes_the_service_with_it(
    bentos: Callable[[str], Path], start: Start
) -> None:
    service = start(bentos("r"))
    service.wait_until_answered()
    family = service.family()
    service.process.send_signal(signal.SIGKILL)
    service.process.wait()
    assert psutil.wait_procs(family, timeout=20)[1] == []


def test_a_model_that_does_not_load_is_never_ready_and_says_why(
    tmp_path: Path, start: Start
) -> None:
    source = "def load_model(directory):\n    raise KeyError('weights')\n\ndef predict(m, r): ...\n"
    service = start(services.build_tiny(tmp_path, "python", source))
    error = error_of(service.wait_until_answered(), 503, "no_worker")
    assert "weights" in error["message"]
    error_of(service.predict(GOOD), 503, "no_worker")
    assert service.client.get("/metadata").json()["version"] is None


def test_several_outputs_are_objects_and_integers_stay_integers(
    tmp_path: Path, start: Start
) -> None:
    rules = services.contract("python") | {
        "task": "ranking",
        "output": {
            "first": {"type": "string", "nullable": False},
            "second": {"type": "integer", "nullable": False},
        },
    }
    source = (
        "import pandas as pd\n\ndef load_model(directory): ...\n\n"
        "def predict(model, rows):\n"
        "    return pd.DataFrame({'second': [5] * len(rows), 'first': rows['mode']})\n"
    )
    service = start(services.build_tiny(tmp_path, "python", source, rules))
    service.wait_until_answered()
    answer = service.predict({"x": 1}, {"x": 2})
    assert answer.json()["predictions"] == [{"first": "ok", "second": 5}] * 2
    assert '"second":5}' in answer.text
