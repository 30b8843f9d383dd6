"""Whether a predict file parses and defines its two functions, without running it."""

from __future__ import annotations

import ast
import subprocess
from pathlib import Path

from bentos.runners.languages import LANGUAGES, Language

HERE = Path(__file__).resolve().parent
SCRIPTS = {"r": HERE / "check.R", "julia": HERE / "check.jl"}
TIMEOUT_SECONDS = 60


def check_predict_file(language: str, path: Path) -> str | None:
    """What is wrong with the file, with its line where there is one; None if nothing is.

    A file that includes others may get its functions there, so for it only the syntax counts.
    Raises MissingToolchainError if the language is not installed.
    """
    path = Path(path)
    known = LANGUAGES[language]
    problem = _unreadable(path)
    if problem is not None:
        return problem
    if language == "python":
        return _check_python(path, known)
    return _check_with(known, SCRIPTS[language], path)


def _unreadable(path: Path) -> str | None:
    try:
        data = path.read_bytes()
    except OSError as error:
        return f"{path.name} cannot be read: {error.strerror}"
    try:
        data.decode()
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        return f"{path.name}, line {line}: not UTF-8; save the file with this encoding"
    if data.startswith(b"\xef\xbb\xbf"):
        return f"{path.name} starts with a byte-order mark; save it as UTF-8 without one"
    return None


def _check_python(path: Path, language: Language) -> str | None:
    try:
        tree = ast.parse(path.read_bytes(), path.name)
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None)
        return f"{path.name}{f', line {line}' if line else ''}: {getattr(error, 'msg', error)}"
    names: set[str] = set()
    for statement in tree.body:
        names |= _defined_names(statement)
    missing = [each for each in language.functions if each not in names]
    return _absent(path, missing) if missing and "*" not in names else None


def _defined_names(statement: ast.stmt) -> set[str]:
    match statement:
        case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
            return {name}
        case ast.Import(names=names) | ast.ImportFrom(names=names):
            return {each.asname or each.name for each in names}
        case ast.Assign(targets=targets):
            return {each.id for each in targets if isinstance(each, ast.Name)}
        case ast.AnnAssign(target=ast.Name(id=name)):
            return {name}
        case ast.If(body=body, orelse=other) | ast.Try(body=body, orelse=other):
            return set().union(*map(_defined_names, [*body, *other]))
    return set()


def _absent(path: Path, functions: list[str]) -> str:
    return f"{path.name} defines no function {' and no function '.join(functions)}"


def _check_with(language: Language, script: Path, path: Path) -> str | None:
    """The script prints one line: a problem, or the missing functions after `missing:`."""
    command = [language.executable(), *language.options, str(script), str(path.resolve())]
    try:
        done = subprocess.run(
            [*command, *language.functions],
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"{path.name} could not be parsed within {TIMEOUT_SECONDS} seconds"
    answer = " ".join(done.stdout.split())
    if done.returncode:
        return f"{path.name} could not be parsed: {' '.join(done.stderr.split())[:500]}"
    if answer.startswith("missing:"):
        return _absent(path, answer.removeprefix("missing:").split())
    return answer or None
