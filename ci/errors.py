"""The one error that a person sees: a code for programs, one sentence for people."""

from __future__ import annotations


class MlopsError(Exception):
    """Something that the user can put right.

    Attributes:
        code: stable snake_case word for programs (``{"error": {"code", ...}}``).
        message: one sentence: what is wrong, where, and what to type next.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
