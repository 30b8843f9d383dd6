"""The page at `/`, driven in a headless Chromium as an analyst would."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import services
from tests.support.browser import Browser

HARM = "</script><b onclick=x>\"'&"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[services.Running]:
    root = tmp_path_factory.mktemp("page")
    rules = services.contract("r", max_rows=3)
    rules["description"] = HARM
    rules["input"]["x"]["description"] = HARM
    release = root / "release.json"
    judged = {"at": "2026-11-21T10:00:00+00:00", "said": f"Its error was 17.5 euro. {HARM}"}
    release.write_text(json.dumps({"model": "tiny-r", "version": 7, "evaluation": judged}))
    service = services.serve(services.build_tiny(root, "r", rules=rules), root / "run", release)
    service.wait_until_answered()
    yield service
    service.stop()


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with Browser(tmp_path_factory.mktemp("chromium")) as browser:
        yield browser


@pytest.fixture
def page(running: services.Running, browser: Browser) -> Browser:
    browser.open(f"http://127.0.0.1:{running.port}/")
    return browser


def send_file(page: Browser, path: Path) -> None:
    page.choose_file("#file", path)
    page.run("document.querySelector('#many button').click()")


def test_the_form_predicts_and_says_the_unit(page: Browser) -> None:
    page.run("document.getElementById('f-x').value = '4'")
    page.run("document.getElementById('f-n').value = '1'")
    page.run("document.querySelector('#one button').click()")
    assert page.wait("document.getElementById('answer').textContent") == "y: 9 euro"


def test_it_works_by_keyboard_alone(page: Browser) -> None:
    page.run("document.getElementById('f-x').focus(); document.getElementById('f-x').select()")
    for digit in "12":
        page.press(digit, ord(digit), digit)
    for key in ("Tab", "Tab", "Tab"):
        page.press(key, 9)
    assert page.run("document.activeElement.textContent") == "Predict"
    page.press("Enter", 13, "\r")
    assert "y: " in page.wait("document.getElementById('answer').textContent")


def test_a_value_that_is_not_allowed_is_not_sent(page: Browser) -> None:
    page.run("document.getElementById('f-x').value = '1000'")
    page.run("document.querySelector('#one button').click()")
    assert page.run("document.getElementById('f-x').validationMessage")
    assert page.run("document.getElementById('answer').textContent") == ""


def test_an_error_of_the_service_is_shown_in_words(page: Browser) -> None:
    page.run("document.getElementById('f-mode').value = 'raise'")
    page.run("document.querySelector('#one button').click()")
    assert "own code failed" in page.wait("document.querySelector('#answer.bad')?.textContent")


def test_a_file_comes_back_with_a_column_more(page: Browser, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("\ufeffmode,x,n\r\n" + "".join(f'"ok",{i},1\r\n' for i in range(8)))
    send_file(page, path)
    assert page.wait("document.querySelector('#done a')?.textContent") == "Save the 8 predictions"
    saved = page.download("#done a", tmp_path)
    assert saved.name == "tiny-r-predictions.csv"
    lines = saved.read_bytes().decode().split("\r\n")
    assert lines[0].lstrip("\ufeff") == "mode,x,n,predicted_y"
    assert lines[1:-1] == [f'"ok",{i},1,{2 * i + 1}' for i in range(8)]


def test_a_file_with_semicolons_and_decimal_commas_comes_back_as_it_came(
    page: Browser, tmp_path: Path
) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(
        'mode;"x";n\r\nok;1,5;1\r\n"ok";-2,25;\r\nok;3;2\r\nok;4,25;3\r\n'.encode("cp1252")
    )
    send_file(page, path)
    assert page.wait("document.querySelector('#done a')?.textContent") == "Save the 4 predictions"
    lines = page.download("#done a", tmp_path).read_bytes().decode("utf-8-sig").split("\r\n")
    assert lines[0] == 'mode;"x";n;predicted_y'
    assert lines[1] == "ok;1,5;1;4"
    assert lines[2].startswith('"ok";-2,25;;')
    assert lines[3:5] == ["ok;3;2;8", "ok;4,25;3;11,5"]


def test_a_number_that_may_mean_two_is_not_sent(page: Browser, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("mode;x;n\nok;1,5;1\nok;1.234;1\n")
    send_file(page, path)
    said = page.wait("document.querySelector('#done.bad')?.textContent")
    assert "Row 2, x: 1.234 may mean two numbers" in said


def test_a_file_in_the_older_encoding_of_windows_is_read(page: Browser, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes("mode;x;größe\nok;1,5;1\n".encode("cp1252"))
    send_file(page, path)
    assert "'größe' is no column" in page.wait("document.querySelector('#done.bad')?.textContent")


def test_a_bad_line_of_a_file_is_named(page: Browser, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("mode,x,n\nok,1,1\nok,5000,1\n")
    send_file(page, path)
    said = page.wait("document.querySelector('#done.bad')?.textContent")
    assert "Row 2, x: must be at most 100" in said


def test_it_fits_a_phone_and_names_every_field(
    page: Browser, running: services.Running, tmp_path: Path
) -> None:
    page.open(f"http://127.0.0.1:{running.port}/", width=360)
    assert page.run("document.documentElement.scrollWidth") <= 360
    unlabelled = (
        "[...document.querySelectorAll('input,select')].filter(e => !e.labels.length).length"
    )
    assert page.run(unlabelled) == 0


def test_it_says_how_good_the_version_is_and_since_when(page: Browser) -> None:
    said = f"Judged on 2026-11-21. Its error was 17.5 euro. {HARM}"
    assert page.run("document.getElementById('judged').textContent") == said
    assert "Version 7, owned by marketing" in page.run("document.body.textContent")


def test_text_of_a_contract_is_text_and_nothing_is_fetched_from_elsewhere(
    page: Browser, running: services.Running
) -> None:
    assert page.run("document.querySelector('h1 + p').textContent") == HARM
    assert page.run("document.querySelectorAll('b').length") == 0
    answer = running.client.get("/")
    assert "://" not in answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert page.run("performance.getEntriesByType('resource').length") == 0
