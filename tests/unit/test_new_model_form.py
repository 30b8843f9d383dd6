"""The issue form for a new model: what it asks is what is read, and no answer is trusted."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

import ci
from ci.contract.model import load_model_contract
from ci.errors import MlopsError
from ci.repository import Repository
from ci.scaffold import new_model
from ci.scaffold.form import EMPTY, LABELS, LANGUAGES, Wish, read_form
from tests.support.repositories import new_repository

FORM = Path(ci.__file__).parents[1] / ".github/ISSUE_TEMPLATE/new-model.yml"
GOOD = {
    "name": "delivery-time",
    "language": "R",
    "owner": "procurement",
    "dataset": "sales",
    "target": "units sold",
    "description": "The days until an order is delivered.",
}


def body(**changes: str) -> str:
    """The body that GitHub makes of the form."""
    answers = {**GOOD, **changes}
    return "\n\n".join(f"### {label}\n\n{answers[key]}" for key, label in LABELS.items())


def test_the_form_asks_what_is_read_in_the_same_order() -> None:
    form = yaml.safe_load(FORM.read_text(encoding="utf-8"))
    asked = {e["id"]: e["attributes"]["label"] for e in form["body"] if "id" in e}
    assert list(asked.items()) == list(LABELS.items())
    (options,) = [e["attributes"]["options"] for e in form["body"] if e.get("id") == "language"]
    assert options == list(LANGUAGES)
    required = {e["id"] for e in form["body"] if e.get("validations", {}).get("required")}
    assert required == {"name", "language", "owner", "description"}


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_filled_in_form_is_a_wish(end: str) -> None:
    text = body(dataset=EMPTY, target=EMPTY).replace("\n", end)
    assert read_form(text) == Wish(
        "delivery-time", "r", "procurement", None, None, GOOD["description"]
    )
    assert read_form(body()).target == "units sold"


def test_headings_in_the_last_answer_are_text() -> None:
    text = body(description="It predicts.\n\n### Team\n\nplatform\n\n### Language\n\nPython")
    wish = read_form(text)
    assert (wish.owner, wish.language) == ("procurement", "r")
    assert wish.description == "It predicts. ### Team platform ### Language Python"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"name": "../../.github/workflows/x"}, "can't name a model"),
        ({"name": "$(touch /tmp/x)"}, "can't name a model"),
        ({"name": "Delivery Time"}, "lower-case letters"),
        ({"name": "a" * 51}, "at most 50"),
        ({"name": EMPTY}, "can't name a model"),
        ({"name": "x\n\n### Language\n\nR\n\n### Team\n\ndata"}, "can't name a team"),
        ({"language": "Perl"}, "'Language' is one of Python, R, Julia"),
        ({"owner": "the team"}, "can't name a team"),
        ({"dataset": "../models"}, "can't name a dataset"),
        ({"target": "a\nb"}, "'Column to predict' is one line"),
        ({"target": "x" * 201}, "'Column to predict' is one line"),
        ({"description": EMPTY}, "needs a sentence"),
        ({"description": "x" * 301}, "needs a sentence"),
        ({"description": "right\u202eto left"}, "needs a sentence"),
        ({"description": "x" * 20_000}, "is not there"),
    ],
)
def test_a_bad_answer_is_one_sentence(changes: dict[str, str], said: str) -> None:
    with pytest.raises(MlopsError) as caught:
        read_form(body(**changes))
    assert said in caught.value.message
    assert "\n" not in caught.value.message


@pytest.mark.parametrize("text", [None, "", "Hello", "### Team\n\ndata\n", f"Hello\n\n{body()}"])
def test_an_issue_that_is_no_form_is_refused(text: str | None) -> None:
    with pytest.raises(MlopsError, match="open an issue with the form"):
        read_form(text)


HOSTILE = '"""\n`rm` <b> {{name}} @everybody # ${x} - *a*: [x](https://evil.example) | $(id) !'


@pytest.mark.parametrize("language", list(LANGUAGES.values()))
def test_a_description_is_text_wherever_it_is_written(tmp_path: Path, language: str) -> None:
    repository = new_repository(tmp_path / "repository")
    columns = {"x": {"type": "number"}, "y": {"type": "number"}}
    dataset = {
        **{"name": "sales", "description": "d", "owner": "data", "source": "s", "licence": "l"},
        **{"pii": "none", "retention": "r"},
        "tables": {"sales": {"file": "tables/sales.csv", "columns": columns}},
    }
    (repository.data_dir / "sales").mkdir()
    (repository.data_dir / "sales/dataset.yaml").write_text(yaml.safe_dump(dataset))
    said = read_form(body(description=HOSTILE)).description
    folder = new_model(repository, "fresh", language, "sales", "y", "data", said)
    assert load_model_contract(repository, "fresh").description == said
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert "@everybody" not in card
    assert "<b>" not in card
    assert "(https://" not in card
    code = [path for path in folder.iterdir() if path.suffix in (".py", ".R", ".jl")]
    assert code
    assert not [path for path in code if "everybody" in path.read_text(encoding="utf-8")]


def test_the_shipped_teams_and_datasets_fit_the_placeholders() -> None:
    repository = Repository(FORM.parents[2])
    form = yaml.safe_load(FORM.read_text(encoding="utf-8"))
    shown = {e["id"]: e["attributes"].get("placeholder") for e in form["body"] if "id" in e}
    teams = yaml.safe_load((repository.policies_dir / "access.yaml").read_text())["teams"]
    assert shown["owner"] in teams
    assert shown["dataset"] in repository.dataset_names()
