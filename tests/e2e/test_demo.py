"""The main job on the real data, as `make demo` does it once everything is installed."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.command import MLOPS, mlops, result
from tests.support.repositories import SOURCE, commit_all, git, own_ports

LANGUAGES = {
    "customer-segmentation": "julia",
    "demand-forecast": "r",
    "product-recommendations": "python",
}


@pytest.fixture
def clone(tmp_path: Path) -> Iterator[Path]:
    """A clone of what is committed, whose services have ports that nobody else uses."""
    root = tmp_path / "clone"
    git(tmp_path, "clone", "-q", str(SOURCE), str(root))
    own_ports(root, 17600)
    commit_all(root)
    yield root
    mlops(root, "stop")


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_the_demo_ends_with_three_apis_that_answer(clone: Path) -> None:
    done = subprocess.run([MLOPS, "demo"], cwd=clone, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr

    rows = table_of(done.stdout)
    assert {row["MODEL"]: row["LANGUAGE"] for row in rows} == LANGUAGES
    assert {row["VERDICT"] for row in rows} == {"pass"}
    assert {row["VERSION"] for row in rows} == {"1"}
    assert {row["DRIFT"] for row in rows} <= {"alert", "quiet"}
    for row in rows:
        assert (clone / row["PLOT"]).read_bytes().startswith(b"\x89PNG")
        assert (clone / row["SCORED"]).stat().st_size > 0
        assert ask(row["URL"]) == (row["MODEL"], 1)
        assert f"POST {row['URL']}/predict" in done.stderr

    [report] = re.findall(r"^Report: +(\S+)$", done.stdout, re.M)
    text = (clone / report).read_text()
    assert text.startswith("# 3 models: 3 pass")
    assert text.count("```mermaid") == 6
    assert [row["state"] for row in result(clone, "status")] == ["running"] * 3

    assert set(result(clone, "stop")["stopped"]) == set(LANGUAGES)
    for row in rows:
        with pytest.raises(httpx.ConnectError):
            ask(row["URL"])


def table_of(text: str) -> list[dict[str, str]]:
    """The first table in ``text``: its columns are two spaces or more apart."""
    lines = text.strip().split("\n\n")[0].splitlines()
    header, *rows = [re.split(r" {2,}", line.strip()) for line in lines]
    return [dict(zip(header, row, strict=True)) for row in rows]


def ask(url: str) -> tuple[str, int]:
    """Send the example request of the API's own description; which model and version answered."""
    described = httpx.get(f"{url}/docs.json", timeout=30).json()
    request = described["paths"]["/predict"]["post"]["requestBody"]
    example = request["content"]["application/json"]["example"]
    answer = httpx.post(f"{url}/predict", json=example, timeout=30)
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert len(body["predictions"]) == len(example["rows"])
    return body["model"], body["version"]
