"""The programs that `/docs` shows, run as they stand."""

from __future__ import annotations

import html
import json
import re
import subprocess
import sys
from collections.abc import Iterator

import pytest

from ci.setup import r
from tests.support import services
from tests.support.programs import bring, bring_program

COMMANDS = {
    "curl": ["sh"],
    "python": [sys.executable, "-"],
    "r": ["Rscript", "-"],
}
SPECIAL = 'it\'s "ok" \\ é $HOME `x`'


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[services.Running]:
    """A model whose example has every character that a snippet could stumble over."""
    root = tmp_path_factory.mktemp("snippets")
    rules = services.contract("r")
    rules["input"]["mode"] = {"type": "string", "example": SPECIAL}
    rules["input"]["x"]["example"] = 1.25
    rules["input"]["n"]["example"] = 3
    _install_callers_programs()
    source = services.SOURCES["r"].replace(
        'mode <- c(rows$mode[rows$mode != "ok"], "ok")[1]', CHECKED
    )
    service = services.serve(services.build_tiny(root, "r", source, rules), root / "run")
    service.wait_until_answered()
    yield service
    service.stop()


def _install_callers_programs() -> None:
    """What a caller has and the platform does not need."""
    bring_program("curl", "curl")
    bring(lambda: [f"r-cran-{name}" for name in r.lacking(["jsonlite"])])


CHECKED = 'mode <- if (rows$mode[1] == "it\'s \\"ok\\" \\\\ \\u00e9 $HOME `x`") "ok" else "raise"'


def snippet(service: services.Running, key: str) -> str:
    page = service.client.get("/docs").text
    [text] = re.findall(f'<pre id="{key}">(.*?)</pre>', page, re.DOTALL)
    return html.unescape(text).replace("ADDRESS", f"http://127.0.0.1:{service.port}")


@pytest.mark.parametrize("language", list(COMMANDS))
def test_a_snippet_prints_the_prediction(running: services.Running, language: str) -> None:
    done = subprocess.run(
        COMMANDS[language],
        input=snippet(running, language),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert "5.5" in done.stdout, done.stdout


def test_power_query_holds_the_example_and_the_address(running: services.Running) -> None:
    """Power Query runs in Excel only; its one text is unquoted as M does it."""
    text = snippet(running, "m")
    [quoted] = re.findall(r'Json\.Document\("(.*)"\),', text)
    assert json.loads(quoted.replace('""', '"')) == [{"x": 1.25, "n": 3, "mode": SPECIAL}]
    assert f"http://127.0.0.1:{running.port}" in text
