"""A request that was understood, and the functions that answer it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.workflows.standin.hub import Document, Hub, Refusal, Token

BODY_CHARACTERS = 65_536


@dataclass(frozen=True)
class Call:
    """One request: path parameters, query and body as GitHub describes them."""

    params: dict[str, Any]
    query: dict[str, str]
    body: Document
    token: Token
    accept: str = ""
    content: bytes = b""


@dataclass(frozen=True)
class Page:
    """A list that is sent in pages; ``key`` where it is inside an object."""

    items: list[Document]
    key: str | None = None
    more: Document | None = None


@dataclass(frozen=True)
class Redirect:
    """Where the content is: a file that is served without a token."""

    file: Path


@dataclass(frozen=True)
class Content:
    """The bytes themselves."""

    file: Path


Answer = Document | list[Document] | Page | Redirect | Content | None
Handler = Callable[[Hub, Call], tuple[int, Answer]]
HANDLERS: dict[str, Handler] = {}
NEEDS: dict[str, list[tuple[str, str]]] = {}


def answers(operation: str, *needs: str) -> Callable[[Handler], Handler]:
    """Register the function for an operation; one of ``needs`` (scope:level) must be granted."""

    def register(handler: Handler) -> Handler:
        HANDLERS[operation] = handler
        NEEDS[operation] = [(scope, level) for scope, level in (each.split(":") for each in needs)]
        return handler

    return register


def not_found() -> Refusal:
    """GitHub's answer for what is not there."""
    return Refusal(404, "Not Found")


def check_length(text: str | None) -> None:
    """Refuse a body that is too long, as GitHub does."""
    if text is not None and len(text) > BODY_CHARACTERS:
        raise Refusal(
            422,
            "Validation Failed",
            [{"message": f"body is too long (maximum is {BODY_CHARACTERS} characters)"}],
        )
