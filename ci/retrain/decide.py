"""Which models are to be trained again now, why, and what holds the others back."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from ci.cron import Cron

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ci.contract.retraining import Retraining, RetrainingPolicy

PREFIX = "retrain/"
# How long new data is looked at beyond the cooldown: a daily run may come late, or not at all.
GRACE = timedelta(days=2)


@dataclass(frozen=True)
class Past:
    """A retraining pull request: of which model, when it was opened, when it last changed."""

    model: str
    opened: datetime
    changed: datetime


@dataclass(frozen=True)
class Signs:
    """What speaks for retraining a model: numbers of open issues, and when its data changed."""

    drift: tuple[int, ...] = ()
    performance: tuple[int, ...] = ()
    data_changed: datetime | None = None
    asked: str | None = None


@dataclass(frozen=True)
class Decision:
    """``reasons`` ask for it; ``held`` says what holds it back, None where nothing does."""

    model: str
    reasons: tuple[str, ...]
    held: str | None = None

    @property
    def go(self) -> bool:
        """Whether it is done."""
        return bool(self.reasons) and self.held is None

    def said(self) -> str:
        """The decision in a sentence."""
        if not self.reasons:
            return "nothing asks for it"
        why = "; ".join(self.reasons)
        return why if self.held is None else f"{why}; but {self.held}"


@dataclass
class Round:
    """One look at all models: what it decides for one counts against the budget of the next."""

    policy: RetrainingPolicy
    past: Sequence[Past]
    now: datetime
    opened: int = field(default=0)

    def decide(self, model: str, rules: Retraining, signs: Signs) -> Decision:
        """What is to be done for ``model``."""
        mine = [each for each in self.past if each.model == model]
        if signs.asked is not None:
            return Decision(model, (signs.asked,))
        reasons = tuple(_reasons(rules, signs, mine, self))
        if not reasons:
            return Decision(model, ())
        held = self._cooldown(mine) or self._budget()
        if held is None:
            self.opened += 1
        return Decision(model, reasons, held)

    def _cooldown(self, mine: Iterable[Past]) -> str | None:
        last = max((each.changed for each in mine), default=None)
        end = last + timedelta(days=self.policy.cooldown_days) if last else None
        if end is None or end <= self.now:
            return None
        return f"it cools down until {end:%Y-%m-%d %H:%M} UTC (policies/retraining.yaml)"

    def _budget(self) -> str | None:
        budget = self.policy.budget
        begin = self.now - timedelta(days=budget.days)
        spent = sum(each.opened > begin for each in self.past) + self.opened
        if spent < budget.pull_requests:
            return None
        return (
            f"{spent} retrainings in {budget.days} days are the whole budget of "
            "policies/retraining.yaml"
        )


def _reasons(rules: Retraining, signs: Signs, mine: Sequence[Past], of: Round) -> Iterable[str]:
    if rules.schedule and _is_due(rules.schedule, mine, of.now):
        yield f"its schedule {rules.schedule!r} is due"
    if "drift" in rules.triggers and signs.drift:
        yield f"drift: {_issues(signs.drift)}"
    if "performance" in rules.triggers and signs.performance:
        yield f"performance below policy: {_issues(signs.performance)}"
    if "data" in rules.triggers and signs.data_changed:
        since = of.now - timedelta(days=of.policy.cooldown_days) - GRACE
        last = max((each.changed for each in mine), default=since)
        if signs.data_changed > max(last, since):
            yield f"new data since {signs.data_changed:%Y-%m-%d %H:%M} UTC"


def _is_due(schedule: str, mine: Sequence[Past], now: datetime) -> bool:
    """Whether a slot of the last days has no retraining after it: late runs catch up once."""
    slot = Cron.parse(schedule).last(now)
    if slot is None or now - slot > timedelta(days=1) + GRACE:
        return False
    return all(each.opened < slot for each in mine)


def _issues(numbers: Iterable[int]) -> str:
    return ", ".join(f"#{number}" for number in numbers)


def past_of(pulls: Iterable[Mapping[str, object]], models: Iterable[str]) -> list[Past]:
    """Retraining pull requests among ``pulls``: those from branches `retrain/MODEL` of here."""
    known = set(models)
    found = []
    for each in pulls:
        model = branch_model(each)
        if model in known:
            opened = moment(str(each["created_at"]))
            found.append(Past(model, opened, changed_at(str(each.get("body") or "")) or opened))
    return found


def branch_model(pull: Mapping[str, object]) -> str:
    """The model that a pull request retrains; empty where it is another pull request."""
    head, base = pull["head"], pull["base"]
    if not isinstance(head, dict) or not isinstance(base, dict):
        return ""
    here = (base.get("repo") or {}).get("full_name")
    of = (head.get("repo") or {}).get("full_name")
    ref = str(head.get("ref") or "")
    return ref.removeprefix(PREFIX) if of == here and ref.startswith(PREFIX) else ""


MARK = "<!-- kronkers retrained "


def mark(now: datetime) -> str:
    """The comment in a body that says when the pull request last changed."""
    return f"{MARK}{now.astimezone(UTC).isoformat(timespec='seconds')} -->"


def changed_at(body: str) -> datetime | None:
    """What ``mark`` wrote into ``body``; None where nobody can read it any more."""
    _, found, rest = body.partition(MARK)
    try:
        return moment(rest.partition(" -->")[0]) if found else None
    except ValueError:
        return None


def moment(text: str) -> datetime:
    """A time of GitHub's, in UTC."""
    when = datetime.fromisoformat(text)
    return when if when.tzinfo else when.replace(tzinfo=UTC)
