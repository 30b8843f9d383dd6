"""What loading a pickle would import, read from its opcodes: nothing is ever loaded here."""

from __future__ import annotations

import io
import pickletools
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import IO, Any

TEXTS = ("SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8", "UNICODE")
PUTS = ("MEMOIZE", "PUT", "BINPUT", "LONG_BINPUT")
GETS = ("GET", "BINGET", "LONG_BINGET")
# These reach code through a table of the running Python, which can't be read from the file.
HIDDEN = ("EXT1", "EXT2", "EXT4")
IMPORTS = ("GLOBAL", "INST", "STACK_GLOBAL", *HIDDEN)


def imports(content: bytes) -> list[str]:
    """Every ``module:name`` that loading ``content``, one pickle after the other, would import.

    Raises:
        ValueError: an opcode, or what follows the last pickle, can't be read: so nobody can say.
    """
    found: list[str] = []
    file = io.BytesIO(content)
    while file.tell() < len(content):
        at = file.tell()
        try:
            found += _imports(pickletools.genops(file))
        except ValueError:
            raise
        except Exception as error:  # pickletools reads what strangers wrote
            raise ValueError(f"from byte {at} on it can't be read ({error})"[:200]) from None
    return sorted(set(found))


def joblib_mixed(content: bytes) -> bool:
    """Whether joblib wrote arrays into it, as it does with any array of some size."""
    return b"NumpyArrayWrapper" in content


def is_pickle(file: IO[bytes]) -> bool:
    """Whether a file without the mark of newer protocols is a pickle that imports something.

    The oldest protocol is plain text, and may carry any name; a table that begins like one does
    not come to a pickle's end.
    """
    try:
        names = {opcode.name for opcode, _, _ in pickletools.genops(file)}
        return not names.isdisjoint(IMPORTS)
    except Exception:  # it is something else
        return False


def _imports(opcodes: Iterator[tuple[pickletools.OpcodeInfo, Any, int | None]]) -> list[str]:
    found: list[str] = []
    memo: dict[int, str | None] = {}
    texts: list[str | None] = []  # what was pushed last, one after the other
    for opcode, argument, at in opcodes:
        name = opcode.name
        if name in TEXTS:
            texts.append(str(argument))
        elif name in GETS:
            texts.append(memo.get(int(argument)))
        elif name in PUTS:
            memo[len(memo) if name == "MEMOIZE" else int(argument)] = texts[-1] if texts else None
        elif name in IMPORTS:
            found.append(_import(name, argument, texts, at))
            texts = []
        elif name not in ("FRAME", "PROTO"):
            texts = []
    return found


def _import(name: str, argument: Any, texts: list[str | None], at: int | None) -> str:
    if name in ("GLOBAL", "INST"):
        module, _, what = str(argument).partition(" ")
        return f"{module}:{what}"
    module_and_name = texts[-2:]
    if name in HIDDEN or len(module_and_name) < 2 or None in module_and_name:
        raise ValueError(f"what it imports at byte {at} can't be read from it")
    return ":".join(str(each) for each in module_and_name)
