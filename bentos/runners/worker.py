"""Runs a Python model: answers calls on fd 3 with replies on fd 4 (see process.py).

Arguments: the predict file, the artifact folder.
"""

from __future__ import annotations

import importlib.util
import io
import os
import struct
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

PLATFORM = str(Path(__file__).resolve().parents[2])
sys.path[0] = PLATFORM

from bentos.frames import Frame, column_from_any, decode, encode, from_pandas, to_pandas  # noqa: E402

if TYPE_CHECKING:
    from types import ModuleType

HEAD = struct.Struct("<4sII")
REQUESTS, REPLIES = 3, 4
CHUNK_BYTES = 1 << 16
FUNCTIONS = ("load_model", "predict")


def receive() -> tuple[int, memoryview]:
    """Number and body of the next call, which comes alone; ends the process when nobody calls."""
    first = read_some(CHUNK_BYTES)
    while len(first) < HEAD.size:
        first += read_some(CHUNK_BYTES)
    _, number, size = HEAD.unpack_from(first)
    parts, left = [first], HEAD.size + size - len(first)
    while left:
        parts.append(read_some(left))
        left -= len(parts[-1])
    return number, memoryview(b"".join(parts))[HEAD.size :]


def read_some(most: int) -> bytes:
    """Bytes from the supervisor."""
    data = os.read(REQUESTS, most)
    if not data:
        os._exit(0)
    return data


def send(kind: bytes, number: int, body: bytes) -> None:
    """One message to the supervisor."""
    left = memoryview(HEAD.pack(kind, number, len(body)) + body)
    while left:
        left = left[os.write(REPLIES, left) :]


def describe(error: BaseException, folder: Path) -> bytes:
    """The error's own text and the innermost line of the model's code that it passed."""
    text = f"{type(error).__name__}: {_text(error)}"
    if isinstance(error, SyntaxError):
        return text.encode(errors="replace")
    frames = traceback.extract_tb(error.__traceback__)
    own = [each for each in frames if Path(each.filename).parent == folder]
    where = f" ({Path(own[-1].filename).name}, line {own[-1].lineno})" if own else ""
    return f"{text}{where}".encode(errors="replace")


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # the model's own exception class, which may be wrong as well
        return "it has no text"


def load_module(path: Path) -> ModuleType:
    """The predict file as a module under its own name, with its folder importable."""
    sys.path[0] = str(path.parent)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path.name} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    for function in FUNCTIONS:
        if not callable(getattr(module, function, None)):
            raise NameError(f"{path.name} defines no function {function}")
    return module


def to_frame(result: Any) -> Frame:
    """What predict returned: one unnamed column, or the columns of a DataFrame."""
    if type(result).__name__ == "DataFrame":
        return from_pandas(result)
    if isinstance(result, (str, bytes, dict, set)) or not hasattr(result, "__len__"):
        raise TypeError(f"predict returned a {type(result).__name__}, not a column or DataFrame")
    return Frame({"": column_from_any(result)})


def answer(module: ModuleType, model: Any, request: memoryview) -> bytes:
    """The reply's frame for a request's frame."""
    rows = to_pandas(decode(request))
    return encode(to_frame(module.predict(model, rows)))


def main() -> None:
    """Load the model, say so, and answer until the supervisor goes."""
    predict_file, artifact = Path(sys.argv[1]), sys.argv[2]
    os.set_inheritable(REQUESTS, False)
    os.set_inheritable(REPLIES, False)
    sys.stdout, sys.stderr = log_to(1), log_to(2)
    try:
        import pandas  # noqa: F401  # now, and not in the first call

        module = load_module(predict_file)
        model = module.load_model(artifact)
    except Exception as error:
        traceback.print_exc()
        send(b"FAIL", 0, describe(error, predict_file.parent))
        return
    send(b"OPEN", 0, b"")
    while True:
        number, request = receive()
        try:
            kind, body = b"DONE", answer(module, model, request)
        except Exception as error:
            report(error)
            kind, body = b"FAIL", describe(error, predict_file.parent)
        send(kind, number, body)


class Log(io.RawIOBase):
    """What the model prints: lost where it can't be written, and no error of the model's."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def writable(self) -> bool:
        """Yes."""
        return True

    def fileno(self) -> int:
        """For programs that the model starts."""
        return self._descriptor

    def write(self, data: Any) -> int:
        """All of it, or what goes."""
        left = memoryview(data)
        try:
            while left:
                left = left[os.write(self._descriptor, left) :]
        except OSError:
            pass  # a full disk, or closed by the model
        return len(data)


def log_to(descriptor: int) -> io.TextIOWrapper:
    """A text stream for ``print``, without a buffer that a killed worker would take with it."""
    return io.TextIOWrapper(
        Log(descriptor),  # type: ignore[arg-type]
        encoding="utf-8",
        errors="backslashreplace",
        write_through=True,
    )


def report(error: Exception) -> None:
    """The traceback for the log, unless the model closed it."""
    try:
        traceback.print_exception(error)
    except (OSError, ValueError):
        return


if __name__ == "__main__":
    main()
