"""Who must have approved a change before it is released."""

from __future__ import annotations

import pytest

from ci.contract.promotion import Approvals
from ci.release.approvals import People, Review, decide

HEAD, OLD = "b" * 40, "a" * 40
EVERYBODY = frozenset({"alice", "bob", "carol"})
ONE = Approvals()


def people(
    *authors: str, writers: frozenset[str] = EVERYBODY, team: frozenset[str] = frozenset()
) -> People:
    return People(writers, frozenset(authors), team)


def approved(login: str, commit: str = HEAD) -> Review:
    return Review(login, "APPROVED", commit)


def against(login: str, commit: str = HEAD) -> Review:
    return Review(login, "CHANGES_REQUESTED", commit)


def test_one_approval_of_the_newest_commit_is_enough() -> None:
    found = decide(ONE, people("alice"), HEAD, [approved("bob")])
    assert (found.approvers, found.problem) == (["bob"], None)


@pytest.mark.parametrize(
    ("reviews", "said"),
    [
        ([], "0 of 1"),
        ([approved("alice")], "0 of 1"),  # the author
        ([approved("mallory")], "0 of 1"),  # may not write
        ([approved("bob", OLD)], "@bob approved an older commit"),
        ([Review("bob", "COMMENTED", HEAD)], "0 of 1"),
        ([approved("bob"), Review("bob", "DISMISSED", HEAD)], "0 of 1"),
        ([approved("bob"), against("bob")], "@bob asked for changes"),
        ([approved("bob"), against("carol", OLD)], "@carol asked for changes"),
    ],
)
def test_what_is_not_enough(reviews: list[Review], said: str) -> None:
    found = decide(ONE, people("alice"), HEAD, reviews)
    assert found.problem
    assert said in found.problem


def test_a_request_for_changes_is_lifted_by_whoever_made_it() -> None:
    found = decide(ONE, people("alice"), HEAD, [approved("bob"), against("carol")])
    assert found.remedy
    assert found.remedy.startswith("Once @carol approved it or the request is dismissed")


def test_a_later_approval_lifts_a_request_for_changes_and_a_comment_does_not() -> None:
    reviews = [against("bob"), Review("bob", "COMMENTED", HEAD)]
    assert decide(ONE, people("alice"), HEAD, reviews).problem
    assert decide(ONE, people("alice"), HEAD, [*reviews, approved("bob")]).problem is None


def test_a_strangers_request_for_changes_blocks_nothing() -> None:
    reviews = [approved("bob"), against("mallory")]
    assert decide(ONE, people("alice"), HEAD, reviews).problem is None


def test_whoever_wrote_a_part_does_not_count() -> None:
    assert decide(ONE, people("alice", "bob"), HEAD, [approved("bob")]).problem


def test_an_older_approval_counts_where_the_policy_says_so() -> None:
    policy = Approvals(dismiss_stale=False)
    assert decide(policy, people("alice"), HEAD, [approved("bob", OLD)]).approvers == ["bob"]


def test_as_many_as_asked_for_or_as_there_are() -> None:
    two = Approvals(required=2)
    assert decide(two, people("alice"), HEAD, [approved("bob")]).problem
    both = [approved("bob"), approved("carol")]
    assert decide(two, people("alice"), HEAD, both).approvers == ["bob", "carol"]
    pair = frozenset({"alice", "bob"})
    assert decide(two, people("alice", writers=pair), HEAD, [approved("bob")]).problem is None


def test_only_the_team_counts_where_one_is_named() -> None:
    policy, team = Approvals(team="marketing"), frozenset({"carol"})
    found = decide(policy, people("alice", team=team), HEAD, [approved("bob")])
    assert found.problem
    assert "team marketing" in found.problem
    agreed = decide(policy, people("alice", team=team), HEAD, [approved("carol")])
    assert agreed.approvers == ["carol"]


def test_an_author_who_is_the_whole_team_is_not_let_through() -> None:
    policy = Approvals(team="marketing")
    found = decide(policy, people("alice", team=frozenset({"alice"})), HEAD, [approved("bob")])
    assert found.problem
    assert "nobody else in the team marketing" in found.problem


def test_where_nobody_else_may_write_nobody_is_asked() -> None:
    found = decide(ONE, people("alice", writers=frozenset({"alice"})), HEAD, [])
    assert found.problem is None
    assert found.note
    assert "Nobody else" in found.note


def test_no_approval_may_be_asked_for() -> None:
    assert decide(Approvals(required=0), people("alice"), HEAD, []).problem is None
