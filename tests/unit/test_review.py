"""Parts of the review: what is touched, which status follows, and what the comment says."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ci.errors import MlopsError
from ci.handover.manifest import Failure, Manifest
from ci.repository import Repository
from ci.review.body import LIMIT, body, parts_of
from ci.review.comment import Links, final, waiting
from ci.review.cost import minutes_of
from ci.review.decide import Decision, Facts, decide
from ci.review.doubts import doubts
from ci.review.judge import ModelReview
from ci.review.page import page
from ci.review.scope import Scope, scope_of
from ci.review.source import fetch, source
from ci.review.verdict import Reviewed, ReviewedModel
from tests.support.handovers import pull_request, zipped
from tests.support.judging import CONTRACT, contract, evaluation, policy
from tests.support.repositories import commit_all, git, new_repository, write_dataset, write_model
from tests.unit.test_report import subject

SHA, OLD = "a" * 40, "b" * 40
LINKS = Links("https://x/files", "https://x/run", "https://x/page")


# --- what is touched --------------------------------------------------------------------------


@pytest.fixture
def base(tmp_path: Path) -> Repository:
    made = new_repository(tmp_path / "repository")
    write_dataset(made, "sales")
    write_model(made, "first")
    write_model(made, "second")
    commit_all(made.root)
    git(made.root, "checkout", "-q", "-b", "work")
    return made


def looked_at(base: Repository, scratch: Path) -> Scope:
    """The scope of what is on `work`, seen from `main`."""
    head = commit_all(base.root)
    git(base.root, "checkout", "-q", "main")
    return scope_of(base, source(base, head, scratch / "merged"))


def test_a_new_model_and_a_removed_one_are_named(base: Repository, tmp_path: Path) -> None:
    write_model(base, "third")
    git(base.root, "rm", "-rq", "models/second")
    scope = looked_at(base, tmp_path)
    assert scope.names == ["third"]
    assert scope.notices[0].startswith("**second is removed.**")
    assert scope.notices[1].startswith("**third is new**")


def test_owners_of_files_are_named_and_need_no_tests(base: Repository, tmp_path: Path) -> None:
    (base.root / ".github").mkdir()
    (base.root / ".github" / "CODEOWNERS").write_text("* @mallory\n")
    scope = looked_at(base, tmp_path)
    assert (scope.names, scope.platform) == ([], ())
    assert "owners are changed** (.github/CODEOWNERS)" in scope.notices[0]


def test_what_main_has_meanwhile_is_no_change_of_the_pull_request(
    base: Repository, tmp_path: Path
) -> None:
    (base.models_dir / "first" / "train.py").write_text("print(1)\n")
    head = commit_all(base.root)
    git(base.root, "checkout", "-q", "main")
    (base.models_dir / "second" / "train.py").write_text("print(2)\n")
    commit_all(base.root)
    merged = source(base, head, tmp_path / "merged")
    assert scope_of(base, merged).names == ["first"]
    assert (merged.root / "models/second/train.py").read_text() == "print(2)\n"


def test_a_conflict_is_a_sentence(base: Repository, tmp_path: Path) -> None:
    (base.models_dir / "first" / "train.py").write_text("print(1)\n")
    head = commit_all(base.root)
    git(base.root, "checkout", "-q", "main")
    (base.models_dir / "first" / "train.py").write_text("print(2)\n")
    commit_all(base.root)
    with pytest.raises(MlopsError, match="merge the default branch into it") as caught:
        source(base, head, tmp_path / "merged")
    assert caught.value.code == "merge_conflict"
    decision = decide(Facts(None, problem=caught.value.message))
    assert decision.state == "failure"


def test_state_that_was_committed_is_refused(base: Repository, tmp_path: Path) -> None:
    (base.state_dir / "candidates").mkdir(parents=True)
    (base.state_dir / "candidates" / "x.json").write_text("{}")
    git(base.root, "add", "-f", ".mlops")
    head = commit_all(base.root)
    git(base.root, "checkout", "-q", "main")
    with pytest.raises(MlopsError, match=r"\.mlops/candidates/x\.json"):
        source(base, head, tmp_path / "merged")


def test_links_and_other_bases_are_not_followed(base: Repository, tmp_path: Path) -> None:
    (base.models_dir / "first" / "secret").symlink_to("/etc/passwd")
    head = commit_all(base.root)
    git(base.root, "checkout", "-q", "main")
    merged = source(base, head, tmp_path / "merged")
    assert merged.links == ("models/first/secret",)
    assert not (merged.root / "models/first/secret").exists()
    with pytest.raises(MlopsError, match="no commit of the default branch"):
        source(base, head, tmp_path / "other", base_sha=head)


def test_a_head_that_moved_on_is_outdated(base: Repository, tmp_path: Path) -> None:
    head = commit_all(base.root)
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "-q", "-b", "main", str(base.root), str(clone))
    git(base.root, "update-ref", "refs/pull/7/head", head)
    fetch(Repository(clone), 7, head)
    with pytest.raises(MlopsError) as caught:
        fetch(Repository(clone), 7, OLD)
    assert caught.value.code == "outdated_head"


# --- the status -------------------------------------------------------------------------------


def scope(models: int = 1, platform: bool = False) -> Scope:
    from ci.plan import Touched

    touched = tuple(Touched(f"m{number}", "changed") for number in range(models))
    return Scope(touched, ("ci/x.py",) if platform else (), ())


def run(conclusion: str | None) -> dict[str, Any]:
    status = "completed" if conclusion else "in_progress"
    return {"id": 1, "run_attempt": 1, "status": status, "conclusion": conclusion}


def reviewed(*verdicts: str) -> Reviewed:
    nothing = dict.fromkeys(("source", "fingerprint", "bento_digest", "holdout_digest", "problem"))
    versions = {"champion_version": None, "champion_fingerprint": None}
    models = [
        ReviewedModel(model=f"m{n}", owner=None, verdict=each, rules=[], **nothing, **versions)
        for n, each in enumerate(verdicts)
    ]
    return Reviewed(
        pull=1, head_sha=SHA, base_sha=OLD, run_id=1, run_attempt=1, judged_at="now", models=models
    )


@pytest.mark.parametrize(
    ("facts", "state", "said"),
    [
        (Facts(scope(0)), "success", "No model is touched."),
        (Facts(scope()), "pending", "Training 1 model"),
        (Facts(scope(256)), "pending", "Training 256 models"),
        (Facts(scope(257)), "failure", "257 models are touched, and a run on GitHub holds 256"),
        (Facts(scope(), training=run(None)), "pending", "Training 1 model"),
        (Facts(scope(), training=run("action_required")), "pending", "A maintainer must approve"),
        (Facts(scope(), training=run("cancelled")), "error", "cancelled"),
        (Facts(scope(), training=run("failure")), "pending", "Judging 1 model"),
        (Facts(scope(), training=run("success"), review_failed=True), "error", "did not end"),
        (
            Facts(scope(), training=run("success"), reviewed=reviewed("pass")),
            "success",
            "Pass: 1 model may go live.",
        ),
        (
            Facts(scope(2), training=run("success"), reviewed=reviewed("pass", "fail")),
            "failure",
            "Fail: 1 of 2 models must not go live.",
        ),
        (Facts(scope(0, platform=True)), "pending", "waiting for its tests"),
        (Facts(scope(0, platform=True), tests=run("success")), "success", "tests pass"),
        (Facts(scope(0, platform=True), tests=run("failure")), "failure", "did not pass"),
        (Facts(scope(0, platform=True), tests=run("skipped")), "failure", "did not pass"),
        (
            Facts(
                scope(platform=True),
                training=run("success"),
                tests=run("failure"),
                reviewed=reviewed("pass"),
            ),
            "failure",
            "did not pass",
        ),
        (
            Facts(
                scope(platform=True),
                training=run("success"),
                tests=run("success"),
                reviewed=reviewed("fail"),
            ),
            "failure",
            "m0 must not go live",
        ),
    ],
)
def test_the_status_follows_from_what_is_known(facts: Facts, state: str, said: str) -> None:
    decision = decide(facts)
    assert decision.state == state
    assert said in decision.headline
    assert len(decision.headline) <= 140


def test_a_review_is_asked_for_once_the_training_has_ended() -> None:
    assert decide(Facts(scope(), training=run("failure"))).judge
    assert not decide(Facts(scope(), training=run(None))).judge
    ended = Facts(scope(platform=True), training=run("success"), tests=run(None))
    assert decide(ended).judge
    assert not decide(replace(ended, reviewed=reviewed("pass"))).judge


# --- the comment ------------------------------------------------------------------------------


def reviews(count: int) -> list[ModelReview]:
    """Models of which some fail, some were not trained and the rest pass."""
    long = "x" * 3_000
    failure = Failure(step="train", file="models/a/train.R", line=3, message=long, advice="Mend.")
    found: list[ModelReview] = []
    for number in range(count):
        name = f"model-{number}"
        if number % 10 == 0:
            found.append(ModelReview(name, failure=failure))
        elif number % 10 == 1:
            found.append(ModelReview(name, problem=long))
        else:
            judged = subject()
            name = judged.judgement.contract.name
            found.append(ModelReview(name, subject=judged))
    return found


@pytest.mark.parametrize("count", [1, 3, 100, 300])
def test_a_comment_holds_however_many_models_there_are(count: int) -> None:
    parts = parts_of(reviews(count))
    text = body([f"Notice {number}." for number in range(500)], parts)
    assert len(text) <= LIMIT
    decision = Decision("failure", "Fail: it must not go live.")
    whole = final(decision, SHA, "today", text, LINKS, "Cost: 3.")
    assert len(whole) <= 60_000
    assert whole.splitlines()[1] == "# Fail: it must not go live."
    assert whole.count("<details") == whole.count("</details>")
    assert whole.rstrip().endswith("<sub>Cost: 3.</sub>")
    assert "model-0" in whole


def test_what_stands_in_the_way_comes_first_and_open() -> None:
    text = body([], parts_of(reviews(12)))
    names = [line.split("<b>")[1].split("</b>")[0] for line in text.splitlines() if "<b>" in line]
    assert set(names[:4]) == {"model-0", "model-1", "model-10", "model-11"}
    assert "<details open><summary><b>model-0</b>" in text
    assert "**Training failed** in models/a/train.R, line 3:" in text


def test_one_model_that_passes_says_how_it_does_without_a_click() -> None:
    (part,) = parts_of([ModelReview("demand", subject=subject())])
    folded = body([], [part]).index("<details><summary>")
    assert body([], [part]).index("The average error is") < folded


def manifest(source: str) -> Manifest:
    return Manifest(
        format=1,
        model="demand",
        language="r",
        head_sha=SHA,
        base_sha=SHA,
        source=source,
        fingerprint="f" * 40,
        candidate=None,
        bento=None,
        bento_digest=None,
        files={},
        failure=None,
        seconds={},
    )


def test_what_a_reviewer_must_know_first_stands_at_the_top() -> None:
    same = manifest(source="f" * 40)
    unknown = subject(evaluation(champion_version=3, champion_problem="no `region` @all"))
    (first,) = doubts(Repository(Path()), same, unknown.judgement)
    assert first.startswith("**demand: the champion could not be compared** (no ")
    assert "@all" not in first
    assert "Baselines decide." in first
    waiver = {
        "model": "demand",
        "rule": "floors",
        "reason": "New.",
        "owner": "marketing",
        "expires": "9999-12-31",
    }
    rules = contract(evaluation={**CONTRACT["evaluation"], "floors": {"r2": 0.9}})
    let = subject(rules=rules, policy_=policy(waivers=[waiver]))
    other = manifest(source="e" * 40)
    trained, waived = doubts(Repository(Path()), other, let.judgement)
    assert trained.startswith("**demand: it was trained on other data")
    assert waived.startswith("**demand: a rule does not hold and is waived.** Quality floors")
    assert "Waived by marketing until 9999-12-31: New." in waived
    text = body([first, waived], parts_of([ModelReview("demand", subject=let)]))
    assert text.index("could not be compared") < text.index("is waived") < text.index("<details>")


def test_a_folder_of_any_name_is_only_a_name() -> None:
    found = [ModelReview("<img src=x> @all\n# it's", problem="No name.")]
    text = body([], parts_of(found))
    assert "<summary><b>&lt;img src=x&gt; @\u200ball #\u200b it's</b>: not judged" in text
    assert "\n# it" not in text
    html = page("Fail", "about", False, [], parts_of(found), found)
    assert "<img" not in html


def test_a_newer_push_marks_the_report_once() -> None:
    report = final(Decision("success", "Pass."), OLD, "noon", "The body.", LINKS, "1")
    training = Decision("pending", "Training 1 model …")
    once = waiting(training, SHA, "one", LINKS, report)
    twice = waiting(training, "c" * 40, "two", LINKS, once)
    assert twice.count("**Outdated.**") == 1
    assert "speaks of commit `bbbbbbb`. Commit `ccccccc`" in twice
    assert "The body." in twice
    assert "To approve, three clicks" in report
    assert "approve" not in twice.replace(
        "**Nothing to approve yet.** A newer run is under way.", ""
    )
    placeholder = waiting(training, SHA, "one", LINKS, None)
    assert waiting(training, SHA, "two", LINKS, placeholder).count("# Training") == 1


def test_the_page_needs_nothing_else_and_shows_what_was_meant() -> None:
    found = reviews(12)
    parts = parts_of(found)
    html = page("Fail: <b>x</b>", "about", False, ["**A** <script>x</script>"], parts, found)
    assert "<script" not in html
    assert "src=" not in html
    assert "href=" not in html
    assert "Fail: &lt;b&gt;x&lt;/b&gt;" in html
    assert html.count("<svg") >= 9
    assert "<details><summary>All 10 rules of the policy</summary>" in html
    assert html.index("<h1") < html.index("<strong>A</strong>") < html.index("model-0")


# --- the cost ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("job", "minutes"),
    [
        ({"started_at": "2026-01-01T10:00:00Z", "completed_at": "2026-01-01T10:00:01Z"}, 1),
        ({"started_at": "2026-01-01T10:00:00Z", "completed_at": "2026-01-01T10:01:01Z"}, 2),
        ({"started_at": "2026-01-01T10:00:00Z", "completed_at": "2026-01-01T10:02:00Z"}, 2),
        ({"started_at": "2026-01-01T10:00:00Z", "completed_at": None}, 5),
        ({"started_at": None}, 0),
        ({"started_at": "2026-01-01T10:00:00Z", "conclusion": "skipped"}, 0),
    ],
)
def test_each_job_counts_in_whole_minutes(job: dict[str, Any], minutes: int) -> None:
    assert minutes_of(job, datetime(2026, 1, 1, 10, 5, tzinfo=UTC)) == minutes


# --- judging oneself --------------------------------------------------------------------------


def test_a_wider_range_of_a_parameter_does_not_hold_for_the_pull_request_that_widens_it(
    tmp_path: Path,
) -> None:
    pull = pull_request(
        tmp_path / "pull",
        -0.01,
        {"model.yaml": ("minimum: 0\n    maximum: 1", "minimum: -1\n    maximum: 1")},
    )
    found = pull.judge(zipped(pull.files), tmp_path / "court")
    assert found.problem is None
    assert found.subject
    failed = found.subject.judgement.verdict.failed()
    assert [rule.rule for rule in failed] == ["parameters_in_range"]
