"""A retraining that is not better than what is live asks nobody for anything."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ci.retrain.decide import branch_model

if TYPE_CHECKING:
    from ci.github.pulls import Pull
    from ci.review.verdict import Reviewed, ReviewedModel


def no_gain(pull: Pull, reviewed: Reviewed | None) -> str:
    """What the report says of such a pull request; empty for every other."""
    name = branch_model(pull)
    if not name or reviewed is None:
        return ""
    own = next((each for each in reviewed.models if each.model == name), None)
    if own is None or own.champion_version is None or _gains(own):
        return ""
    return (
        f"**This retraining is not better than version {own.champion_version}, which is live.** "
        "Nothing is asked of anybody: close the pull request, or leave it, and the next "
        "retraining brings it up to date."
    )


def _gains(own: ReviewedModel) -> bool:
    difference = own.measured.difference if own.measured else None
    return own.verdict == "pass" and difference is not None and difference > 0
