"""Bad arguments: exit code 2, and whole sentences."""

from __future__ import annotations

import re

import pytest

from ci.cli.run import run

WRONG = {
    "no such command": ["frobnicate"],
    "no argument": ["train"],
    "an argument too many": ["train", "one", "two"],
    "no such option": ["status", "--all"],
    "an option without a value": ["plan", "--base"],
    "a required option left out": ["score-merge", "one"],
    "no such language": ["new", "one", "--language", "cobol"],
}


@pytest.mark.parametrize("case", list(WRONG))
def test_bad_arguments_are_said_in_sentences(case: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(WRONG[case]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert re.fullmatch(r"Error: [^\n]+[^.]\. Type 'mlops[a-z -]* --help' to see [^\n]+\.\n", err)
