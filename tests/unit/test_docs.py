"""The documents agree with the code: keys, commands, options, targets, links."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import ci
from ci.contract.base import Contract
from ci.contract.dataset import Dataset
from ci.contract.model import ModelContract
from ci.contract.policies import POLICIES
from ci.reference import FOLDER, pages
from ci.reference.commands import all_commands
from ci.reference.keys import descriptions, parts
from ci.reference.markdown import table

ROOT = Path(ci.__file__).parents[1]
GENERATED = pages()
WRITTEN = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
CARDS = sorted((ROOT / "models").glob("*/README.md"))
CONTRACTS: dict[type[Contract], str] = {
    ModelContract: "model-yaml.md",
    Dataset: "dataset-yaml.md",
    **dict.fromkeys(POLICIES, "policies.md"),
}


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def _commands_in(text: str) -> list[list[str]]:
    """Every `mlops …` in fenced shell blocks and in inline code."""
    blocks = re.findall(r"^\s*```sh\n(.*?)^\s*```", text, re.M | re.S)
    lines = [line.strip() for block in blocks for line in block.splitlines()]
    prose = re.sub(r"^\s*```.*?^\s*```", "", text, flags=re.M | re.S)
    lines += [" ".join(code.split()) for code in re.findall(r"`([^`]+)`", prose)]
    found = [re.sub(r"^\.venv/bin/", "", line) for line in lines]
    return [shlex.split(line, comments=True) for line in found if line.startswith("mlops ")]


def _problem(words: list[str]) -> str | None:
    """Why a shown command can't be typed, or None where it can."""
    known = all_commands()
    if words[1].startswith("--"):
        return None if words[1:] == ["--help"] else f"mlops takes no {words[1]}"
    name = next((n for n in (" ".join(words[1:3]), words[1]) if n in known), None)
    if name is None:
        return f"there is no command mlops {words[1]}"
    return _wrong_option(known[name], words[1 + len(name.split()) :])


def _wrong_option(command: Any, words: list[str]) -> str | None:
    options = {o for p in command.params for o in p.opts if o.startswith("--")} | {"--help"}
    wrong = [word for word in words if word.startswith("--") and word not in options]
    return f"mlops {command.name} has no option {wrong[0]}" if wrong else None


def _targets(text: str) -> set[str]:
    return set(re.findall(r"^([a-z-]+):", text, re.M))


def _broken_links(path: Path, text: str) -> list[str]:
    found = re.findall(r"\]\(([^)\s]+)\)", text)
    local = [link for link in found if not re.match(r"[a-z]+:", link)]
    return [link for link in local if not _leads_somewhere(path, link)]


def test_the_index_leads_to_every_document() -> None:
    index = ROOT / "docs" / "README.md"
    links = {
        (index.parent / link).resolve()
        for link in re.findall(r"\]\(([^)\s#]+)\)", index.read_text("utf-8"))
    }
    assert set((ROOT / "docs").rglob("*.md")) - {index} == links


def _leads_somewhere(path: Path, link: str) -> bool:
    file, _, anchor = link.partition("#")
    target = (path.parent / file).resolve() if file else path
    return target.exists() and (not anchor or anchor in _anchors(target.read_text("utf-8")))


def _anchors(text: str) -> set[str]:
    heads = re.findall(r"^#+ (.*)$", text, re.M)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("name", GENERATED)
def test_reference_is_what_the_code_gives(name: str) -> None:
    written = (ROOT / FOLDER / name).read_text("utf-8")
    assert written == GENERATED[name], "type: .venv/bin/python -m ci.reference"


@pytest.mark.parametrize("contract", CONTRACTS, ids=lambda contract: contract.__name__)
def test_every_key_is_in_the_reference_with_its_meaning(contract: type[Contract]) -> None:
    page = (ROOT / FOLDER / CONTRACTS[contract]).read_text("utf-8")
    for part, paths in parts(contract):
        meanings = descriptions(part)
        assert all(path in page for path in paths)
        for key in part.model_fields:
            meaning = re.escape(" ".join(meanings[key].split()))
            row = rf"^\| `{key}` \|.*\| {meaning} \|$"
            assert re.search(row, page, re.M), f"{part.__name__}.{key} is not in the reference"


def test_no_text_breaks_the_table_that_it_is_in() -> None:
    assert table(["key"], [["one | two\n    and three"]]).splitlines()[2:] == [
        "| one \\| two and three |"
    ]


def test_every_command_and_option_is_in_the_reference() -> None:
    page = (ROOT / FOLDER / "cli.md").read_text("utf-8")
    for name, command in all_commands().items():
        section = page.partition(f"## mlops {name}\n")[2].partition("\n## ")[0]
        assert section, f"mlops {name} is not in the reference"
        for part in command.params:
            assert part.help, f"mlops {name}: {part.name} has no help"
            assert part.help in section
            assert part.opts[0] in section or part.metavar in section


def _unlisted_workflows(root: Path) -> list[str]:
    text = "".join(page.read_text("utf-8") for page in (root / FOLDER).glob("*.md"))
    files = sorted((root / ".github" / "workflows").glob("*.y*ml"))
    return [file.name for file in files if file.name not in text]


def test_every_workflow_is_in_the_reference() -> None:
    assert _unlisted_workflows(ROOT) == []


def test_a_workflow_that_is_not_in_the_reference_is_found(tmp_path: Path) -> None:
    (tmp_path / ".github" / "workflows").mkdir(parents=True)
    (tmp_path / ".github" / "workflows" / "deploy.yml").write_text("on: push\n")
    assert _unlisted_workflows(tmp_path) == ["deploy.yml"]


@pytest.mark.parametrize("path", [*WRITTEN, *CARDS], ids=_name)
def test_links_lead_somewhere(path: Path) -> None:
    assert _broken_links(path, path.read_text("utf-8")) == []


@pytest.mark.parametrize("path", [*WRITTEN, *CARDS], ids=_name)
def test_commands_that_are_shown_exist(path: Path) -> None:
    problems = [_problem(words) for words in _commands_in(path.read_text("utf-8"))]
    assert [problem for problem in problems if problem] == []


def test_make_targets_that_are_shown_exist() -> None:
    text = "".join(path.read_text("utf-8") for path in [*WRITTEN, *CARDS])
    shown = set(re.findall(r"(?:`|^)make ([a-z-]+)", text, re.M))
    assert {"demo", "test"} <= shown
    assert shown <= _targets((ROOT / "Makefile").read_text("utf-8"))


def test_pictures_are_small_enough_to_clone() -> None:
    pictures = list((ROOT / "docs" / "images").glob("*.png"))
    assert pictures
    assert all(picture.stat().st_size < 200_000 for picture in pictures)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("```sh\nmlops trian demand-forecast\n```", "there is no command mlops trian"),
        ("type `mlops train x --fast`", "mlops train has no option --fast"),
        ("type `mlops data ad FILE`", "there is no command mlops data"),
        ("`mlops --version`", "mlops takes no --version"),
        ("`.venv/bin/mlops status --jsn`", "mlops status has no option --jsn"),
    ],
)
def test_a_command_that_does_not_exist_is_found(text: str, problem: str) -> None:
    assert [_problem(words) for words in _commands_in(text)] == [problem]


def test_a_link_that_leads_nowhere_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    text = "[a](page.md#head) [b](page.md#other) [c](gone.md) [d](https://example.org/x)\n# Head\n"
    page.write_text(text)
    assert _broken_links(page, text) == ["page.md#other", "gone.md"]


def test_the_command_that_writes_the_pages(tmp_path: Path) -> None:
    (tmp_path / "policies").mkdir()
    (tmp_path / ".dvc").mkdir()
    subprocess.run([sys.executable, "-m", "ci.reference"], cwd=tmp_path, check=True)
    assert {path.name for path in (tmp_path / FOLDER).iterdir()} == set(GENERATED)
