"""What the doctor finds, and how old a thing is in words."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """Something wrong with ``about`` (a model, or a part of the machine), in a sentence.

    ``type`` is the next command, or None where the sentence names it.
    """

    about: str
    problem: str
    type: str | None

    @property
    def sentence(self) -> str:
        """The finding as people read it."""
        return f"{self.problem}; type: {self.type}" if self.type else f"{self.problem}."


def spoken(seconds: float) -> str:
    """A stretch of time in its largest unit."""
    for unit, length in (("day", 86_400), ("hour", 3600), ("minute", 60)):
        if seconds >= length:
            number = int(seconds // length)
            return f"{number} {unit}{'s' if number > 1 else ''}"
    return f"{max(int(seconds), 0)} seconds"
