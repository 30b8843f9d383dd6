"""When a model is trained again by itself: the key `retraining`, and `policies/retraining.yaml`."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from ci.contract.base import Contract, Name, Schedule, Text
from ci.contract.policy import Policy

Trigger = Literal["drift", "performance", "data"]


class Window(Contract):
    """Where training ends, told by how far the data goes."""

    dataset: Name
    """The dataset that is looked at; its stage, where it has one, fetches it anew first."""
    table: Text
    """A table of it."""
    column: Text
    """A column of whole numbers (such as a week) or of ISO dates; its newest value counts."""
    parameters: Annotated[dict[Text, int], Field(min_length=1)]
    """Key of params.yaml, with dots, to its distance from the newest value: -9 is nine weeks (or
    days, for dates) before it."""


class Retraining(Contract):
    """When the model is trained again by itself, and what moves then."""

    schedule: Schedule | None = None
    """When it is due at the latest: a five-field cron expression in UTC, looked at once a day."""
    triggers: list[Trigger] = ["drift", "performance", "data"]
    """What else asks for it: an open drift issue, one about its performance, new data."""
    window: Window
    """What changes in the repository: without newer data nothing does, and nothing is opened."""


class Budget(Contract):
    """How many pull requests the platform opens for all models together."""

    pull_requests: Annotated[int, Field(ge=0)] = 6
    """At most so many, whatever became of them …"""
    days: Annotated[int, Field(ge=1, le=366)] = 30
    """… in so many days."""


class RetrainingPolicy(Policy):
    """What keeps retraining from becoming a storm. A person who asks is not held back."""

    file: ClassVar[str] = "retraining.yaml"

    cooldown_days: Annotated[int, Field(ge=0, le=366)] = 7
    """So many days after a model's last retraining pull request none is opened or changed."""
    budget: Budget = Budget()
    """How many for all models together."""
