"""What a step is told, and what it tells the runner."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from ci.errors import MlopsError
from ci.github import workflow
from ci.github.context import Context


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    event = tmp_path / "event.json"
    event.write_text(json.dumps({"action": "opened"}))
    return {
        "GITHUB_REPOSITORY": "kronkers/mlops",
        "GITHUB_API_URL": "https://api.example.com/",
        "GITHUB_SERVER_URL": "https://example.com",
        "GITHUB_EVENT_PATH": str(event),
        "GITHUB_EVENT_NAME": "pull_request",
        "GITHUB_SHA": "a" * 40,
        "GITHUB_REF": "refs/pull/1/merge",
        "GITHUB_ACTOR": "alice",
        "GITHUB_RUN_ID": "12",
        "GITHUB_WORKSPACE": str(tmp_path),
        "RUNNER_TEMP": str(tmp_path),
    }


def test_the_context_is_what_the_runner_says(environment: dict[str, str]) -> None:
    context = Context.from_environment({**environment, "GITHUB_TOKEN": "secret"})
    assert context.api_url == "https://api.example.com"
    assert (context.owner, context.run_id, context.run_attempt) == ("kronkers", 12, 1)
    assert context.event == {"action": "opened"}
    assert context.run_url == "https://example.com/kronkers/mlops/actions/runs/12"
    assert "secret" not in repr(context)
    assert Context.from_environment({**environment, "GITHUB_TOKEN": ""}).token is None


@pytest.mark.parametrize("missing", ["GITHUB_REPOSITORY", "GITHUB_EVENT_PATH", "RUNNER_TEMP"])
def test_outside_actions_it_says_so(environment: dict[str, str], missing: str) -> None:
    del environment[missing]
    with pytest.raises(MlopsError, match=f"{missing} is not set") as failure:
        Context.from_environment(environment)
    assert failure.value.code == "not_in_actions"


@pytest.mark.parametrize("text", ["{", "[]"])
def test_an_event_that_is_none_is_refused(environment: dict[str, str], text: str) -> None:
    Path(environment["GITHUB_EVENT_PATH"]).write_text(text)
    with pytest.raises(MlopsError) as failure:
        Context.from_environment(environment)
    assert failure.value.code == "not_in_actions"


def test_outputs_hold_any_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "output"
    monkeypatch.setenv("GITHUB_OUTPUT", str(file))
    hostile = "one\nEOF\nname=injected\nend_0"
    workflow.set_output("text", hostile)
    workflow.set_output("count", "2")
    found = re.findall(r"(\w+)<<(end_[0-9a-f]{32})\n(.*?)\n\2\n", file.read_text(), re.DOTALL)
    assert [(name, value) for name, _, value in found] == [("text", hostile), ("count", "2")]


def test_a_summary_ends_at_the_size_that_github_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "summary"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(file))
    workflow.add_summary("# Title")
    workflow.add_summary("é" * 700_000)
    text = file.read_text()
    assert text.startswith("# Title\né")
    assert workflow.SUMMARY_BYTES - 2 <= len(text.encode()) <= workflow.SUMMARY_BYTES
    assert "was cut here" in text[-60:]
    workflow.add_summary("more")
    assert len(file.read_bytes()) <= workflow.SUMMARY_BYTES


def test_annotations_are_escaped(capsys: pytest.CaptureFixture[str]) -> None:
    workflow.annotate("error", "models/a,b:c/train.py", 3, "50 %\nof it::\r", "Broken")
    workflow.annotate("notice", None, 3, "plain")
    assert capsys.readouterr().out == (
        "::error file=models/a%2Cb%3Ac/train.py,line=3,title=Broken::50 %25%0Aof it::%0D\n"
        "::notice::plain\n"
    )


def test_text_of_strangers_gives_no_command(capsys: pytest.CaptureFixture[str]) -> None:
    with workflow.inert():
        print("::add-mask::everything")
    begin, text, end = capsys.readouterr().out.splitlines()
    word = begin.removeprefix("::stop-commands::")
    assert re.fullmatch(r"[0-9a-f]{32}", word)
    assert (text, end) == ("::add-mask::everything", f"::{word}::")


def test_outside_actions_nothing_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GITHUB_OUTPUT", raising=False)
    with pytest.raises(MlopsError, match="GITHUB_OUTPUT is not set"):
        workflow.set_output("a", "b")


def test_it_needs_the_standard_library_only() -> None:
    code = (
        "import sys; sys.modules.update(dict.fromkeys(['requests', 'pydantic', 'yaml']));"
        "import ci.github.workflow, ci.github.context, ci.github.client, ci.github.pulls,"
        "ci.github.statuses, ci.github.runs, ci.github.issues, ci.github.comment"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
