"""Teams: every owner is one, and CODEOWNERS says what they and the contracts say."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

import ci
from ci.check import check
from ci.codeowners import codeowners, write_codeowners
from ci.contract.access import AccessPolicy, Team
from ci.contract.policy import load_policy
from ci.errors import MlopsError
from ci.repository import Repository
from ci.yaml_file import ProblemsError
from tests.support.command import mlops, result
from tests.support.repositories import new_repository, write_dataset, write_model

ROOT = Repository(Path(ci.__file__).parents[1])
TEAMS: dict[str, object] = {
    "marketing": {"members": ["ada-l", "Grace"]},
    "procurement": {"members": ["edsger"]},
    "data": {},
    "platform": {"members": ["grace"]},
}


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """A repository with two models, two datasets, three people and `.github`."""
    made = new_repository(tmp_path / "repository")
    set_teams(made, TEAMS)
    write_model(made, "campaign")
    write_model(made, "orders", owner="procurement")
    write_dataset(made, "sales")
    (made.data_dir / "sales/dataset.yaml").write_text("name: sales\nowner: data\n")
    (made.root / ".github").mkdir()
    write_codeowners(made)
    return made


def set_teams(repository: Repository, teams: dict[str, object]) -> None:
    (repository.policies_dir / "access.yaml").write_text(yaml.safe_dump({"teams": teams}))


def said(repository: Repository, word: str) -> list[str]:
    return [each for p in check(repository) if word in (each := p.sentence())]


def rules(text: str) -> list[str]:
    return [line for line in text.splitlines() if not line.startswith("#")]


def test_codeowners_has_a_line_for_every_model_and_dataset(repository: Repository) -> None:
    assert rules(codeowners(repository)) == [
        "* @grace",
        "/models/campaign/ @ada-l @Grace",
        "/models/orders/ @edsger",
        "/data/sales/",
    ]


def test_this_repositorys_codeowners_is_what_its_teams_and_contracts_say() -> None:
    text = (ROOT.root / ".github/CODEOWNERS").read_text(encoding="utf-8")
    assert text == codeowners(ROOT), "type: mlops codeowners"
    paths = {line.split()[0] for line in rules(text)}
    models = {f"/models/{name}/" for name in ROOT.model_names()}
    assert models
    assert models <= paths


def test_check_names_the_first_line_that_is_out_of_date(repository: Repository) -> None:
    assert said(repository, "CODEOWNERS") == []
    set_teams(repository, {**TEAMS, "procurement": {"members": ["edsger", "barbara"]}})
    assert said(repository, "CODEOWNERS") == [
        ".github/CODEOWNERS:5: this line should be '/models/orders/ @edsger @barbara'; "
        "type: mlops codeowners"
    ]
    assert mlops(repository.root, "codeowners").code == 0
    assert said(repository, "CODEOWNERS") == []


def test_a_codeowners_with_lines_too_many_or_none_is_found(repository: Repository) -> None:
    path = repository.root / ".github/CODEOWNERS"
    path.write_text(path.read_text() + "* @stranger\n")
    assert said(repository, "CODEOWNERS:7: nothing should stand from here on")
    path.unlink()
    assert said(repository, "CODEOWNERS:1: this line should be '# Written by")


def test_a_repository_without_github_needs_no_codeowners(tmp_path: Path) -> None:
    made = new_repository(tmp_path / "repository")
    assert said(made, "CODEOWNERS") == []
    result(made.root, "codeowners")
    assert (made.root / ".github/CODEOWNERS").is_file()


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"owner": "marketting"}, "models/campaign/model.yaml:2: owner: "),
        (
            {"parameters": {"train.x": {"type": "number", "minimum": 0, "maximum": 1,
             "owner": "marketting", "description": "A number."}}},
            "parameters.train.x.owner: ",
        ),
    ],
)  # fmt: skip
def test_an_owner_that_is_no_team_is_named_with_its_line(
    repository: Repository, change: dict[str, object], place: str
) -> None:
    file = repository.models_dir / "campaign/model.yaml"
    data = {**yaml.safe_load(file.read_text()), **change}
    file.write_text(yaml.safe_dump(data, sort_keys=False))
    (found,) = said(repository, "no team")
    assert place in found
    assert found.endswith(
        "there is no team 'marketting' in policies/access.yaml; did you mean 'marketing'?"
    )
    assert [p for p in check(repository, "campaign") if "no team" in p.problem]
    assert not [p for p in check(repository, "orders") if "no team" in p.problem]


def test_owners_of_datasets_and_waivers_are_teams_too(repository: Repository) -> None:
    (repository.data_dir / "sales/dataset.yaml").write_text("name: sales\nowner: nobody\n")
    policy = repository.policies_dir / "promotion.yaml"
    waiver = (
        "{model: orders, rule: slices, reason: For a test., owner: somebody, expires: 2030-01-31}"
    )
    policy.write_text(policy.read_text().replace("waivers: []", f"waivers: [{waiver}]"))
    found = said(repository, "no team")
    assert [each.partition(": there is")[0].split(":")[0] for each in found] == [
        "policies/promotion.yaml",
        "data/sales/dataset.yaml",
    ]


@pytest.mark.parametrize(
    ("teams", "said"),
    [
        ({"marketing": {}}, "the team platform is missing"),
        ({"platform": {"members": ["@grace"]}}, "teams.platform.members.0"),
        ({"platform": {"members": ["a b"]}}, "teams.platform.members.0"),
        ({"platform": {"members": ["grace", "Grace"]}}, "grace is listed twice"),
        ({"platform": {"membres": []}}, "did you mean 'members'?"),
        ({"platform": {}, "The Team": {}}, "teams.The Team"),
    ],
)
def test_a_policy_that_names_no_real_teams_is_refused(
    repository: Repository, teams: dict[str, object], said: str
) -> None:
    set_teams(repository, teams)
    with pytest.raises(ProblemsError) as caught:
        load_policy(repository, AccessPolicy)
    assert said in caught.value.message
    assert "policies/access.yaml" in [p.file for p in check(repository)]


def test_a_member_is_known_in_any_case(repository: Repository) -> None:
    policy = load_policy(repository, AccessPolicy)
    assert policy.team("marketing").has("GRACE")
    assert not policy.team("marketing").has("edsger")
    assert not Team().has("grace")
    with pytest.raises(MlopsError, match="did you mean 'marketing'"):
        policy.team("marketin")


def test_a_new_model_and_a_new_dataset_get_their_lines_at_once(
    repository: Repository, tmp_path: Path
) -> None:
    rows = "".join(f"s{n % 30},{n},{n * 2}\n" for n in range(200))
    (tmp_path / "visits.csv").write_text(f"store,day_number,visits\n{rows}")
    result(repository.root, "data", "add", tmp_path / "visits.csv", "--name", "visits",
           "--owner", "procurement")  # fmt: skip
    new = ("new", "footfall", "--language", "python", "--dataset", "visits", "--target", "visits")
    result(repository.root, *new)
    lines = rules((repository.root / ".github/CODEOWNERS").read_text())
    assert {"/models/footfall/ @edsger", "/data/visits/ @edsger"} <= set(lines)
    refused = mlops(repository.root, "data", "add", tmp_path / "visits.csv", "--name", "more",
                    "--owner", "procurment", "--json")  # fmt: skip
    assert refused.error == "unknown_team"
