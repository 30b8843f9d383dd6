"""Keys of a contract: a table for each of its parts, from the fields of the pydantic models."""

from __future__ import annotations

import ast
import inspect
import json
import textwrap
import types
from datetime import date
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt, MinLen
from pydantic import StringConstraints
from pydantic_core import PydanticUndefined

from ci.contract.base import Contract
from ci.reference.markdown import table

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

WORDS = {str: "text", int: "integer", float: "number", bool: "true or false", date: "date"}
BOUNDS: dict[type, tuple[str, str]] = {
    Ge: ("ge", "at least"),
    Gt: ("gt", "above"),
    Le: ("le", "at most"),
    Lt: ("lt", "below"),
}


def sections(contract: type[Contract], level: int = 2) -> str:
    """A heading, the docstring and a table of keys for ``contract`` and each part below it."""
    return "\n\n".join(_section(part, path, level) for part, path in parts(contract))


def parts(contract: type[Contract]) -> list[tuple[type[Contract], list[str]]]:
    """``contract`` and the parts below it, each once, with the key paths at which it stands."""
    found: dict[type[Contract], list[str]] = {contract: [""]}
    waiting = [(contract, "")]
    while waiting:
        part, path = waiting.pop(0)
        for name, field in part.model_fields.items():
            for inner, step in _inner(field.annotation):
                where = f"{path}.{name}{step}".lstrip(".")
                if inner not in found:
                    waiting.append((inner, where))
                found.setdefault(inner, []).append(where)
    return list(found.items())


def _section(part: type[Contract], paths: list[str], level: int) -> str:
    title = "At the top" if paths == [""] else ", ".join(f"`{path}`" for path in paths)
    said = descriptions(part)
    rows = [
        [f"`{name}`", _type(field.annotation), _default(field), _limits(field), said[name]]
        for name, field in part.model_fields.items()
    ]
    keys = table(["key", "type", "default", "limits", "meaning"], rows)
    text = inspect.cleandoc(part.__doc__ or "").replace("``", "`")
    return f"{'#' * level} {title}\n\n{text}\n\n{keys}"


def descriptions(part: type[Contract]) -> dict[str, str]:
    """What the string below each field of ``part`` says, be it its own or inherited.

    Raises:
        KeyError: a field has none.
    """
    lines = [each for each in reversed(part.__mro__) if issubclass(each, Contract)]
    return {name: text for each in lines[1:] for name, text in _own_descriptions(each).items()}


def _own_descriptions(part: type[Contract]) -> dict[str, str]:
    (definition,) = ast.parse(textwrap.dedent(inspect.getsource(part))).body
    assert isinstance(definition, ast.ClassDef)  # noqa: S101 (the source of a class is one)
    found = {}
    for field, text in zip(definition.body, definition.body[1:], strict=False):
        name = getattr(getattr(field, "target", None), "id", "")
        if name in part.model_fields:
            if not (isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant)):
                raise KeyError(f"{part.__name__}.{name} has no description below it")
            found[name] = str(text.value.value)
    return found


def _inner(annotation: Any) -> list[tuple[type[Contract], str]]:
    """Contracts inside an annotation, each with the path that leads to it."""
    origin, args = get_origin(annotation), get_args(annotation)
    if inspect.isclass(annotation) and issubclass(annotation, Contract):
        return [(annotation, "")]
    if origin is dict:
        return [(part, f".<name>{step}") for part, step in _inner(args[1])]
    if origin is list:
        return [(part, f"[]{step}") for part, step in _inner(args[0])]
    if origin is Annotated:
        return _inner(args[0])
    return [found for arg in args if origin in (Union, types.UnionType) for found in _inner(arg)]


def _type(annotation: Any) -> str:
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _type(args[0])
    if origin is Literal:
        return " or ".join(f"`{value}`" for value in args)
    if origin is list:
        return f"list of {_type(args[0])}"
    if origin is dict:
        return f"{_type(args[0])} → {_type(args[1])}"
    if origin in (Union, types.UnionType):
        return " or ".join(_type(arg) for arg in args if arg is not type(None))
    if inspect.isclass(annotation) and issubclass(annotation, Contract):
        return "keys, see below"
    return WORDS[annotation]


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "**required**"
    value = field.default
    if value is None or value in ([], {}):
        return "none"
    if isinstance(value, Contract):
        return "the defaults below"
    return f"`{json.dumps(value)}`" if value is not PydanticUndefined else "none"


def _limits(field: FieldInfo) -> str:
    # The constraints of Annotated stand in the metadata, or inside a union or a list's entries.
    rules = [*field.metadata, *_nested(field.annotation)]
    return ", ".join(dict.fromkeys(words for rule in rules if (words := _in_words(rule))))


def _nested(annotation: Any) -> list[Any]:
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        rules = [rule for arg in args[1:] for rule in getattr(arg, "metadata", [arg])]
        return [*rules, *_nested(args[0])]
    if origin in (Union, types.UnionType, list):
        return [rule for arg in args for rule in _nested(arg)]
    return []


def _in_words(rule: Any) -> str:
    for kind, (attribute, words) in BOUNDS.items():
        if isinstance(rule, kind):
            return f"{words} {getattr(rule, attribute):,}"
    if isinstance(rule, MinLen):
        return "not empty" if rule.min_length == 1 else f"at least {rule.min_length} long"
    if isinstance(rule, StringConstraints):
        pattern = f"`{rule.pattern}`" if rule.pattern else ""
        most = f"at most {rule.max_length} characters" if rule.max_length else ""
        return ", ".join(filter(None, (pattern, most)))
    return ""
