"""YAML files that people write: read with line numbers, so that errors can name the place."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from ci import yaml_bounds
from ci.errors import MlopsError

if TYPE_CHECKING:
    from pathlib import Path

Key = tuple[str | int, ...]
M = TypeVar("M", bound=BaseModel)
# The type of pydantic's error whose context says at which ``key`` below it is.
MISFIT = "misfit"
SECRET = re.compile(r"(://[^:/@\s]*:)\S+(?=@)|((?i:password|pwd)=)[^&\s'\"]+")


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong in a file: ``key`` is dotted, ``line`` starts at 1."""

    file: str
    key: str
    problem: str
    line: int | None = None

    def sentence(self) -> str:
        """``file:line: key: problem`` as editors and people read it."""
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{place}: {self.key}: {self.problem}" if self.key else f"{place}: {self.problem}"


class ProblemsError(MlopsError):
    """A file, or several, with problems; the message is the first one's sentence."""

    def __init__(self, code: str, problems: list[Problem]) -> None:
        more = f" (and {len(problems) - 1} more; `mlops check` lists them)" if problems[1:] else ""
        super().__init__(code, problems[0].sentence() + more)
        self.problems = problems


@dataclass(frozen=True)
class YamlFile:
    """A parsed file: ``data`` as plain objects, ``lines`` from key path to line number."""

    name: str
    data: Any
    lines: dict[Key, int] = field(default_factory=dict)

    def line(self, key: Key) -> int | None:
        """The line of ``key``, or of its nearest parent that the file has."""
        for end in range(len(key), -1, -1):
            if key[:end] in self.lines:
                return self.lines[key[:end]]
        return None


class _StrictLoader(yaml.SafeLoader):
    """SafeLoader that refuses a key written twice (YAML would keep the last silently).

    A value that is none of its type (the day 2026-02-30) is an error with its line.
    """

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except (ValueError, KeyError, AttributeError) as error:
            raise yaml.MarkedYAMLError(
                problem=f"{str(node.value)[:40]!r} is no value ({str(error)[:100]})",
                problem_mark=node.start_mark,
            ) from None

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key_node, _ in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise yaml.MarkedYAMLError(
                    problem="a key is one word, not a list or a mapping",
                    problem_mark=key_node.start_mark,
                )
            if key_node.value in seen:
                raise yaml.MarkedYAMLError(
                    problem=f"the key {key_node.value!r} is written twice",
                    problem_mark=key_node.start_mark,
                )
            seen.add(key_node.value)
        return super().construct_mapping(node, deep)


def read_yaml(path: Path, name: str) -> YamlFile:
    """Parse ``path``; ``name`` is how errors call it.

    Raises:
        ProblemsError: ``bad_yaml`` where the file is missing, no UTF-8 or no YAML.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise _bad(name, "the file is missing") from None
    except UnicodeDecodeError:
        raise _bad(name, "the file is not UTF-8; save it as UTF-8 in your editor") from None
    try:
        node, data = yaml_bounds.read(text, _StrictLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        raise _bad(name, f"this is not valid YAML: {error.problem}", line) from None
    except yaml.YAMLError as error:
        raise _bad(name, f"this is not valid YAML: {error}".splitlines()[0]) from None
    return YamlFile(name, data, dict(_lines(node, ())) if node else {})


def _bad(name: str, problem: str, line: int | None = None) -> ProblemsError:
    return ProblemsError("bad_yaml", [Problem(name, "", problem, line)])


def _lines(node: yaml.Node, key: Key) -> list[tuple[Key, int]]:
    found: list[tuple[Key, int]] = [(key, node.start_mark.line + 1)]
    if isinstance(node, yaml.MappingNode):
        for key_node, value in node.value:
            inner = (*key, key_node.value)
            found += _lines(value, inner)
            found.append((inner, key_node.start_mark.line + 1))
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            found += _lines(value, (*key, index))
    return found


def parse(file: YamlFile, kind: type[M], code: str) -> M:
    """``file`` as an object of the pydantic class ``kind``.

    Raises:
        ProblemsError: with ``code``; every problem has its key and line, and an unknown key
            names the nearest valid one.
    """
    if not isinstance(file.data, dict):
        raise ProblemsError(code, [Problem(file.name, "", "the file must be a mapping of keys", 1)])
    try:
        return kind.model_validate(file.data)
    except ValidationError as error:
        details = error.errors(include_url=False)
        raise ProblemsError(code, [_problem(file, kind, detail) for detail in details]) from None


def _problem(file: YamlFile, kind: type[BaseModel], detail: Any) -> Problem:
    key: Key = tuple(part for part in detail["loc"] if part != "[key]")
    if detail["type"] == MISFIT:
        key += detail["ctx"]["key"]
    dotted = ".".join(str(part) for part in key)
    return Problem(file.name, dotted, _explain(kind, key, detail), file.line(key))


def _explain(kind: type[BaseModel], key: Key, detail: Any) -> str:
    if detail["type"] == "extra_forbidden":
        valid = _valid_keys(kind, key[:-1])
        near = difflib.get_close_matches(str(key[-1]), valid, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]!r}?" if near else f"valid keys are: {', '.join(valid)}."
        return f"unknown key {str(key[-1])!r}; {hint}"
    if detail["type"] == "missing":
        return "this key is missing; add it."
    message = str(detail["msg"]).removeprefix("Value error, ")
    message = f"{message[0].lower()}{message[1:]}"
    found = detail.get("input")
    # Of a part that does not fit together, the whole would be shown.
    return f"{message}." if isinstance(found, dict) else f"{message} (found {_short(found)})."


def _short(value: object) -> str:
    # What is shown goes into logs and comments, which more people read than the file.
    text = SECRET.sub(lambda secret: f"{secret[1] or secret[2]}…", repr(value))
    return text if len(text) <= 60 else f"{text[:57]}..."


def _valid_keys(kind: type[BaseModel], path: Key) -> list[str]:
    """Keys that the schema allows at ``path``; mappings and lists are looked through."""
    current: Any = kind
    for part in path:
        field_info = getattr(current, "model_fields", {}).get(part)
        current = _inner_model(field_info.annotation) if field_info else current
        if current is None:
            return []
    return [info.alias or name for name, info in current.model_fields.items()]


def _inner_model(annotation: Any) -> Any:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for argument in getattr(annotation, "__args__", ()):
        found = _inner_model(argument)
        if found is not None:
            return found
    return None
